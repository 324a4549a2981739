//! From the network's two anomaly maps to a score: quantile normalisation, weighted sum, upsampling,
//! maximum. The trainer's evaluation and the daemon call the same functions.

mod resize;

use thiserror::Error;

pub use resize::upsample;
pub(crate) use resize::{Grid, Peak, Place, Span};

/// Value to which the normalisation maps the quantile `b`. From `EfficientAD` (Batzner et al., 2024),
/// section 3.3; any other positive value would only rescale all scores.
const UPPER_VALUE: f32 = 0.1;

/// Size of an anomaly map in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapSize {
    /// Cells per row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
}

impl MapSize {
    /// Builds the size of a square map of `side` x `side` cells.
    pub const fn square(side: usize) -> Self {
        Self {
            width: side,
            height: side,
        }
    }

    /// Returns the number of cells.
    pub const fn cells(self) -> usize {
        self.width * self.height
    }
}

/// Two quantiles of a map's values on good validation images; the normalisation maps `a` to 0 and `b` to
/// 0.1. Both are finite, and `a < b`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    a: f32,
    b: f32,
}

/// The two numbers are not quantiles.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[error("quantiles a = {a} and b = {b} must be finite with a < b")]
pub struct QuantilesError {
    /// The lower number.
    pub a: f32,
    /// The upper number.
    pub b: f32,
}

impl Quantiles {
    /// Builds quantiles from the lower quantile `a` and the upper quantile `b`.
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

    /// The lower quantile, mapped to 0.
    pub fn a(self) -> f32 {
        self.a
    }

    /// The upper quantile, mapped to 0.1.
    pub fn b(self) -> f32 {
        self.b
    }

    /// Returns `0.1 (m - a) / (b - a)`.
    pub fn normalise(self, m: f32) -> f32 {
        UPPER_VALUE * (m - self.a) / (self.b - self.a)
    }
}

/// Calibration that combines a model's raw maps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapCalibration {
    /// Quantiles of the structural map.
    pub structural: Quantiles,
    /// Quantiles of the logical map; unset for a model with one map. Its logical share is then 0.
    pub logical: Option<Quantiles>,
    /// Weights of the normalised maps in the sum: structural, logical.
    pub weights: [f32; 2],
}

impl MapCalibration {
    /// Returns the contribution of the structural map's value `m` to the combined map.
    pub(crate) fn structural_part(&self, m: f32) -> f32 {
        self.weights[0] * self.structural.normalise(m)
    }

    /// Returns the structural map's share of the combined map, at the resolution of the maps.
    pub fn structural_share(&self, structural: &[f32]) -> Vec<f32> {
        structural
            .iter()
            .map(|&m| self.structural_part(m))
            .collect()
    }

    /// Returns the contribution of the logical map's value `m` to the combined map: 0 for a model without a
    /// logical map.
    pub(crate) fn logical_part(&self, m: f32) -> f32 {
        self.logical
            .map_or(0.0, |logical| self.weights[1] * logical.normalise(m))
    }
}

/// Score of an image, with the share of each branch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Maximum of the combined map at the size of the image.
    pub score: f32,
    /// Share of the structural map: normalised and weighted, at the position of the maximum.
    pub structural: f32,
    /// Share of the logical map. The two shares add up to the score, except for rounding.
    pub logical: f32,
}

/// Returns the combined map at the resolution of the maps: each map is normalised by its quantiles,
/// weighted and added. Without quantiles for the logical map, its values are ignored.
///
/// # Panics
/// When the maps differ in length.
pub fn combine(structural: &[f32], logical: &[f32], calibration: &MapCalibration) -> Vec<f32> {
    assert_eq!(structural.len(), logical.len(), "maps of equal size");
    structural
        .iter()
        .zip(logical)
        .map(|(&s, &l)| calibration.structural_part(s) + calibration.logical_part(l))
        .collect()
}

/// Returns the score of an image of `width` x `height` pixels from its two raw maps of `size`: the maximum
/// of the combined map, resized to the size of the image.
///
/// The maps are added at their own resolution and resized once: resizing is linear, so it commutes with
/// the sum. The maximum is taken after resizing, as in the published evaluation; it is at most the
/// maximum before. If a map has a non-finite value, all three fields of the score are NaN: the image
/// cannot be judged, and the caller must not treat it as good.
///
/// # Panics
/// When a map does not have `size.cells()` values, or a size is zero.
pub fn image_score(
    structural: &[f32],
    logical: &[f32],
    size: MapSize,
    calibration: &MapCalibration,
    width: u32,
    height: u32,
) -> Score {
    assert!(
        size.cells() > 0 && width > 0 && height > 0,
        "sizes above zero"
    );
    assert_eq!(structural.len(), size.cells(), "a map of {size:?}");
    let combined = combine(structural, logical, calibration);
    let grid = Grid::new(size, width, height);
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
            structural: calibration.structural_part(place.of(structural, size)),
            logical: calibration.logical_part(place.of(logical, size)),
        },
    }
}

/// Returns whether every value is finite.
pub(crate) fn finite(map: &[f32]) -> bool {
    map.iter().all(|value| value.is_finite())
}

#[cfg(test)]
pub(crate) mod tests;
