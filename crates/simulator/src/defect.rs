//! The ways in which a part can be wrong, and how `MVTec` LOCO AD's ground truth records each.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// One way in which a part can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Defect {
    /// A thin bright groove drawn across the plate.
    Scratch,
    /// A shallow bowl pressed into the plate.
    Dent,
    /// An oily blot with a dark rim.
    Stain,
    /// A jagged, branching break from the plate's edge or in the connector's housing.
    Crack,
    /// A part that the drawing asks for is absent.
    Missing,
    /// A part too many.
    Extra,
    /// Two of the three capacitors have changed places.
    Swapped,
    /// A part lies clearly beside its place.
    WrongPlace,
    /// The cable's colour is valid, yet not the connector's.
    WrongPairing,
}

/// A word that names no defect.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "no defect is called {0:?}; there are scratch, dent, stain, crack, missing, extra, swapped, wrong_place and wrong_pairing"
)]
pub struct UnknownDefect(pub String);

/// How much of a defect's mask has to be found for the defect to count as wholly found, as in
/// `defects_config.json` of `MVTec` LOCO AD.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Saturation {
    /// Whether `threshold` is a share of the mask's area; otherwise it counts pixels.
    pub relative: bool,
    /// A share in (0, 1], or pixels at the rendered size.
    pub threshold: f64,
}

/// The area of the smallest part that can be missing or too many, as a share of the square on the
/// frame's shorter side: a screw, of which the head alone has 0.0024 and the washer 0.0041.
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

    /// Damage that can be seen without knowing the drawing.
    pub const STRUCTURAL: [Self; 4] = [Self::Scratch, Self::Dent, Self::Stain, Self::Crack];

    /// Broken rules of the drawing; each piece by itself is sound.
    pub const LOGICAL: [Self; 5] = [
        Self::Missing,
        Self::Extra,
        Self::Swapped,
        Self::WrongPlace,
        Self::WrongPairing,
    ];

    /// The name in `snake_case`.
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

    /// Whether the defect breaks a rule rather than the material.
    pub fn is_logical(self) -> bool {
        Self::LOGICAL.contains(&self)
    }

    /// The value of the defect's pixels in a ground-truth channel, from 1 to 255 and unique.
    pub fn pixel_value(self) -> u8 {
        // Apart from each other by eye as well, and counting down from white like the dataset's own.
        255 - 8 * self.ordinal()
    }

    /// How much of the mask has to be found, for a frame of `width` x `height` pixels.
    ///
    /// A missing or additional part may be marked anywhere in a region that is wider than the part,
    /// so a part's area suffices. Of two exchanged parts, or of a place and the part beside it, one
    /// suffices.
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

    /// The place in [`Defect::ALL`].
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
    fn names_lead_back_to_their_defects() {
        for defect in Defect::ALL {
            assert_eq!(defect.to_string().parse(), Ok(defect));
        }
        assert_eq!(
            "rust".parse::<Defect>(),
            Err(UnknownDefect("rust".to_owned()))
        );
    }

    #[test]
    fn every_defect_is_either_structural_or_logical() {
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
