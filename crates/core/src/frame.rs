//! A frame: the pixels that a camera, a file or the simulator hands on.

use thiserror::Error;

/// Three bytes a pixel: red, green, blue.
pub const CHANNELS: usize = 3;

/// An 8-bit RGB picture, rows from the top, `[height, width, 3]` without padding between rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

/// Why bytes are not a frame.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// A side is zero.
    #[error("a frame of {width}x{height} pixels has no area")]
    Empty {
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The number of bytes does not fit the size.
    #[error("{width}x{height} RGB needs {expected} bytes, got {actual}")]
    Length {
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
        /// `width * height * 3`.
        expected: usize,
        /// What was given.
        actual: usize,
    },
}

impl Frame {
    /// Takes `rgb` as the pixels of a `width` x `height` frame.
    ///
    /// # Errors
    /// When a side is zero or `rgb` is not `width * height * 3` bytes long.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, FrameError> {
        if width == 0 || height == 0 {
            return Err(FrameError::Empty { width, height });
        }
        let expected = width as usize * height as usize * CHANNELS;
        if rgb.len() != expected {
            return Err(FrameError::Length {
                width,
                height,
                expected,
                actual: rgb.len(),
            });
        }
        Ok(Self { width, height, rgb })
    }

    /// Pixels a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, `[height, width, 3]`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Gives the bytes away, `[height, width, 3]`.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bytes_that_fit_the_size_become_a_frame() {
        let check = |width, height, bytes, expected: Result<(), FrameError>| {
            assert_eq!(
                Frame::new(width, height, vec![0; bytes]).map(|_| ()),
                expected
            );
        };
        check(2, 1, 6, Ok(()));
        check(
            0,
            1,
            0,
            Err(FrameError::Empty {
                width: 0,
                height: 1,
            }),
        );
        check(
            2,
            2,
            11,
            Err(FrameError::Length {
                width: 2,
                height: 2,
                expected: 12,
                actual: 11,
            }),
        );
    }
}
