//! Whether a server runs the same model as the local engine: two pictures whose maps must agree.

use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_engine::{Engine, EngineError, RawMaps};
use thiserror::Error;

/// Largest difference of a cell, as a share of the range of the picture's map. Other processors round otherwise: with 32-bit floats in
/// the sixth digit, with TF32 (factors of 10 bits) in the fourth. Another model differs by many times as much.
const TOLERANCE_OF_RANGE: f32 = 0.01;

/// The same as a share of the largest absolute value of the map, for a map that is nearly even.
const TOLERANCE_OF_VALUE: f32 = 0.0001;

/// Levels of the pictures, so that no pixel is black or white.
const LEVELS: std::ops::RangeInclusive<u32> = 32..=223;

/// Side of the even squares of the two pictures, pixels.
const SQUARES: [u32; 2] = [8, 24];

/// The pictures, and the maps that the local engine gives for them.
#[derive(Debug)]
pub struct Probe {
    pictures: [Frame; 2],
    expected: [RawMaps; 2],
}

/// The maps of a server are not those of the local engine.
#[derive(Clone, Debug, Error, PartialEq)]
#[error(
    "the server gives other maps than the local engine: a cell of the {map} map of a test picture is {found}, must be {expected} within {tolerance}: it runs another model"
)]
pub(super) struct Disagreement {
    map: &'static str,
    found: f32,
    expected: f32,
    tolerance: f32,
}

impl Probe {
    /// Runs the local engine over the pictures.
    ///
    /// # Errors
    /// When a run fails.
    pub fn new(engine: &mut Engine, size: [u32; 2]) -> Result<Self, EngineError> {
        let pictures = SQUARES.map(|side| picture(size, side));
        let expected = [engine.run(&[&pictures[0]])?, engine.run(&[&pictures[1]])?];
        Ok(Self { pictures, expected })
    }

    /// The pixels of a batch of the two pictures in turn, beginning with the picture `first`.
    pub(super) fn pixels(&self, first: usize, count: usize) -> Vec<u8> {
        let pictures = self.pictures.iter().cycle().skip(first).take(count);
        pictures.flat_map(Frame::rgb).copied().collect()
    }

    /// Compares the maps of such a batch with those of the local engine.
    pub(super) fn check(&self, first: usize, found: &RawMaps) -> Result<(), Disagreement> {
        let expected = self.expected.iter().cycle().skip(first);
        for ((structural, logical), expected) in found.frames().zip(expected) {
            compare("structural", &expected.structural, structural)?;
            compare("logical", &expected.logical, logical)?;
        }
        Ok(())
    }
}

fn compare(map: &'static str, expected: &[f32], found: &[f32]) -> Result<(), Disagreement> {
    let least = expected.iter().copied().fold(f32::INFINITY, f32::min);
    let most = expected.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let tolerance =
        TOLERANCE_OF_RANGE * (most - least) + TOLERANCE_OF_VALUE * least.abs().max(most.abs());
    let mut cells = expected.iter().zip(found);
    // Not the opposite: a difference that is no number is one.
    let agrees = |expected: f32, found: f32| (expected - found).abs() <= tolerance;
    match cells.find(|&(&expected, &found)| !agrees(expected, found)) {
        None => Ok(()),
        Some((&expected, &found)) => Err(Disagreement {
            map,
            found,
            expected,
            tolerance,
        }),
    }
}

/// Squares of even random colours with noise over them. The same on every machine.
fn picture([width, height]: [u32; 2], square: u32) -> Frame {
    let mut rgb = Vec::with_capacity(width as usize * height as usize * CHANNELS);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..CHANNELS as u32 {
                let colour = level(&[square, channel, x / square, y / square]);
                let noise = level(&[square, channel, x, y, 1]);
                // A quarter of noise.
                rgb.push(((3 * colour + noise) / 4) as u8);
            }
        }
    }
    Frame::new(width, height, rgb).expect("a manifest's input has an area")
}

/// A random level that depends on these numbers (SplitMix64).
fn level(numbers: &[u32]) -> u32 {
    let mixed = numbers.iter().fold(0_u64, |state, number| {
        let mut mixed = (state ^ u64::from(*number)).wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    });
    let levels = LEVELS.end() - LEVELS.start() + 1;
    LEVELS.start() + (mixed % u64::from(levels)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_textured_different_and_the_same_everywhere() {
        let pictures = SQUARES.map(|side| picture([64, 32], side));
        assert_ne!(pictures[0].rgb(), pictures[1].rgb());
        for picture in &pictures {
            let levels = picture.rgb().iter().map(|level| u32::from(*level));
            assert!(levels.clone().all(|level| LEVELS.contains(&level)));
            let (least, most) = (levels.clone().min(), levels.max());
            assert!(most > least.map(|least| least + 100), "{least:?} {most:?}");
        }
        assert_eq!(picture([64, 32], 8).rgb(), pictures[0].rgb());
    }

    #[test]
    fn maps_agree_within_a_hundredth_of_their_range() {
        let expected = [0.0, 1.0, 2.0, 0.5];
        let check = |found: [f32; 4]| compare("logical", &expected, &found).is_ok();
        assert!(check(expected));
        assert!(check([0.019, 1.0, 1.981, 0.5]));
        assert!(!check([0.021, 1.0, 2.0, 0.5]));
        assert!(!check([0.0, 1.0, 2.0, 0.47]));
        assert!(!check([0.0, f32::NAN, 2.0, 0.5]));
        // An even map has no range.
        assert!(compare("logical", &[3.0; 2], &[3.0, 3.0002]).is_ok());
        assert!(compare("logical", &[3.0; 2], &[3.0, 3.001]).is_err());
        assert!(compare("logical", &[0.0; 2], &[0.0, 0.0]).is_ok());
        assert!(compare("logical", &[0.0; 2], &[0.0, 1e-6]).is_err());
    }
}
