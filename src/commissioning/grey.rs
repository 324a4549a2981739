//! Reduced grey pictures, on which contents are compared.

use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_core::preprocess;

/// Weights of red, green and blue in grey, of 256 (ITU-R BT.601).
const WEIGHTS: [u32; CHANNELS] = [77, 150, 29];

/// A grey picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grey {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `[height, width]`, 0 to 255.
    pub levels: Vec<f32>,
}

impl Grey {
    /// A frame in full size.
    pub fn of(frame: &Frame) -> Self {
        Self {
            width: frame.width() as usize,
            height: frame.height() as usize,
            levels: frame.rgb().chunks_exact(CHANNELS).map(level).collect(),
        }
    }

    /// A frame whose longer side is reduced to at most `longest` pixels.
    ///
    /// # Panics
    /// If `longest` is 0.
    pub fn reduced(frame: &Frame, longest: u32) -> Self {
        let longer = frame.width().max(frame.height());
        if longer <= longest {
            return Self::of(frame);
        }
        let scaled = |side: u32| {
            let side = u64::from(side) * u64::from(longest) / u64::from(longer);
            u32::try_from(side).unwrap_or(longest).max(1)
        };
        let (width, height) = (scaled(frame.width()), scaled(frame.height()));
        let small = preprocess::resize(frame, None, width, height);
        Self::of(&small.expect("the whole frame, to a size with an area"))
    }

    /// The level of a pixel.
    pub fn at(&self, x: usize, y: usize) -> f32 {
        self.levels[y * self.width + x]
    }

    /// Whether another picture has the same size.
    pub fn fits(&self, other: &Self) -> bool {
        (self.width, self.height) == (other.width, other.height)
    }
}

fn level(pixel: &[u8]) -> f32 {
    let sum = WEIGHTS.iter().zip(pixel);
    let sum: u32 = sum.map(|(weight, &value)| weight * u32::from(value)).sum();
    sum as f32 / 256.0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A grey frame whose levels are those of a function.
    pub fn frame(width: u32, height: u32, level: impl Fn(u32, u32) -> u8) -> Frame {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let rgb = pixels.flat_map(|(x, y)| [level(x, y); CHANNELS]).collect();
        Frame::new(width, height, rgb).expect("sized")
    }

    #[test]
    fn longer_side_is_reduced_and_small_frames_are_kept() {
        let check = |width, height, expected: (usize, usize)| {
            let grey = Grey::reduced(&frame(width, height, |_, _| 90), 160);
            assert_eq!((grey.width, grey.height), expected);
            assert!(grey.levels.iter().all(|level| (level - 90.0).abs() < 0.01));
        };
        check(1280, 1024, (160, 128));
        check(100, 40, (100, 40));
        check(40, 4000, (1, 160));
    }
}
