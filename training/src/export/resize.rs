//! Resizing as matrix multiplication. Rows and columns are resized independently, so an image `X` becomes
//! `U X Uᵀ`: two products with constants. All common runtimes have fast matrix products, and the result does
//! not depend on a runtime's definition of "bicubic".

pub(super) use crate::network::resize::matrix;

/// Returns the transpose `[columns, rows]` of a matrix `[rows, columns]`.
pub(super) fn transposed(matrix: &[f32], columns: i64) -> Vec<f32> {
    let columns = columns as usize;
    let column = |column| matrix.iter().skip(column).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposed_swaps_rows_and_columns() {
        assert_eq!(
            transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3),
            [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
        );
    }
}
