//! The arithmetic between the network's two maps and a score: quantile normalisation, sum,
//! upsampling, maximum. Evaluation and the line call these same functions.

mod resize;

use thiserror::Error;

pub use resize::upsample;
pub(crate) use resize::{Grid, Peak, Place, Span};

/// What a map's normalisation takes the value `b` to. From `EfficientAD` (Batzner et al., 2024),
/// section 3.3; any other positive value would only rescale all scores.
const UPPER_VALUE: f32 = 0.1;

/// Two quantiles of a map's values on good validation images; normalisation takes `a` to 0 and
/// `b` to 0.1. Finite, `a < b`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    a: f32,
    b: f32,
}

/// Why two numbers are not quantiles.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[error("quantiles a = {a} and b = {b} must be finite with a < b")]
pub struct QuantilesError {
    /// The lower one.
    pub a: f32,
    /// The upper one.
    pub b: f32,
}

impl Quantiles {
    /// Takes the lower quantile `a` and the upper one `b`.
    ///
    /// # Errors
    /// Unless both, and their distance, are finite and `a < b`.
    pub fn try_new(a: f32, b: f32) -> Result<Self, QuantilesError> {
        if a < b && a.is_finite() && (b - a).is_finite() {
            Ok(Self { a, b })
        } else {
            Err(QuantilesError { a, b })
        }
    }

    /// The lower quantile, taken to 0.
    pub fn a(self) -> f32 {
        self.a
    }

    /// The upper quantile, taken to 0.1.
    pub fn b(self) -> f32 {
        self.b
    }

    /// `0.1 (m - a) / (b - a)`.
    pub fn normalise(self, m: f32) -> f32 {
        UPPER_VALUE * (m - self.a) / (self.b - self.a)
    }
}

/// All that turns a model's two raw maps into one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapCalibration {
    /// Of the structural map.
    pub structural: Quantiles,
    /// Of the logical map.
    pub logical: Quantiles,
    /// What the normalised maps are multiplied by before they are added: structural, logical.
    pub weights: [f32; 2],
}

impl MapCalibration {
    /// What the structural map's value `m` adds to the combined one.
    pub(crate) fn structural_part(&self, m: f32) -> f32 {
        self.weights[0] * self.structural.normalise(m)
    }

    /// The structural map's share of the combined map, at the maps' own resolution.
    pub fn structural_share(&self, structural: &[f32]) -> Vec<f32> {
        structural
            .iter()
            .map(|&m| self.structural_part(m))
            .collect()
    }

    /// What the logical map's value `m` adds to the combined one.
    pub(crate) fn logical_part(&self, m: f32) -> f32 {
        self.weights[1] * self.logical.normalise(m)
    }
}

/// An image's score and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The maximum of the combined map at the image's size.
    pub score: f32,
    /// The structural map's share of it: normalised, weighted, at the place of the maximum.
    pub structural: f32,
    /// The logical map's share; the two shares add up to the score, to rounding.
    pub logical: f32,
}

/// The combined map at the maps' own resolution: normalised by their quantiles, weighted, added.
///
/// # Panics
/// When the maps differ in length.
pub fn combine(structural: &[f32], logical: &[f32], calibration: &MapCalibration) -> Vec<f32> {
    assert_eq!(structural.len(), logical.len(), "two maps of one size");
    structural
        .iter()
        .zip(logical)
        .map(|(&s, &l)| calibration.structural_part(s) + calibration.logical_part(l))
        .collect()
}

/// The score of an image of `width` x `height` pixels from its two raw maps of `map_side` x
/// `map_side` values: the maximum of the combined map resized to the image's own size.
///
/// The sum is taken at the maps' resolution and resized once: resizing is linear, so it commutes
/// with the sum. The maximum is taken after resizing, as the published evaluation does; it is at
/// most the maximum before. A map with a value that is not finite scores NaN in all three fields:
/// no judgement can be made of it, and a caller must not read it as good.
///
/// # Panics
/// When a map has not `map_side * map_side` values, or a size is zero.
pub fn image_score(
    structural: &[f32],
    logical: &[f32],
    map_side: usize,
    calibration: &MapCalibration,
    width: u32,
    height: u32,
) -> Score {
    assert!(
        map_side > 0 && width > 0 && height > 0,
        "sizes with an area"
    );
    assert_eq!(structural.len(), map_side * map_side, "a square map");
    let combined = combine(structural, logical, calibration);
    let grid = Grid::new(map_side, width, height);
    let peak = if finite(&combined) {
        grid.maximum(&combined, grid.all())
    } else {
        None
    };
    match peak {
        None => Score {
            score: f32::NAN,
            structural: f32::NAN,
            logical: f32::NAN,
        },
        Some(Peak { place, value }) => Score {
            score: value,
            structural: calibration.structural_part(place.of(structural, map_side)),
            logical: calibration.logical_part(place.of(logical, map_side)),
        },
    }
}

/// Whether every value is a number.
pub(crate) fn finite(map: &[f32]) -> bool {
    map.iter().all(|value| value.is_finite())
}

#[cfg(test)]
mod tests;
