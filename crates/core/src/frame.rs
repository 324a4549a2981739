//! A frame: the pixels from a camera, a file or the simulator.

use thiserror::Error;

/// Bytes per pixel: red, green, blue.
pub const CHANNELS: usize = 3;

/// An 8-bit RGB image, `[height, width, 3]`, top row first, without padding between rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

/// Why bytes cannot become a frame.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// The width or height is zero.
    #[error("a frame of {width}x{height} pixels has no area")]
    Empty {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The number of bytes does not match the size.
    #[error("{width}x{height} RGB needs {expected} bytes, got {actual}")]
    Length {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// `width * height * 3`.
        expected: usize,
        /// Number of bytes given.
        actual: usize,
    },
}

impl Frame {
    /// Builds a frame of `width` x `height` pixels from `rgb`.
    ///
    /// # Errors
    /// When the width or height is zero, or `rgb` is not `width * height * 3` bytes long.
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

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Returns the bytes, `[height, width, 3]`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Returns the bytes, `[height, width, 3]`, and consumes the frame.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_needs_an_area_and_width_times_height_times_3_bytes() {
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
