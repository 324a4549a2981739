//! Aids for focus and exposure, for people who set a camera up.

use inspectd_core::frame::Frame;

use super::plane::{Plane, Samples};
use super::sharpness::sharpness;
use super::{CLIPPED, share};

/// A pixel of this grey level or less is black; JPEG makes 5 of some that were 0.
const BLACK: usize = 5;

/// Grey levels in each interval of the histogram.
const LEVELS: usize = 4;

/// Measurements of a frame for focus and exposure.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewAids {
    /// The share of the edges' gradients that another blur removes, 0 (blurred) to 1; none if the frame has no edges.
    pub sharpness: Option<f32>,
    /// Numbers of pixels in intervals of four grey levels, at samples of the frame.
    pub histogram: Vec<u32>,
    /// The mean grey level, 0 to 255.
    pub mean: f32,
    /// The share of pixels that are black (grey level 5 or less), 0 to 1.
    pub black: f32,
    /// The share of pixels that are clipped (grey level 250 or more), 0 to 1.
    pub clipped: f32,
}

impl ViewAids {
    /// Measures a frame.
    pub fn of(frame: &Frame) -> Self {
        let histogram = Samples::of(frame).histogram();
        let levels = histogram.iter().zip(0_u32..);
        let (count, sum) = levels.fold((0_u64, 0_u64), |(count, sum), (pixels, level)| {
            let pixels = u64::from(*pixels);
            (count + pixels, sum + pixels * u64::from(level))
        });
        Self {
            sharpness: sharpness(&Plane::of(frame)),
            mean: sum as f32 / count as f32,
            black: 1.0 - share(&histogram, BLACK + 1),
            clipped: share(&histogram, CLIPPED),
            histogram: histogram
                .chunks_exact(LEVELS)
                .map(|levels| levels.iter().sum())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use inspectd_core::frame::CHANNELS;

    use super::*;

    fn frame(value: impl Fn(u32, u32) -> u8) -> Frame {
        let pixels = (0..100).flat_map(|y| (0..100).map(move |x| (x, y)));
        let rgb = pixels.flat_map(|(x, y)| [value(x, y); CHANNELS]).collect();
        Frame::new(100, 100, rgb).expect("sized")
    }

    #[test]
    fn black_and_clipped_pixels_are_counted() {
        let aids = ViewAids::of(&frame(|x, _| match x {
            0..10 => 3,
            10..30 => 252,
            _ => 100,
        }));
        assert_eq!(aids.histogram.len(), 64);
        assert_eq!(aids.histogram.iter().sum::<u32>(), 10_000);
        assert_eq!(
            (aids.histogram[0], aids.histogram[25], aids.histogram[63]),
            (1000, 7000, 2000)
        );
        assert!((aids.black - 0.1).abs() < 1e-6, "{}", aids.black);
        assert!((aids.clipped - 0.2).abs() < 1e-6, "{}", aids.clipped);
        assert!((aids.mean - 120.7).abs() < 1e-3, "{}", aids.mean);
    }

    #[test]
    fn sharp_edges_measure_higher_than_blurred_ones_and_plain_frames_have_none() {
        let sharp = ViewAids::of(&frame(
            |x, y| if (x / 10 + y / 10) % 2 == 0 { 40 } else { 200 },
        ));
        let ramp = |at: u32| (at % 20).abs_diff(10) * 16;
        let blurred = ViewAids::of(&frame(|x, y| (40 + ramp(x) / 2 + ramp(y) / 2) as u8));
        let (sharp, blurred) = (
            sharp.sharpness.expect("edges"),
            blurred.sharpness.expect("edges"),
        );
        assert!(sharp > blurred + 0.2, "{sharp} {blurred}");
        assert_eq!(ViewAids::of(&frame(|_, _| 90)).sharpness, None);
    }
}
