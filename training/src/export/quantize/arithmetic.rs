//! Scales, zero points and rounding, as ONNX defines them: `x` is stored as `round(x / scale) + zero_point`.

/// Largest absolute value of a stored weight. With 127, the results would depend on the CPU: AVX2 without VNNI adds the
/// products of two neighbouring weights in 16 bits and saturates. `2 * 255 * 64` is less than `2^15`, so every CPU
/// computes the same, and a threshold that was calibrated on one is valid on the other. This costs one bit of precision.
const LARGEST_WEIGHT: f32 = 64.0;

/// Number of steps between the smallest and the largest byte.
const STEPS: f32 = 255.0;

/// Largest absolute value of a stored bias. It leaves room in 32 bits for the sum of the products.
const LARGEST_BIAS: f32 = (1_u32 << 28) as f32;

/// Smallest scale. The product of two is still a normal float, so it is not flushed to 0.
const SMALLEST_SCALE: f32 = 1e-12;

/// Range of the elements of a value. It includes 0, so that zeros, which padding adds, are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    low: f32,
    high: f32,
}

impl Range {
    /// Builds the smallest range that includes 0, `low` and `high`.
    pub fn new(low: f32, high: f32) -> Self {
        Self {
            low: low.min(0.0),
            high: high.max(0.0),
        }
    }

    /// Returns the smallest range that includes this and the other one.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }
}

/// Scale and zero point of a value that is stored as unsigned bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ByteScale {
    /// Distance of two neighbouring levels.
    pub(super) scale: f32,
    /// Level that stands for 0.
    pub(super) zero_point: u8,
}

impl ByteScale {
    /// Spreads the levels over `range`.
    pub(super) fn of(range: Range) -> Self {
        let scale = ((range.high - range.low) / STEPS).max(SMALLEST_SCALE);
        let zero_point = (-range.low / scale).round_ties_even().clamp(0.0, STEPS);
        Self {
            scale,
            zero_point: zero_point as u8,
        }
    }
}

/// Scales to choose from, relative to the one that represents the largest weight.
const RELATIVE_SCALES: [f32; 9] = [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6];

/// The scale, at least `least`, with the smallest squared error of `weights`. `largest` is the scale that represents the
/// largest of them; with a smaller one it is clipped, and all others are finer.
fn best_scale(weights: &[f32], largest: f32, least: f32) -> f32 {
    let error = |scale: f32| -> f32 {
        let error = |weight: &f32| f32::from(rounded(*weight, scale)) * scale - weight;
        weights.iter().map(|weight| error(weight).powi(2)).sum()
    };
    let scales = RELATIVE_SCALES.map(|relative| (largest * relative).max(least));
    let errors = scales.map(|scale| (scale, error(scale)));
    errors
        .into_iter()
        .min_by(|one, other| one.1.total_cmp(&other.1))
        .map_or(least, |(scale, _)| scale)
}

/// The integer that stands for `weight`.
fn rounded(weight: f32, scale: f32) -> i8 {
    let steps = (weight / scale).round_ties_even();
    steps.clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT) as i8
}

/// Weights and biases of a convolution as integers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoredWeights {
    /// Weights, in the order of the original.
    pub(super) weights: Vec<i8>,
    /// Scale of the weights of each output channel.
    pub(super) scales: Vec<f32>,
    /// Biases, if the convolution has any.
    pub(super) bias: Option<Vec<i32>>,
    /// Scale of each bias: that of the input times that of the weights.
    pub(super) bias_scales: Vec<f32>,
}

impl StoredWeights {
    /// Rounds `weights`, `[channels, ...]`, and `bias`, `[channels]`, of a convolution whose input has the scale
    /// `input_scale`.
    pub(super) fn of(
        weights: &[f32],
        channels: usize,
        bias: Option<&[f32]>,
        input_scale: f32,
    ) -> Self {
        let fan_in = (weights.len() / channels.max(1)).max(1);
        let mut stored = Vec::with_capacity(weights.len());
        let mut scales = Vec::with_capacity(channels);
        for (channel, weights) in weights.chunks_exact(fan_in).enumerate() {
            let largest = weights
                .iter()
                .fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
            let bias = bias.map_or(0.0, |bias| bias[channel].abs());
            // A channel with small weights and a large bias has a coarser scale, so that its bias fits.
            let least = (bias / (input_scale * LARGEST_BIAS)).max(SMALLEST_SCALE);
            let scale = best_scale(weights, largest / LARGEST_WEIGHT, least);
            stored.extend(weights.iter().map(|weight| rounded(*weight, scale)));
            scales.push(scale);
        }
        let bias_scales: Vec<f32> = scales.iter().map(|scale| input_scale * scale).collect();
        let round = |(bias, scale): (&f32, &f32)| {
            (f64::from(*bias) / f64::from(*scale)).round_ties_even() as i32
        };
        Self {
            weights: stored,
            bias: bias.map(|bias| bias.iter().zip(&bias_scales).map(round).collect()),
            scales,
            bias_scales,
        }
    }

    /// Mean of the result that the stored weights give minus that of the original `weights`, `[channels, inputs of a group,
    /// ...]` with the shape `shape`, for each output channel. `means` are those of the input channels.
    pub(super) fn mean_errors(&self, weights: &[f32], shape: &[i64], means: &[f32]) -> Vec<f32> {
        let sides = shape.iter().map(|&side| side as usize);
        let [channels, inputs, taps @ ..] = &sides.collect::<Vec<_>>()[..] else {
            return Vec::new();
        };
        let taps: usize = taps.iter().product();
        let groups = (means.len() / inputs).max(1);
        let fan_in = inputs * taps;
        let filters = weights
            .chunks_exact(fan_in)
            .zip(self.weights.chunks_exact(fan_in));
        filters
            .zip(&self.scales)
            .enumerate()
            .map(|(channel, ((filter, stored), scale))| {
                let group = channel * groups / channels;
                let means = &means[group * inputs..][..*inputs];
                let pairs = filter.chunks_exact(taps).zip(stored.chunks_exact(taps));
                pairs
                    .zip(means)
                    .map(|((filter, stored), mean)| {
                        let taps = filter.iter().zip(stored);
                        let error =
                            taps.map(|(weight, stored)| f32::from(*stored) * scale - weight);
                        error.sum::<f32>() * mean
                    })
                    .sum()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rounding errors of the f32 arithmetic, as a fraction of a step.
    const SLACK: f32 = 1e-3;

    #[test]
    fn mean_errors_are_those_of_a_constant_input() {
        // Two groups of one input and two outputs each, with two taps.
        let weights = [1.0, 0.3, 2.0, -0.5, 0.7, 0.1, -1.0, 0.333];
        let stored = StoredWeights::of(&weights, 4, None, 0.1);
        let errors = stored.mean_errors(&weights, &[4, 1, 1, 2], &[3.0, 10.0]);
        let result = |weights: &[f32], mean: f32| weights.iter().sum::<f32>() * mean;
        for (channel, error) in errors.iter().enumerate() {
            let taps = 2 * channel..2 * channel + 2;
            let mean = [3.0, 3.0, 10.0, 10.0][channel];
            let scale = stored.scales[channel];
            let rounded: Vec<f32> = stored.weights[taps.clone()]
                .iter()
                .map(|weight| f32::from(*weight) * scale)
                .collect();
            let expected = result(&rounded, mean) - result(&weights[taps], mean);
            assert!(
                (error - expected).abs() < 1e-5,
                "{channel}: {error} and {expected}"
            );
        }
        assert!(errors.iter().any(|error| error.abs() > 1e-3), "{errors:?}");
    }

    fn quantised(stored: ByteScale, value: f32) -> f32 {
        let level = (value / stored.scale).round_ties_even() + f32::from(stored.zero_point);
        (level.clamp(0.0, STEPS) - f32::from(stored.zero_point)) * stored.scale
    }

    #[test]
    fn range_includes_zero() {
        let range = |low, high| Range { low, high };
        assert_eq!(Range::new(1.0, 2.0), range(0.0, 2.0));
        assert_eq!(Range::new(-2.0, -1.0), range(-2.0, 0.0));
        assert_eq!(Range::new(-1.0, 2.0), range(-1.0, 2.0));
        let both = Range::new(1.0, 2.0).with(Range::new(-3.0, 1.0));
        assert_eq!(both, range(-3.0, 2.0));
    }

    #[test]
    fn range_from_zero_has_zero_point_zero() {
        let stored = ByteScale::of(Range::new(0.0, 51.0));
        assert_eq!(stored.zero_point, 0);
        assert!((stored.scale - 0.2).abs() < 1e-6, "{stored:?}");
        // Negative values are clipped at 0, as by a Relu.
        assert!(quantised(stored, -7.0).abs() < 1e-6);
    }

    #[test]
    fn value_that_is_always_zero_has_a_normal_scale() {
        let stored = ByteScale::of(Range::default());
        assert!(stored.scale.is_normal() && (stored.scale * stored.scale).is_normal());
    }

    #[test]
    fn channel_without_weights_keeps_its_bias() {
        let stored = StoredWeights::of(&[0.0, 0.0, 1.0, -0.5], 2, Some(&[-3.0, 0.25]), 0.1);
        assert_eq!(stored.weights[..2], [0, 0]);
        assert_eq!(stored.weights[2..], [64, -32]);
        let bias = stored.bias.expect("the convolution has a bias");
        for ((bias, scale), expected) in bias.iter().zip(&stored.bias_scales).zip([-3.0, 0.25]) {
            let found = f64::from(*bias) * f64::from(*scale);
            assert!((found - expected).abs() < 1e-3, "{found}, not {expected}");
        }
    }

    proptest! {
        #[test]
        fn stored_value_differs_by_at_most_half_a_step(
            low in -1e3_f32..1.0,
            width in 1e-3_f32..1e3,
            at in 0.0_f32..=1.0,
        ) {
            let range = Range::new(low, low + width);
            let stored = ByteScale::of(range);
            let value = range.low + (range.high - range.low) * at;
            let error = (quantised(stored, value) - value).abs();
            prop_assert!(error <= (0.5 + SLACK) * stored.scale, "{value} in {range:?}: {error}, {stored:?}");
            prop_assert!(quantised(stored, 0.0).abs() < f32::MIN_POSITIVE);
        }

        #[test]
        fn stored_weight_differs_by_at_most_half_a_step(
            weights in prop::collection::vec(-10.0_f32..10.0, 12),
            bias in prop::collection::vec(-10.0_f32..10.0, 3),
            input_scale in 1e-4_f32..1.0,
        ) {
            let stored = StoredWeights::of(&weights, 3, Some(&bias), input_scale);
            for (index, weight) in weights.iter().enumerate() {
                let scale = stored.scales[index / 4];
                let level = stored.weights[index];
                prop_assert!(f32::from(level.unsigned_abs()) <= LARGEST_WEIGHT);
                let error = (f32::from(level) * scale - weight).abs();
                prop_assert!(error <= (0.5 + SLACK) * scale, "{weight}: {error}, scale {scale}");
            }
            let levels = stored.bias.expect("the convolution has a bias");
            for ((level, scale), bias) in levels.iter().zip(&stored.bias_scales).zip(&bias) {
                let (scale, bias) = (f64::from(*scale), f64::from(*bias));
                let error = (f64::from(*level) * scale - bias).abs();
                prop_assert!(error <= 0.501 * scale, "{bias}: {error}, scale {scale}");
            }
        }
    }
}
