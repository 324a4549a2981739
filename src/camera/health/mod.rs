//! Camera health: detects frozen, dark, saturated, blurred and moved views in a camera's frames.
//!
//! A model's score is meaningless for a frame that does not show the part as it should be photographed. So
//! frames are measured before they are judged. They are measured as captured, before rotation and crop,
//! because the check concerns the camera and not the part; so is the reference image.
//!
//! This module does no IO, reads no clock, and keeps at most four reduced images of frames.

mod alignment;
mod exposure;
mod limits;
mod plane;
mod sharpness;
mod spectrum;
mod suggest;

#[cfg(test)]
mod tests;

pub use alignment::ViewAlignment;
pub use exposure::ViewAids;
pub use limits::{Finding, HealthFault};

use crate::config::settings::HealthLimits;

use alignment::Reference;
use plane::{Plane, Samples};

use inspectd_core::frame::Frame;

/// A pixel of this grey level or more is clipped; JPEG makes 250 of some that were 255.
const CLIPPED: usize = 250;

/// Share of the pixels that may be brighter in a dark frame: hot pixels, a lamp on the machine.
const HIGHLIGHTS: f32 = 0.01;

/// Measurements of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurements {
    /// The mean difference from the previous frame, grey levels; none for the first frame and after a
    /// change of size.
    pub difference: Option<f32>,
    /// Number of consecutive frames, up to this one, that repeat the previous one.
    pub repeats: u32,
    /// The grey level that 99 % of the pixels do not exceed, 0 to 255.
    pub brightness: f32,
    /// The share of pixels that are clipped (grey level 250 or more), 0 to 1.
    pub clipped: f32,
    /// The share of the edges' gradients that another blur removes, 0 (blurred) to 1; none if the frame
    /// has no edges.
    pub sharpness: Option<f32>,
    /// Alignment of the view with the reference; none without a reference, if the sizes differ, or if one
    /// of the images is uniform.
    pub view: Option<ViewAlignment>,
}

/// Monitors the health of a camera: holds its reference image, and the runs of repeated frames.
#[derive(Debug)]
pub struct HealthMonitor {
    reference: Option<Reference>,
    /// All frames.
    frames: Option<Run>,
    /// Frames that show a part.
    parts: Option<Run>,
}

/// A run of repeated frames. All of them are compared with the first: in a scene that changes slowly, each
/// frame resembles the previous one.
#[derive(Debug)]
struct Run {
    first: Samples,
    last: Samples,
    repeats: u32,
}

impl HealthMonitor {
    /// A monitor of a camera that has delivered no frame yet. The reference is a frame as captured, before
    /// rotation and crop.
    pub fn new(reference: Option<&Frame>) -> Self {
        Self {
            reference: reference.map(|frame| Reference::new(&Plane::of(frame))),
            frames: None,
            parts: None,
        }
    }

    /// Measures and judges the camera's next frame. Measures nothing if all checks are off.
    pub fn examine(&mut self, frame: &Frame, limits: &HealthLimits) -> Option<Finding> {
        self.examine_part(frame, limits, None)
    }

    /// As [`Self::examine`], for a frame that shows a part: it is also compared with the frame of the part before, which
    /// it may repeat `frozen_parts_after` times in a row.
    pub fn examine_part(
        &mut self,
        frame: &Frame,
        limits: &HealthLimits,
        frozen_parts_after: Option<u32>,
    ) -> Option<Finding> {
        let frozen_parts_after = frozen_parts_after.filter(|limit| *limit > 0);
        if limits.are_off() && frozen_parts_after.is_none() {
            return None;
        }
        let samples = Samples::of(frame);
        let mut repeats = 0;
        if frozen_parts_after.is_some() {
            update(&mut self.parts, samples.clone(), limits.frozen_difference);
            repeats = self.parts.as_ref().map_or(0, |run| run.repeats);
        }
        let measured = self.measure_sampled(frame, samples, limits.frozen_difference);
        limits.judge(&measured).or_else(|| {
            let limit = frozen_parts_after.filter(|limit| repeats >= *limit)?;
            Some(Finding {
                kind: HealthFault::Frozen,
                message: format!(
                    "frozen: the pictures of {repeats} parts in a row repeat the part before, limit {limit}"
                ),
            })
        })
    }

    /// Counts a frame that shows no part.
    pub fn observe(&mut self, frame: &Frame, limits: &HealthLimits) {
        if limits.frozen_after.unwrap_or(0) > 0 {
            update(
                &mut self.frames,
                Samples::of(frame),
                limits.frozen_difference,
            );
        }
    }

    /// Measures the camera's next frame. It repeats the previous one if they differ by at most
    /// `frozen_difference` grey levels on average.
    pub fn measure(&mut self, frame: &Frame, frozen_difference: f32) -> Measurements {
        self.measure_sampled(frame, Samples::of(frame), frozen_difference)
    }

    fn measure_sampled(
        &mut self,
        frame: &Frame,
        samples: Samples,
        frozen_difference: f32,
    ) -> Measurements {
        let histogram = samples.histogram();
        let plane = Plane::of(frame);
        let difference = update(&mut self.frames, samples, frozen_difference);
        Measurements {
            difference,
            repeats: self.frames.as_ref().map_or(0, |run| run.repeats),
            brightness: brightness(&histogram),
            clipped: share(&histogram, CLIPPED),
            sharpness: sharpness::sharpness(&plane),
            view: self
                .reference
                .as_mut()
                .and_then(|reference| reference.align(&plane)),
        }
    }
}

/// Adds the next frame to a run, or begins another run; returns the difference from the previous frame.
fn update(run: &mut Option<Run>, samples: Samples, frozen_difference: f32) -> Option<f32> {
    let Some(run) = run else {
        *run = Some(Run::of(samples));
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

/// The lowest grey level that only the highlights exceed.
fn brightness(histogram: &[u32; 256]) -> f32 {
    let level = (0..255).find(|&level| share(histogram, level + 1) <= HIGHLIGHTS);
    level.unwrap_or(255) as f32
}
