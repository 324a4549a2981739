//! Gaussian smoothing of a map before the pixel-level metrics, as in the published evaluations: the kernel is
//! truncated at four standard deviations, and the map is mirrored at its edges with the edge pixel repeated
//! (defaults of SciPy's `gaussian_filter`).

/// Kernel radius in standard deviations.
const TRUNCATE: f64 = 4.0;

/// Smooths `map` of `width` x `height` values with a standard deviation of `sigma` pixels. A `sigma` of 0
/// returns the map unchanged.
///
/// # Panics
/// If the map is empty or does not have `width * height` values.
pub(super) fn smooth(map: Vec<f32>, width: usize, height: usize, sigma: f64) -> Vec<f32> {
    assert!(width > 0 && height > 0, "the map must not be empty");
    assert_eq!(
        map.len(),
        width * height,
        "the map must have {width}x{height} values"
    );
    let kernel = kernel(sigma);
    if kernel.len() == 1 {
        return map;
    }
    smooth_rows(
        &smooth_columns(&map, width, height, &kernel),
        width,
        &kernel,
    )
}

/// Weights at distance 0, 1, 2, ... from the centre. The whole kernel, with both sides, sums to 1.
fn kernel(sigma: f64) -> Vec<f32> {
    let radius = (TRUNCATE * sigma + 0.5) as usize;
    if radius == 0 {
        return vec![1.0];
    }
    let half: Vec<f64> = (0..=radius)
        .map(|offset| (-0.5 * (offset as f64 / sigma).powi(2)).exp())
        .collect();
    let sum = 2.0 * half.iter().sum::<f64>() - half[0];
    half.iter().map(|weight| (weight / sum) as f32).collect()
}

/// Smooths along the columns; processes whole rows at once.
fn smooth_columns(map: &[f32], width: usize, height: usize, kernel: &[f32]) -> Vec<f32> {
    let row = |at: i64| &map[mirrored_index(at, height) * width..][..width];
    let mut smoothed = Vec::with_capacity(map.len());
    for y in 0..height as i64 {
        let mut line: Vec<f32> = row(y).iter().map(|value| kernel[0] * value).collect();
        for (offset, &weight) in (1..).zip(&kernel[1..]) {
            let pairs = row(y - offset).iter().zip(row(y + offset));
            for (sum, (before, after)) in line.iter_mut().zip(pairs) {
                *sum += weight * (before + after);
            }
        }
        smoothed.extend(line);
    }
    smoothed
}

/// Smooths along the rows.
fn smooth_rows(map: &[f32], width: usize, kernel: &[f32]) -> Vec<f32> {
    let radius = kernel.len() - 1;
    let mut smoothed = Vec::with_capacity(map.len());
    let mut line = Vec::with_capacity(width + 2 * radius);
    for row in map.chunks_exact(width) {
        line.clear();
        let places = -(radius as i64)..(width + radius) as i64;
        line.extend(places.map(|at| row[mirrored_index(at, width)]));
        smoothed.extend((radius..radius + width).map(|at| {
            let pairs = (1..=radius).map(|offset| line[at - offset] + line[at + offset]);
            let weighted = pairs.zip(&kernel[1..]).map(|(pair, weight)| pair * weight);
            kernel[0] * line[at] + weighted.sum::<f32>()
        }));
    }
    smoothed
}

/// Maps the index `at` into `0..side` by mirroring: `d c b a | a b c d | d c b a`, at any distance.
fn mirrored_index(at: i64, side: usize) -> usize {
    let side = side as i64;
    let at = at.rem_euclid(2 * side);
    at.min(2 * side - 1 - at) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn impulse_becomes_the_kernel() {
        let (width, height) = (41, 31);
        let mut map = vec![0.0; width * height];
        map[15 * width + 20] = 1.0;
        let smoothed = smooth(map, width, height, 2.0);
        // exp(-r^2 / 8) divided by the sum of the 17 x 17 values of the kernel.
        let check = |x: usize, y: usize, expected: f32| {
            let found = smoothed[y * width + x];
            assert!((found - expected).abs() < 1e-6, "{x},{y}: {found}");
        };
        check(20, 15, 0.039_790);
        check(21, 15, 0.035_115);
        check(22, 17, 0.014_638);
        check(20, 24, 0.0);
        let sum: f32 = smoothed.iter().sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }

    #[test]
    fn sigma_zero_returns_the_map_unchanged() {
        assert_eq!(smooth(vec![1.0, 5.0], 2, 1, 0.0), [1.0, 5.0]);
    }

    #[test]
    fn edges_are_mirrored_for_any_map_size() {
        let indices = |side| {
            (-5..6)
                .map(|at| mirrored_index(at, side))
                .collect::<Vec<_>>()
        };
        assert_eq!(indices(3), [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0]);
        assert_eq!(indices(1), [0; 11]);
    }

    proptest! {
        #[test]
        fn smoothing_preserves_constant_maps_and_the_mean(
            (width, values) in (1usize..12).prop_flat_map(|width| {
                (Just(width), prop::collection::vec(-1.0f32..1.0, width * 5))
            })
        ) {
            let level = smooth(vec![0.25; values.len()], width, 5, 2.0);
            prop_assert!(level.iter().all(|value| (value - 0.25).abs() < 1e-6));
            let mean = |map: &[f32]| map.iter().sum::<f32>() / map.len() as f32;
            let before = mean(&values);
            let after = mean(&smooth(values, width, 5, 2.0));
            prop_assert!((before - after).abs() < 1e-5, "{} and {}", before, after);
        }
    }
}
