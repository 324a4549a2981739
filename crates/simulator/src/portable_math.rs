//! Elementary functions with bit-identical results on every machine.
//!
//! The standard library calls `sin` and `cos` of the platform's mathematics library, which can select another
//! implementation on another CPU. A simulated image must have the same bytes everywhere, so these functions use
//! only sums and products, which IEEE 754 defines exactly.

use std::f64::consts::{PI, TAU};

/// Returns the sine and cosine of an angle.
pub(super) fn sin_cos(radians: f32) -> (f32, f32) {
    let angle = f64::from(radians);
    (sine(angle) as f32, sine(angle + PI / 2.0) as f32)
}

/// Taylor series up to the 17th power, with an error of at most 1e-7 on the reduced range.
fn sine(angle: f64) -> f64 {
    let turns = angle / TAU;
    let x = (turns - (turns + 0.5).floor()) * TAU; // in [-pi, pi)
    let square = x * x;
    let mut term = x;
    let mut sum = x;
    for n in 1..=8 {
        let odd = f64::from(2 * n + 1);
        term *= -square / ((odd - 1.0) * odd);
        sum += term;
    }
    sum
}

/// Returns the largest integer not above `x`; much faster than the library's `floor`.
pub(super) fn floor(x: f32) -> i32 {
    let whole = x as i32;
    whole - i32::from((whole as f32) > x)
}

/// Returns a wave with period 1 between -1 and 1: two parabolas that differ from a sine by at most 6 %.
pub(super) fn wave(turns: f32) -> f32 {
    let phase = turns - floor(turns) as f32;
    if phase < 0.5 {
        16.0 * phase * (0.5 - phase)
    } else {
        -16.0 * (phase - 0.5) * (1.0 - phase)
    }
}

/// Returns 0 below `low`, 1 above `high`, and a smooth transition between.
pub(super) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_and_cosine_agree_with_the_standard_library() {
        for step in -200_i16..200 {
            let angle = f32::from(step) * 0.07;
            let (sine, cosine) = sin_cos(angle);
            assert!((sine - angle.sin()).abs() < 1e-5, "{angle}");
            assert!((cosine - angle.cos()).abs() < 1e-5, "{angle}");
        }
    }

    #[test]
    fn floor_rounds_down_on_both_sides_of_zero() {
        for (x, expected) in [(1.5, 1), (-1.5, -2), (2.0, 2), (-2.0, -2), (-0.1, -1)] {
            assert_eq!(floor(x), expected);
        }
    }
}
