//! Texture patterns: a level between 0 and 1 at each point, with a period of about 1.
//!
//! Each pattern fades to its mean where it is finer than the pixels, so that a small image looks like a large
//! one that was reduced, and not like another texture.

use super::geometry::Point;
use super::noise::{cells, fractal, fraction, hash, value};
use super::portable_math::{floor, smoothstep, wave};

/// Kinds of patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Texture {
    /// Hardly visible clouds, as on moulded plastic and paint.
    Plain,
    /// Long thin strokes along x, as on brushed metal.
    Brushed,
    /// Grains on a background, as on cast metal and granite.
    Speckle,
    /// Fine even noise, as on rubber and foam.
    Rough,
    /// Threads over and under each other.
    Weave,
    /// Bent rings, as in planed wood.
    Wood,
    /// Clouds of all sizes.
    Cloud,
    /// Pebbles with dark joints.
    Cells,
    /// A wave along x.
    Grating,
    /// Sharp bars along x.
    Bars,
    /// Squares of alternating colour.
    Checks,
    /// Discs in a staggered grid.
    Dots,
    /// Thin bright irregular lines, as in marble.
    Veins,
    /// Rows of small marks that look like printed text.
    Print,
    /// Diamonds with raised bars, as on tread plate and belts.
    Tread,
    /// Scales in rows.
    Scales,
}

impl Texture {
    pub(super) const ALL: [Self; 16] = [
        Self::Plain,
        Self::Brushed,
        Self::Speckle,
        Self::Rough,
        Self::Weave,
        Self::Wood,
        Self::Cloud,
        Self::Cells,
        Self::Grating,
        Self::Bars,
        Self::Checks,
        Self::Dots,
        Self::Veins,
        Self::Print,
        Self::Tread,
        Self::Scales,
    ];

    /// Returns the finest detail of the pattern, as a share of its period.
    fn detail(self) -> f32 {
        match self {
            Self::Plain | Self::Cloud | Self::Grating => 1.0,
            Self::Brushed | Self::Rough | Self::Wood | Self::Cells | Self::Tread => 0.6,
            Self::Speckle | Self::Veins | Self::Bars | Self::Checks | Self::Scales => 0.5,
            Self::Weave | Self::Dots => 0.45,
            Self::Print => 0.3,
        }
    }

    /// Returns whether the pattern has a direction.
    pub(super) fn is_oriented(self) -> bool {
        matches!(
            self,
            Self::Brushed | Self::Wood | Self::Grating | Self::Bars | Self::Print | Self::Scales
        )
    }

    /// Returns the level at `p`, for pixels with the side `pixel`.
    pub(super) fn level(self, p: Point, pixel: f32, seed: u32) -> f32 {
        const MEAN: f32 = 0.5;
        let visible = smoothstep(0.45, 1.2, self.detail() / pixel);
        if visible <= 0.0 {
            return MEAN;
        }
        MEAN + (self.sharp(p, pixel, seed) - MEAN) * visible
    }

    fn sharp(self, p: Point, pixel: f32, seed: u32) -> f32 {
        // Octaves with cells smaller than a pixel are not visible.
        let octaves = if pixel > 0.5 {
            1
        } else if pixel > 0.2 {
            2
        } else {
            4
        };
        // Edges of hard patterns are blurred by one pixel.
        let soft = pixel.max(0.04);
        let hard = |x: f32| smoothstep(-soft, soft, x);
        match self {
            Self::Plain | Self::Cloud => 0.5 + 0.7 * fractal(p, octaves, seed),
            Self::Brushed => brushed(p, seed),
            Self::Speckle => hard(
                0.6 * value([p[0] * 2.0, p[1] * 2.0], seed)
                    + 0.4 * value([p[0] * 4.1, p[1] * 4.1], !seed)
                    - 0.12,
            ),
            Self::Rough => 0.5 + 0.5 * value([p[0] * 1.9, p[1] * 1.9], seed),
            Self::Weave => weave(p),
            Self::Wood => {
                let bend = fractal([p[0] * 0.12, p[1] * 0.5], 2, seed);
                let fibre = value([p[0] * 0.6, p[1] * 9.0], seed ^ 5);
                0.5 + 0.38 * wave(p[1] * 0.8 + 2.4 * bend) + 0.12 * fibre
            }
            Self::Cells => {
                let (first, second) = cells(p, seed);
                smoothstep(0.0, 0.35, second - first) * (1.0 - 0.4 * first)
            }
            Self::Grating => 0.5 + 0.5 * wave(p[0]),
            Self::Bars => hard(wave(p[0]) * 0.25),
            Self::Checks => {
                0.5 + (hard(wave(p[0] * 0.5) * 0.5) - 0.5)
                    * (hard(wave(p[1] * 0.5) * 0.5) - 0.5)
                    * 2.0
            }
            Self::Dots => dots(p, soft),
            Self::Veins => {
                let bent = fractal([p[0] * 0.7, p[1] * 0.7], octaves, seed);
                1.0 - smoothstep(0.0, 0.09 + soft * 0.4, bent.abs())
            }
            Self::Print => print(p, seed, soft),
            Self::Tread => tread(p, soft),
            Self::Scales => scales(p),
        }
    }
}

/// Three layers of strokes of different lengths, so that the lattice is not visible.
fn brushed(p: Point, seed: u32) -> f32 {
    let fine = value([p[0] * 0.06, p[1] * 1.9], seed);
    let middle = value([p[0] * 0.035 + 9.0, p[1]], seed ^ 0x11);
    let broad = value([p[0] * 0.02, p[1] * 0.31], seed ^ 0x22);
    0.5 + 0.22 * fine + 0.2 * middle + 0.16 * broad
}

fn weave(p: Point) -> f32 {
    let (column, row) = (floor(p[0] * 2.0), floor(p[1] * 2.0));
    let (x, y) = (p[0] * 2.0 - column as f32, p[1] * 2.0 - row as f32);
    let across = if (column + row) & 1 == 0 { x } else { y };
    let along = if (column + row) & 1 == 0 { y } else { x };
    // A thread has a round cross-section and passes under its neighbours at both ends.
    4.0 * across * (1.0 - across) * (0.45 + 2.2 * along * (1.0 - along))
}

fn dots(p: Point, soft: f32) -> f32 {
    let row = floor(p[1]);
    let shift = if row & 1 == 0 { 0.0 } else { 0.5 };
    let x = p[0] + shift - floor(p[0] + shift) as f32 - 0.5;
    let y = p[1] - row as f32 - 0.5;
    smoothstep(-soft, soft, 0.3 - (x * x + y * y).sqrt())
}

fn tread(p: Point, soft: f32) -> f32 {
    let (column, row) = (floor(p[0]), floor(p[1]));
    let (x, y) = (p[0] - column as f32 - 0.5, p[1] - row as f32 - 0.5);
    let slant = if (column + row) & 1 == 0 { 1.0 } else { -1.0 };
    let along = (x + slant * y) * 0.707;
    let across = (x - slant * y) * 0.707;
    let edge = 1.0 - (along * along / 0.2 + across * across / 0.022);
    smoothstep(-soft * 4.0, soft * 4.0 + 0.4, edge)
}

fn scales(p: Point) -> f32 {
    let row = floor(p[1]);
    let shift = if row & 1 == 0 { 0.0 } else { 0.5 };
    let x = p[0] + shift - floor(p[0] + shift) as f32 - 0.5;
    let y = p[1] - row as f32;
    let arc = y - (0.25 - x * x).max(0.0).sqrt();
    if arc < 0.0 { 0.35 + y } else { 0.9 - arc * 1.4 }.clamp(0.0, 1.0)
}

/// Words of marks on lines; a mark is a random subset of a grid of 3 x 5 cells.
fn print(p: Point, seed: u32, soft: f32) -> f32 {
    let (column, row) = (floor(p[0] * 1.5), floor(p[1]));
    let bits = hash(column, row, seed);
    let x = (p[0] * 1.5 - column as f32) * 4.0; // 3 cells of a mark, 1 between marks
    let y = (p[1] - row as f32) * 8.0; // 5 cells, 3 between lines
    if x >= 3.0 || y >= 5.0 || bits & 0x7000 == 0 {
        return 0.0;
    }
    let cell = floor(y) * 3 + floor(x);
    let inked = (bits >> (16 + cell)) & 1 == 1 || (floor(x) == 0 && bits & 0x800 == 0);
    // For pixels as wide as a cell, only the mean of the ink remains.
    let strength = 1.0 - 0.5 * smoothstep(0.15, 0.4, soft);
    if inked {
        strength
    } else {
        0.3 * fraction(bits) * (1.0 - strength)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_stay_near_0_to_1_and_vary() {
        for texture in Texture::ALL {
            let levels: Vec<f32> = (0..2_000_i16)
                .map(|i| texture.level([f32::from(i) * 0.173, f32::from(i) * 0.031], 0.1, 9))
                .collect();
            let low = levels.iter().copied().fold(f32::MAX, f32::min);
            let high = levels.iter().copied().fold(f32::MIN, f32::max);
            assert!(low >= -0.3 && high <= 1.3, "{texture:?} {low} {high}");
            assert!(high - low > 0.2, "{texture:?}");
        }
    }

    #[test]
    fn texture_finer_than_pixels_is_its_mean() {
        for texture in Texture::ALL {
            assert!((texture.level([0.3, 0.7], 4.0, 1) - 0.5).abs() < 1e-6);
        }
    }
}
