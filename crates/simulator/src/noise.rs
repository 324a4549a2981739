//! Deterministic noise fields: equal points and seeds give equal values.

use super::geometry::Point;
use super::portable_math::floor;

/// Hashes a lattice point and a seed to 32 bits.
pub(super) fn hash(x: i32, y: i32, seed: u32) -> u32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1)
        ^ (y as u32).wrapping_mul(0x85EB_CA77)
        ^ seed.wrapping_mul(0xC2B2_AE3D);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^ (h >> 15)
}

/// Converts the upper bits of a hash to a number in [0, 1).
pub(super) fn fraction(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Returns value noise with cells of side 1, between -1 and 1.
pub(super) fn value(p: Point, seed: u32) -> f32 {
    let (cx, cy) = (floor(p[0]), floor(p[1]));
    let (fx, fy) = (p[0] - cx as f32, p[1] - cy as f32);
    let (ux, uy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
    let corner = |dx: i32, dy: i32| fraction(hash(cx.wrapping_add(dx), cy.wrapping_add(dy), seed));
    let top = corner(0, 0) + (corner(1, 0) - corner(0, 0)) * ux;
    let bottom = corner(0, 1) + (corner(1, 1) - corner(0, 1)) * ux;
    (top + (bottom - top) * uy) * 2.0 - 1.0
}

/// Returns the sum of octaves of value noise, each half as strong and about twice as fine, within -1 and 1.
pub(super) fn fractal(p: Point, octaves: u32, seed: u32) -> f32 {
    let (mut sum, mut total, mut strength, mut frequency) = (0.0, 0.0, 1.0, 1.0);
    for octave in 0..octaves {
        sum += strength * value([p[0] * frequency, p[1] * frequency], seed ^ (octave << 24));
        total += strength;
        strength *= 0.5;
        frequency *= 2.03; // Not 2, so that the lattices do not line up.
    }
    sum / total
}

/// Returns the distances to the nearest and the second nearest point, with one random point in each cell of
/// side 1.
pub(super) fn cells(p: Point, seed: u32) -> (f32, f32) {
    let (cx, cy) = (floor(p[0]), floor(p[1]));
    let (mut first, mut second) = (9.0_f32, 9.0_f32);
    for dy in -1..=1 {
        for dx in -1..=1 {
            let (gx, gy) = (cx.wrapping_add(dx), cy.wrapping_add(dy));
            let bits = hash(gx, gy, seed);
            let x = gx as f32 + (bits & 0xFFFF) as f32 / 65_536.0 - p[0];
            let y = gy as f32 + (bits >> 16) as f32 / 65_536.0 - p[1];
            let square = x * x + y * y;
            if square < first {
                second = first;
                first = square;
            } else if square < second {
                second = square;
            }
        }
    }
    (first.sqrt(), second.sqrt())
}

/// Returns sensor noise with mean 0 and standard deviation 1: the sum of four uniform bytes, which differs from a
/// Gaussian by less than 0.01 within two deviations.
pub(super) fn gaussian(index: u32, seed: u32) -> f32 {
    let bits = hash(index as i32, 0x51, seed);
    let sum: u32 = bits.to_le_bytes().into_iter().map(u32::from).sum();
    (sum as f32 - 510.0) * (1.0 / 147.8) // 147.8 = sqrt(4 * (256^2 - 1) / 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensor_noise_has_mean_zero_and_deviation_one() {
        let drawn: Vec<f32> = (0..40_000).map(|i| gaussian(i, 7)).collect();
        let mean = drawn.iter().sum::<f32>() / 40_000.0;
        let variance = drawn.iter().map(|x| x * x).sum::<f32>() / 40_000.0;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03);
    }

    #[test]
    fn noise_fields_stay_in_their_range() {
        for step in 0..2_000_i16 {
            let p = [f32::from(step) * 0.37 - 300.0, f32::from(step) * 0.11];
            assert!(fractal(p, 4, 3).abs() <= 1.0);
            let (first, second) = cells(p, 3);
            assert!(first <= second && first < 1.5);
        }
    }
}
