//! What is wrong with a camera, seen in its frames: frozen, dark, saturated, blurred, looking elsewhere.
//!
//! A model's score says nothing about a frame that shows no part as it should be photographed. So frames
//! are measured before they are judged, as they were captured: before rotation and crop, as the camera
//! and not the part is looked at, and the reference image likewise.
//!
//! Nothing here does IO, reads a clock or keeps more than two small pictures of frames.

mod alignment;
mod limits;
mod plane;
mod sharpness;
mod spectrum;
mod suggest;

#[cfg(test)]
mod tests;

pub use alignment::View;
pub use limits::{Finding, HealthFault};

use crate::config::settings::HealthLimits;

use alignment::Reference;
use plane::{Plane, Samples};

use inspectd_core::frame::Frame;

/// A pixel of this grey level or more is clipped; JPEG makes 250 of some that were 255.
const CLIPPED: usize = 250;

/// This share of the pixels may be brighter in a dark frame: hot pixels, a lamp on the machine.
const HIGHLIGHTS: f32 = 0.01;

/// What was measured of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurements {
    /// The mean difference to the frame before, grey levels; none for the first, and after another size.
    pub difference: Option<f32>,
    /// How many frames in a row, up to this one, repeat the one before them.
    pub repeats: u32,
    /// The grey level that 99 % of the pixels do not exceed, 0 to 255.
    pub brightness: f32,
    /// The share of pixels that are clipped (grey level 250 or more), 0 to 1.
    pub clipped: f32,
    /// The share of the edges' gradients that one more blur takes away, 0 (blurred) to 1; none if the
    /// frame has no edges.
    pub sharpness: Option<f32>,
    /// Where the view lies; none without a reference, if its size is another, or if a picture is plain.
    pub view: Option<View>,
}

/// What is known of a camera's condition: its reference image, and the frames that repeat.
#[derive(Debug)]
pub struct HealthMonitor {
    reference: Option<Reference>,
    run: Option<Run>,
}

/// Frames that repeat. All of them are compared with the first: of a scene that changes slowly each
/// frame is like the one before it.
#[derive(Debug)]
struct Run {
    first: Samples,
    last: Samples,
    repeats: u32,
}

impl HealthMonitor {
    /// Of a camera that has given no frame yet. The reference is a frame as captured, before rotation
    /// and crop.
    pub fn new(reference: Option<&Frame>) -> Self {
        Self {
            reference: reference.map(|frame| Reference::new(&Plane::of(frame))),
            run: None,
        }
    }

    /// Measures the camera's next frame, and judges it. Nothing is measured if all checks are off.
    pub fn examine(&mut self, frame: &Frame, limits: &HealthLimits) -> Option<Finding> {
        if limits.are_off() {
            return None;
        }
        limits.judge(&self.measure(frame, limits.frozen_difference))
    }

    /// Measures the camera's next frame. It repeats the one before if they differ by at most
    /// `frozen_difference` grey levels on average.
    pub fn measure(&mut self, frame: &Frame, frozen_difference: f32) -> Measurements {
        let samples = Samples::of(frame);
        let histogram = samples.histogram();
        let plane = Plane::of(frame);
        let difference = self.follow(samples, frozen_difference);
        Measurements {
            difference,
            repeats: self.run.as_ref().map_or(0, |run| run.repeats),
            brightness: brightness(&histogram),
            clipped: share(&histogram, CLIPPED),
            sharpness: sharpness::sharpness(&plane),
            view: self
                .reference
                .as_mut()
                .and_then(|reference| reference.view(&plane)),
        }
    }

    /// Takes the next frame into the run, or begins another; its difference to the frame before.
    fn follow(&mut self, samples: Samples, frozen_difference: f32) -> Option<f32> {
        let Some(run) = &mut self.run else {
            self.run = Some(Run::of(samples));
            return None;
        };
        let difference = run.last.difference(&samples);
        let from_first = run.first.difference(&samples);
        if from_first.is_some_and(|difference| difference <= frozen_difference) {
            run.repeats = run.repeats.saturating_add(1);
            run.last = samples;
        } else {
            *run = Run::of(samples);
        }
        difference
    }
}

impl Run {
    fn of(first: Samples) -> Self {
        let last = first.clone();
        Self {
            first,
            last,
            repeats: 0,
        }
    }
}

/// The share of pixels at `level` or above.
fn share(histogram: &[u32; 256], level: usize) -> f32 {
    let all: u32 = histogram.iter().sum();
    let above: u32 = histogram[level..].iter().sum();
    above as f32 / all as f32
}

/// The least grey level that all but the highlights keep to.
fn brightness(histogram: &[u32; 256]) -> f32 {
    let level = (0..255).find(|&level| share(histogram, level + 1) <= HIGHLIGHTS);
    level.unwrap_or(255) as f32
}
