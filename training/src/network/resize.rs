//! Resizing of feature maps: by libtorch's kernels on the CPU, by matrix products on a GPU.
//!
//! Rows and columns are resized independently, so that a resize is two products with constant matrices. The exported
//! graphs use the same matrices. On a GPU the products are several times as fast as libtorch's bicubic kernel, whose
//! backward pass also adds in a random order, so that it is not reproducible.

use tch::{Kind, Tensor};

use super::layer::{Filter, Sides};
use crate::tensors::ConstantCache;
use crate::torch;

/// The cubic's free parameter in `PyTorch` (Keys 1981 has -0.5).
const A: f64 = -0.75;

/// Returns `x` [N, C, H, W] resized to `sides` with half-pixel centres, in the kind of `x`.
pub(super) fn resized(x: &Tensor, sides: Sides, filter: Filter) -> Tensor {
    if x.device().is_cuda() {
        return by_matrices(x, sides, filter);
    }
    match filter {
        Filter::Bicubic => x.upsample_bicubic2d(sides, false, None, None),
        Filter::Bilinear => x.upsample_bilinear2d(sides, false, None, None),
    }
}

/// As [`resized`], by matrix products in f32, or in TF32 if a training allows it. Channels are innermost in memory,
/// also in the result, so that no product needs a transposed copy.
fn by_matrices(x: &Tensor, [rows, columns]: Sides, filter: Filter) -> Tensor {
    let size = x.size(); // [N, C, H, W]
    let (count, channels, height, width) = (size[0], size[1], size[2], size[3]);
    // Autocast would round the coefficients to bf16.
    let result = torch::in_f32(x.device(), || {
        let flat =
            x.to_kind(Kind::Float)
                .permute([0, 2, 3, 1])
                .reshape([count, height, width * channels]);
        let vertical = constant(filter, height, rows, x).expand([count, rows, height], false);
        let tall = vertical.bmm(&flat); // [N, rows, W * C]
        let flat = tall.reshape([count * rows, width, channels]);
        let horizontal =
            constant(filter, width, columns, x).expand([count * rows, columns, width], false);
        horizontal.bmm(&flat) // [N * rows, columns, C]
    });
    result
        .reshape([count, rows, columns, channels])
        .permute([0, 3, 1, 2])
        .to_kind(x.kind())
}

/// The matrix `[1, output, input]` on the device of `x`.
fn constant(filter: Filter, input: i64, output: i64, x: &Tensor) -> Tensor {
    static MATRICES: ConstantCache<(Filter, i64, i64)> = ConstantCache::new();
    MATRICES.get((filter, input, output), x.device(), || {
        Tensor::from_slice(&matrix(filter, input, output)).reshape([1, output, input])
    })
}

/// Returns `U`, `[output, input]`, row-major: resizes `input` pixels to `output` pixels with half-pixel
/// centres; border pixels are repeated outwards (`align_corners = false`).
pub(crate) fn matrix(filter: Filter, input: i64, output: i64) -> Vec<f32> {
    let scale = input as f64 / output as f64;
    let mut matrix = vec![0.0_f64; (input * output) as usize];
    for (row, weights) in matrix.chunks_exact_mut(input as usize).enumerate() {
        let centre = (row as f64 + 0.5) * scale - 0.5;
        let first = centre.floor() as i64 - 1;
        for (tap, coefficient) in (0..).zip(coefficients(filter, centre - centre.floor())) {
            weights[(first + tap).clamp(0, input - 1) as usize] += coefficient;
        }
    }
    matrix.into_iter().map(|weight| weight as f32).collect()
}

/// Weights of the four pixels around a point at distance `t` (in pixels) after the second one.
fn coefficients(filter: Filter, t: f64) -> [f64; 4] {
    if filter == Filter::Bilinear {
        return [0.0, 1.0 - t, t, 0.0];
    }
    let inner = |d: f64| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let outer = |d: f64| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
    [outer(1.0 + t), inner(t), inner(1.0 - t), outer(2.0 - t)]
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

    #[test]
    fn every_row_sums_to_one() {
        for (input, output) in [(1, 4), (16, 32), (33, 64), (8, 28), (65, 128)] {
            for filter in [Filter::Bicubic, Filter::Bilinear] {
                for row in matrix(filter, input, output).chunks_exact(input as usize) {
                    let sum = row.iter().sum::<f32>();
                    assert!((sum - 1.0).abs() < 1e-6, "{input} to {output}: {sum}");
                }
            }
        }
    }

    #[test]
    fn doubling_samples_at_quarter_points() {
        let bicubic = matrix(Filter::Bicubic, 8, 16);
        let expected = [-0.035_156_25, 0.261_718_75, 0.878_906_25, -0.105_468_75];
        assert_eq!(bicubic[6 * 8 + 1..6 * 8 + 5], expected);
        let bilinear = matrix(Filter::Bilinear, 8, 16);
        assert_eq!(bilinear[6 * 8 + 1..6 * 8 + 5], [0.0, 0.25, 0.75, 0.0]);
    }

    #[test]
    fn border_pixels_are_repeated_outwards() {
        assert_eq!(
            matrix(Filter::Bicubic, 2, 4)[..2],
            [0.878_906_25 + 0.261_718_75 - 0.035_156_25, -0.105_468_75]
        );
    }

    /// A tensor of `shape` with values from -1 to 1.
    fn varied(shape: [i64; 4]) -> Tensor {
        let count: i64 = shape.iter().product();
        Tensor::arange(count, CPU).sin().reshape(shape)
    }

    /// Values and gradients of both ways for inputs of `sides` in both memory layouts.
    fn check([height, width]: Sides, targets: Sides, filter: Filter) {
        let values = varied([2, 3, height, width]);
        let weights = varied([2, 3, targets[0], targets[1]]);
        let run = |x: Tensor, resize: fn(&Tensor, Sides, Filter) -> Tensor| {
            let x = x.set_requires_grad(true);
            let y = resize(&x, targets, filter);
            let gradient =
                Tensor::run_backward(&[(&y * &weights).sum(Kind::Float)], &[&x], false, false);
            [y.detach(), gradient[0].shallow_clone()]
        };
        let expected = run(values.copy(), resized);
        for x in [values.copy(), torch::channels_last(&values)] {
            for (actual, expected) in run(x, by_matrices).iter().zip(&expected) {
                assert_eq!(actual.size(), expected.size());
                let largest = |tensor: Tensor| tensor.abs().max().double_value(&[]);
                let difference = largest(actual - expected);
                assert!(
                    difference < 1e-5 * largest(expected.shallow_clone()).max(1.0),
                    "{height}x{width} {filter:?}: {difference:e}"
                );
            }
        }
    }

    #[test]
    fn matrices_have_the_values_and_gradients_of_libtorch() {
        for filter in [Filter::Bicubic, Filter::Bilinear] {
            check([1, 1], [4, 4], filter);
            check([8, 8], [32, 32], filter);
            check([16, 20], [32, 40], filter);
            check([33, 9], [64, 20], filter);
        }
    }

    #[test]
    fn matrices_keep_the_kind_of_the_input() {
        let x = varied([1, 3, 8, 8]).to_kind(Kind::BFloat16);
        let y = by_matrices(&x, [16, 16], Filter::Bicubic);
        assert_eq!(y.kind(), Kind::BFloat16);
        let expected = by_matrices(&x.to_kind(Kind::Float), [16, 16], Filter::Bicubic);
        assert!(y == expected.to_kind(Kind::BFloat16));
    }
}
