//! The two-dimensional Fourier transform of a small square.

use std::fmt;
use std::sync::Arc;

use rustfft::{Fft, FftPlanner};

pub(super) use rustfft::num_complex::Complex32;

/// Forward and inverse transforms of squares of one size. Spectra are stored with rows and columns
/// exchanged, which saves a step and is the same for all of them.
#[derive(Clone)]
pub(super) struct Transform {
    side: usize,
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    scratch: Vec<Complex32>,
    other: Vec<Complex32>,
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transform({0}x{0})", self.side)
    }
}

impl Transform {
    /// For squares of `side` x `side`.
    pub fn new(side: usize) -> Self {
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (
            planner.plan_fft_forward(side),
            planner.plan_fft_inverse(side),
        );
        let zero = Complex32::default();
        let scratch = forward
            .get_inplace_scratch_len()
            .max(inverse.get_inplace_scratch_len());
        Self {
            side,
            forward,
            inverse,
            scratch: vec![zero; scratch],
            other: vec![zero; side * side],
        }
    }

    /// Transforms an image to its spectrum, in place.
    pub fn forward(&mut self, square: &mut Vec<Complex32>) {
        let fft = Arc::clone(&self.forward);
        self.transform(&*fft, square);
    }

    /// Transforms a spectrum to its image, in place; the values are `side * side` times as large.
    pub fn inverse(&mut self, square: &mut Vec<Complex32>) {
        let fft = Arc::clone(&self.inverse);
        self.transform(&*fft, square);
    }

    fn transform(&mut self, fft: &dyn Fft<f32>, square: &mut Vec<Complex32>) {
        fft.process_with_scratch(square, &mut self.scratch);
        for (x, column) in self.other.chunks_exact_mut(self.side).enumerate() {
            let values = square.iter().skip(x).step_by(self.side);
            for (to, from) in column.iter_mut().zip(values) {
                *to = *from;
            }
        }
        std::mem::swap(square, &mut self.other);
        fft.process_with_scratch(square, &mut self.scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_and_inverse_multiply_the_image_by_the_number_of_pixels() {
        let side = 8;
        let picture: Vec<_> = (0..side * side)
            .map(|at| Complex32::new((at * at % 17) as f32, 0.0))
            .collect();
        let mut transform = Transform::new(side);
        let mut square = picture.clone();
        transform.forward(&mut square);
        let sum: f32 = picture.iter().map(|value| value.re).sum();
        assert!((square[0].re - sum).abs() < 1e-2);
        transform.inverse(&mut square);
        for (found, expected) in square.iter().zip(&picture) {
            let found = *found / (side * side) as f32;
            assert!((found - expected).norm() < 1e-4, "{found} {expected}");
        }
    }
}
