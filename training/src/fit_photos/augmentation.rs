//! Altered copies of photographs of good parts: few photographs then cover more of the variation of good parts.

use inspectd_core::frame::{CHANNELS, Frame};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How the copies of a photograph differ from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Augmentation {
    /// There are no copies.
    None,
    /// Moved by up to two pixels of the network input in each direction.
    Shift,
    /// Brighter or darker.
    Light,
    /// Both.
    Both,
}

/// Copies of each photograph.
const COPIES: u64 = 3;
/// Largest shift, pixels of the network input.
const SHIFT: i64 = 2;
/// Largest relative change of the contrast.
const CONTRAST: f64 = 0.05;
/// Largest change of the brightness, grey levels of 255.
const BRIGHTNESS: f64 = 5.0;

impl Augmentation {
    /// Name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Shift => "shift",
            Self::Light => "light",
            Self::Both => "both",
        }
    }

    /// Copies of a photograph. The same seed gives the same copies.
    pub(super) fn copies(self, frame: &Frame, seed: u64) -> Vec<Frame> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let number = if self == Self::None { 0 } else { COPIES };
        (0..number).map(|_| self.copy(frame, &mut rng)).collect()
    }

    fn copy(self, frame: &Frame, rng: &mut ChaCha8Rng) -> Frame {
        let [mut x, mut y] = [0, 0];
        if matches!(self, Self::Shift | Self::Both) {
            while [x, y] == [0, 0] {
                [x, y] = [(); 2].map(|()| rng.random_range(-SHIFT..=SHIFT));
            }
        }
        let [mut gain, mut offset] = [1.0, 0.0];
        if matches!(self, Self::Light | Self::Both) {
            gain += rng.random_range(-CONTRAST..=CONTRAST);
            offset = rng.random_range(-BRIGHTNESS..=BRIGHTNESS);
        }
        let table: [u8; 256] =
            std::array::from_fn(|level| (level as f64 * gain + offset).round() as u8);
        let (width, height) = (i64::from(frame.width()), i64::from(frame.height()));
        let mut pixels = Vec::with_capacity(frame.rgb().len());
        for row in 0..height {
            let row = (row - y).clamp(0, height - 1);
            for column in 0..width {
                let column = (column - x).clamp(0, width - 1);
                let start = (row * width + column) as usize * CHANNELS;
                let pixel = &frame.rgb()[start..start + CHANNELS];
                pixels.extend(pixel.iter().map(|&level| table[usize::from(level)]));
            }
        }
        Frame::new(frame.width(), frame.height(), pixels).expect("the size is unchanged")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame whose pixels all differ from their neighbours.
    fn frame() -> Frame {
        let level = |index: u32| (40 + index * 7 % 160) as u8;
        let pixels = (0..16 * 12 * 3).map(level).collect();
        Frame::new(16, 12, pixels).expect("three bytes for each pixel")
    }

    fn pixel(frame: &Frame, x: i64, y: i64) -> &[u8] {
        let start = (y * i64::from(frame.width()) + x) as usize * CHANNELS;
        &frame.rgb()[start..start + CHANNELS]
    }

    #[test]
    fn copies_are_moved_by_two_pixels_at_most_and_repeat_the_border() {
        let frame = frame();
        let copies = Augmentation::Shift.copies(&frame, 1);
        assert_eq!(copies.len(), 3);
        for copy in &copies {
            let moves = |&(x, y): &(i64, i64)| {
                (4..8).all(|row| {
                    (4..12).all(|column| {
                        pixel(copy, column, row) == pixel(&frame, column - x, row - y)
                    })
                })
            };
            let shifts = (-2..=2).flat_map(|x| (-2..=2).map(move |y| (x, y)));
            let shift = shifts.filter(|shift| *shift != (0, 0)).find(moves);
            let (x, y) = shift.expect("a shift of two pixels at most");
            let corner = pixel(&frame, (-x).max(0), (-y).max(0));
            assert_eq!(pixel(copy, 0, 0), corner, "{x} {y}");
        }
        assert_eq!(copies, Augmentation::Shift.copies(&frame, 1));
        assert_ne!(copies, Augmentation::Shift.copies(&frame, 2));
    }

    #[test]
    fn light_changes_by_a_few_levels_and_nothing_without_augmentation() {
        let frame = frame();
        for copy in Augmentation::Light.copies(&frame, 3) {
            assert_ne!(copy.rgb(), frame.rgb());
            for (&one, &other) in copy.rgb().iter().zip(frame.rgb()) {
                let largest = f64::from(other) * CONTRAST + BRIGHTNESS + 0.5;
                assert!((f64::from(one) - f64::from(other)).abs() <= largest);
            }
        }
        assert!(Augmentation::None.copies(&frame, 3).is_empty());
    }
}
