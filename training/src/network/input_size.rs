//! Size of the network input.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::layer::Sides;
use crate::dataset::ImageSize;

/// Height and width of the network input in pixels: multiples of 32 from 64 to 1024.
///
/// The text form is one number for a square, or `WIDTHxHEIGHT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "InputSizeText", into = "InputSizeText")]
pub struct InputSize(Sides);

/// Text form of an input size in a TOML file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum InputSizeText {
    /// Side of a square.
    Side(i64),
    /// `WIDTHxHEIGHT`, or the side of a square.
    Sides(String),
}

/// Input sides are multiples of this.
pub const SIDE_STEP: i64 = 32;
/// Smallest side.
const SMALLEST: i64 = 64;
/// Largest side.
const LARGEST: i64 = 1024;

/// An unsupported input size.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "input size {0}: must be one number for a square or WIDTHxHEIGHT, multiples of 32 from 64 to 1024"
)]
pub struct InputSizeError(String);

impl InputSize {
    /// Creates a size of `width` x `height` pixels.
    ///
    /// # Errors
    /// When a side is not supported.
    pub fn new(width: i64, height: i64) -> Result<Self, InputSizeError> {
        let size = Self([height, width]);
        let legal = |side: &i64| (SMALLEST..=LARGEST).contains(side) && side % SIDE_STEP == 0;
        if size.0.iter().all(legal) {
            Ok(size)
        } else {
            Err(InputSizeError(size.to_string()))
        }
    }

    /// A square of `side` x `side` pixels.
    ///
    /// # Errors
    /// When the side is not supported.
    pub fn square(side: i64) -> Result<Self, InputSizeError> {
        Self::new(side, side)
    }

    /// Height and width in pixels.
    pub fn sides(self) -> Sides {
        self.0
    }

    /// Side of a square; `None` for another rectangle.
    pub fn square_side(self) -> Option<i64> {
        let [height, width] = self.0;
        (height == width).then_some(height)
    }
}

impl TryFrom<ImageSize> for InputSize {
    type Error = InputSizeError;

    fn try_from(size: ImageSize) -> Result<Self, InputSizeError> {
        Self::new(i64::from(size.width), i64::from(size.height))
    }
}

impl From<InputSize> for ImageSize {
    fn from(size: InputSize) -> Self {
        let [height, width] = size.0.map(|side| side as u32);
        Self { width, height }
    }
}

impl Default for InputSize {
    /// The paper's 256x256 pixels.
    fn default() -> Self {
        Self([256; 2])
    }
}

impl std::str::FromStr for InputSize {
    type Err = InputSizeError;

    fn from_str(text: &str) -> Result<Self, InputSizeError> {
        let (width, height) = text.split_once('x').unwrap_or((text, text));
        match (width.trim().parse(), height.trim().parse()) {
            (Ok(width), Ok(height)) => Self::new(width, height),
            _ => Err(InputSizeError(text.to_owned())),
        }
    }
}

impl std::fmt::Display for InputSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [height, width] = self.0;
        write!(f, "{width}x{height}")
    }
}

impl TryFrom<InputSizeText> for InputSize {
    type Error = InputSizeError;

    fn try_from(text: InputSizeText) -> Result<Self, InputSizeError> {
        match text {
            InputSizeText::Side(side) => Self::square(side),
            InputSizeText::Sides(text) => text.parse(),
        }
    }
}

impl From<InputSize> for InputSizeText {
    fn from(size: InputSize) -> Self {
        match size.square_side() {
            Some(side) => Self::Side(side),
            None => Self::Sides(size.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct File {
        input_size: InputSize,
    }

    #[test]
    fn squares_and_rectangles_are_read_and_written() {
        for (text, sides, written) in [
            ("input_size = 256", [256, 256], "input_size = 256\n"),
            ("input_size = \"256x256\"", [256, 256], "input_size = 256\n"),
            (
                "input_size = \"608x224\"",
                [224, 608],
                "input_size = \"608x224\"\n",
            ),
        ] {
            let file: File = toml::from_str(text).expect(text);
            assert_eq!(file.input_size.sides(), sides);
            assert_eq!(toml::to_string(&file).expect("serialisable"), written);
        }
    }

    #[test]
    fn other_sizes_are_refused() {
        for text in ["100", "32", "1056", "256x100", "x", "256x", "-64", "a"] {
            let error = text.parse::<InputSize>().expect_err(text).to_string();
            assert!(error.contains("multiples of 32 from 64 to 1024"), "{error}");
        }
    }
}
