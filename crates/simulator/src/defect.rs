//! Kinds of defects, and how the ground truth of `MVTec` LOCO AD represents them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Kind of a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Defect {
    /// A thin bright groove in the plate.
    Scratch,
    /// A shallow hollow in the plate.
    Dent,
    /// An oil stain with a dark rim.
    Stain,
    /// A jagged, branching crack at the edge of the plate or in the housing of the connector.
    Crack,
    /// A part of the drawing is missing.
    Missing,
    /// An additional part.
    Extra,
    /// Two of the three capacitors are exchanged.
    Swapped,
    /// A part is clearly displaced.
    WrongPlace,
    /// The cable has a valid colour, but not the colour of the connector.
    WrongPairing,
}

/// The name is not the name of a defect.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "unknown defect {0:?}: must be scratch, dent, stain, crack, missing, extra, swapped, wrong_place or wrong_pairing"
)]
pub struct UnknownDefect(pub String);

/// Saturation threshold: how much of a defect's mask must be found for the defect to count as completely found,
/// as in `defects_config.json` of `MVTec` LOCO AD.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Saturation {
    /// Whether `threshold` is a share of the mask's area; otherwise it is a number of pixels.
    pub relative: bool,
    /// Share in (0, 1], or number of pixels at the rendered size.
    pub threshold: f64,
}

/// Area of the smallest part that can be missing or additional, as a share of the square on the frame's shorter
/// side. The part is a screw: its head has 0.0024 and its washer 0.0041.
const SMALLEST_PART_AREA: f64 = 0.0028;

impl Defect {
    /// Every defect, structural ones first.
    pub const ALL: [Self; 9] = [
        Self::Scratch,
        Self::Dent,
        Self::Stain,
        Self::Crack,
        Self::Missing,
        Self::Extra,
        Self::Swapped,
        Self::WrongPlace,
        Self::WrongPairing,
    ];

    /// Structural defects: damage that can be seen without knowing the drawing.
    pub const STRUCTURAL: [Self; 4] = [Self::Scratch, Self::Dent, Self::Stain, Self::Crack];

    /// Logical defects: violated rules of the drawing; each part by itself is good.
    pub const LOGICAL: [Self; 5] = [
        Self::Missing,
        Self::Extra,
        Self::Swapped,
        Self::WrongPlace,
        Self::WrongPairing,
    ];

    /// Returns the name in `snake_case`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scratch => "scratch",
            Self::Dent => "dent",
            Self::Stain => "stain",
            Self::Crack => "crack",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Swapped => "swapped",
            Self::WrongPlace => "wrong_place",
            Self::WrongPairing => "wrong_pairing",
        }
    }

    /// Returns whether the defect is a logical one.
    pub fn is_logical(self) -> bool {
        Self::LOGICAL.contains(&self)
    }

    /// Returns the pixel value of the defect in a ground-truth channel, from 1 to 255 and unique.
    pub fn pixel_value(self) -> u8 {
        // Visibly different from each other, and descending from white as in the dataset.
        255 - 8 * self.ordinal()
    }

    /// Returns how much of the mask must be found, for a frame of `width` x `height` pixels.
    ///
    /// The mask of a missing or additional part is larger than the part, so the area of a part is sufficient. Of
    /// two exchanged parts, or of a position and the displaced part, one is sufficient.
    pub fn saturation(self, width: u32, height: u32) -> Saturation {
        let side = f64::from(width.min(height));
        let relative = |threshold| Saturation {
            relative: true,
            threshold,
        };
        match self {
            Self::Scratch | Self::Dent | Self::Stain | Self::Crack => relative(1.0),
            Self::Missing | Self::Extra => Saturation {
                relative: false,
                threshold: (SMALLEST_PART_AREA * side * side).floor().max(1.0),
            },
            Self::Swapped | Self::WrongPlace => relative(0.5),
            Self::WrongPairing => relative(0.3),
        }
    }

    /// Returns the index in [`Defect::ALL`].
    pub(super) fn ordinal(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|defect| defect.name() == name)
            .ok_or_else(|| UnknownDefect(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defect_names_can_be_parsed_and_unknown_names_are_rejected() {
        for defect in Defect::ALL {
            assert_eq!(defect.to_string().parse(), Ok(defect));
        }
        assert_eq!(
            "rust".parse::<Defect>(),
            Err(UnknownDefect("rust".to_owned()))
        );
    }

    #[test]
    fn every_defect_is_structural_or_logical_but_not_both() {
        for defect in Defect::ALL {
            assert_ne!(
                Defect::STRUCTURAL.contains(&defect),
                Defect::LOGICAL.contains(&defect)
            );
        }
    }

    #[test]
    fn pixel_values_are_unique() {
        let values: std::collections::BTreeSet<u8> =
            Defect::ALL.into_iter().map(Defect::pixel_value).collect();
        assert_eq!(values.len(), Defect::ALL.len());
        assert!(!values.contains(&0));
    }
}
