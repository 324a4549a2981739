//! Resizing as matrix multiplication. Rows and columns are resized independently, so an image `X` becomes
//! `U X Uᵀ`: two products with constants. All common runtimes have fast matrix products, and the result does
//! not depend on a runtime's definition of "bicubic".

use crate::network::layer::Filter;

/// The cubic's free parameter in `PyTorch` (Keys 1981 has -0.5).
const A: f64 = -0.75;

/// Returns `U`, `[output, input]`, row-major: resizes `input` pixels to `output` pixels with half-pixel
/// centres; border pixels are repeated outwards (`align_corners = false`).
pub(super) fn matrix(filter: Filter, input: i64, output: i64) -> Vec<f32> {
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

/// Returns the transpose `[columns, rows]` of a matrix `[rows, columns]`.
pub(super) fn transposed(matrix: &[f32], columns: i64) -> Vec<f32> {
    let columns = columns as usize;
    let column = |column| matrix.iter().skip(column).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
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
    use super::*;

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

    #[test]
    fn transposed_swaps_rows_and_columns() {
        assert_eq!(
            transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3),
            [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
        );
    }
}
