//! Weights from a formula: as varied as random weights, and identical in every implementation.
//!
//! `index` is the index of the convolution in its network, from 0. `tag` is the network: teacher 0,
//! `SEncoder1` 1, `SEncoder2` 2, `LDecoder` 3, `GDecoder` 4.

/// Weight of a convolution with shape `[out, in, k, k]`, row-major.
pub(crate) fn weight(shape: [i64; 4], index: usize, tag: usize) -> Vec<f32> {
    let elements = shape.iter().product::<i64>();
    let fan_in = shape[1..].iter().product::<i64>();
    let bound = (6.0 / fan_in as f64).sqrt();
    let (net, convolution) = (37.719 * tag as f64, 78.233 * (index + 1) as f64);
    let element = |i: i64| {
        // The terms must be added in this order: the arguments are so large that rounding in another order
        // would change the fourth digit of the weight.
        let wave = 43_758.545_3 * (12.989_8 * i as f64 + convolution + net).sin();
        (bound * (2.0 * wave.fract().abs() - 1.0)) as f32
    };
    (0..elements).map(element).collect()
}

/// Bias of a convolution with `channels` output channels.
pub(crate) fn bias(channels: i64, index: usize, tag: usize) -> Vec<f32> {
    let element = |i: i64| (0.05 * (0.7 * i as f64 + index as f64 + tag as f64).cos()) as f32;
    (0..channels).map(element).collect()
}

/// A preprocessed image `[1, 3, side, side]`.
pub(crate) fn image(side: i64) -> Vec<f32> {
    let element = |i: i64| (1_234.567 * (0.618 * i as f64 + 0.1).sin()).fract().abs() as f32;
    (0..3 * side * side).map(element).collect()
}
