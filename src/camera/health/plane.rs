//! Reduced data that the checks use instead of millions of pixels: a small grey image of the frame, and
//! samples of single pixels.

use inspectd_core::frame::{CHANNELS, Frame};

/// Maximum length of the longer side of the small image, pixels. A network sees a frame at about this size,
/// so the lost details are not judged; averaging also removes most of a sensor's noise.
const LONGEST: usize = 256;

/// Maximum number of rows of a block that are read, evenly spaced: the work is bounded for any sensor.
const ROWS: usize = 4;

/// Weights of red, green and blue in grey, of 256 (ITU-R BT.601).
const WEIGHTS: [u32; CHANNELS] = [77, 150, 29];

/// A grey image, rows from the top.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plane {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `[height, width]`, 0 to 255.
    pub grey: Vec<f32>,
}

/// The integer factor that reduces a side of `longer` pixels to at most `most`.
fn factor(longer: usize, most: usize) -> usize {
    longer.div_ceil(most).max(1)
}

impl Plane {
    /// Reduces a frame by an integer factor to at most 256 pixels per side. Rows and columns that do not
    /// fill a block are ignored.
    pub fn of(frame: &Frame) -> Self {
        let (columns, rows) = (frame.width() as usize, frame.height() as usize);
        // A side that is shorter than a block counts as one.
        let block = factor(columns.max(rows), LONGEST);
        let (across, down) = (block.min(columns), block.min(rows));
        let (width, height) = (columns / across, rows / down);
        let taken = down.min(ROWS);
        let mut grey = Vec::with_capacity(width * height);
        let mut sums = vec![0_u16; width * across * CHANNELS];
        for y in 0..height {
            sums.fill(0);
            for row in 0..taken {
                let from = (y * down + row * down / taken) * columns * CHANNELS;
                let bytes = &frame.rgb()[from..from + sums.len()];
                for (sum, &byte) in sums.iter_mut().zip(bytes) {
                    *sum += u16::from(byte);
                }
            }
            let scale = 1.0 / (256 * across * taken) as f32;
            grey.extend(
                sums.chunks_exact(across * CHANNELS)
                    .map(|block| weighed(block) as f32 * scale),
            );
        }
        Self {
            width,
            height,
            grey,
        }
    }

    /// Reduces the image further by an integer factor, to at most `most` pixels per side.
    pub fn reduced(&self, most: usize) -> Self {
        let block = factor(self.width.max(self.height), most);
        let (across, down) = (block.min(self.width), block.min(self.height));
        let (width, height) = (self.width / across, self.height / down);
        let mut grey = vec![0.0; width * height];
        for (y, row) in grey.chunks_exact_mut(width).enumerate() {
            for line in y * down..(y + 1) * down {
                let from = line * self.width;
                let line = &self.grey[from..from + width * across];
                for (sum, block) in row.iter_mut().zip(line.chunks_exact(across)) {
                    *sum += block.iter().sum::<f32>();
                }
            }
        }
        let scale = 1.0 / (across * down) as f32;
        for value in &mut grey {
            *value *= scale;
        }
        Self {
            width,
            height,
            grey,
        }
    }

    /// The mean grey level.
    pub fn mean(&self) -> f32 {
        self.grey.iter().sum::<f32>() / self.grey.len() as f32
    }
}

/// The weighted sum over a block's red, green and blue.
fn weighed(block: &[u16]) -> u32 {
    let mut sums = [0; CHANNELS];
    for pixel in block.chunks_exact(CHANNELS) {
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum += u32::from(value);
        }
    }
    WEIGHTS.iter().zip(sums).map(|(w, sum)| w * sum).sum()
}

/// Single pixels of a frame, evenly spaced and not averaged, so that they show noise and clipping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Samples {
    size: [u32; 2],
    rgb: Vec<u8>,
}

/// Maximum number of samples per row and per column.
const SAMPLES: usize = 160;

impl Samples {
    /// Takes samples of a frame.
    pub fn of(frame: &Frame) -> Self {
        let (columns, rows) = (frame.width() as usize, frame.height() as usize);
        let step = factor(columns.max(rows), SAMPLES);
        let mut rgb = Vec::with_capacity(columns.div_ceil(step) * rows.div_ceil(step) * CHANNELS);
        for row in frame.rgb().chunks_exact(columns * CHANNELS).step_by(step) {
            for pixel in row.chunks_exact(CHANNELS).step_by(step) {
                rgb.extend_from_slice(pixel);
            }
        }
        let size = [frame.width(), frame.height()];
        Self { size, rgb }
    }

    /// The mean absolute difference of the values, grey levels; none for frames of different sizes.
    pub fn difference(&self, other: &Self) -> Option<f32> {
        if self.size != other.size {
            return None;
        }
        let pairs = self.rgb.iter().zip(&other.rgb);
        let sum: u64 = pairs.map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
        Some(sum as f32 / self.rgb.len() as f32)
    }

    /// The number of samples of each grey level.
    pub fn histogram(&self) -> [u32; 256] {
        let mut counts = [0; 256];
        for pixel in self.rgb.chunks_exact(CHANNELS) {
            let pairs = WEIGHTS.iter().zip(pixel);
            let grey: u32 = pairs.map(|(w, &value)| w * u32::from(value)).sum();
            counts[(grey / 256) as usize] += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> Frame {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let rgb = pixels.flat_map(|(x, y)| [value(x, y); CHANNELS]).collect();
        Frame::new(width, height, rgb).expect("sized")
    }

    #[test]
    fn frames_of_any_size_are_reduced_to_at_most_256_pixels_per_side() {
        let check = |width, height, expected: (usize, usize)| {
            let plane = Plane::of(&frame(width, height, |_, _| 200));
            assert_eq!((plane.width, plane.height), expected, "{width}x{height}");
            assert!(plane.grey.iter().all(|&grey| (grey - 200.0).abs() < 1e-3));
        };
        check(1280, 1024, (256, 204));
        check(384, 384, (192, 192));
        check(256, 40, (256, 40));
        check(1, 1, (1, 1));
        check(4000, 3, (250, 1));
        check(3, 4000, (1, 250));
    }

    #[test]
    fn blocks_are_averaged() {
        // Blocks of two by two pixels: a chequerboard becomes uniform.
        let plane = Plane::of(&frame(512, 512, |x, y| {
            if (x + y).is_multiple_of(2) { 0 } else { 100 }
        }));
        assert!(plane.grey.iter().all(|&grey| (grey - 50.0).abs() < 1e-3));
        let small = Plane {
            width: 4,
            height: 2,
            grey: vec![1.0, 3.0, 0.0, 0.0, 5.0, 7.0, 0.0, 4.0],
        };
        assert_eq!(small.reduced(2).grey, [4.0, 1.0]);
        assert_eq!(small.reduced(4), small);
    }

    #[test]
    fn samples_measure_differences_and_count_grey_levels() {
        let samples = |value| Samples::of(&frame(300, 200, move |_, _| value));
        assert_eq!(samples(9).difference(&samples(9)), Some(0.0));
        assert_eq!(samples(9).difference(&samples(12)), Some(3.0));
        let other = Samples::of(&frame(200, 300, |_, _| 9));
        assert_eq!(samples(9).difference(&other), None);
        let counts = samples(255).histogram();
        assert_eq!((counts[254], counts[255]), (0, 150 * 100));
    }
}
