//! Parity check: an exported graph is written only if ONNX Runtime computes the same anomaly maps as
//! libtorch.

use std::sync::Arc;

use anyhow::{Result, ensure};
use inspectd_core::frame::Frame;
use inspectd_engine::{Elements, EngineError, EngineOptions, Session, Tensor};
use tch::Device;

use crate::calibrate::{image_maps, normalised};
use crate::dataset::loader::LoadedImage;
use crate::network::student::Student;
use crate::network::teacher::Teacher;
use crate::train::run::Run;

/// Number of images to compare.
pub const IMAGES: usize = 16;
/// Largest accepted difference as a fraction of the map's largest absolute value.
pub const TOLERANCE: f64 = 1e-3;

/// Differences between the two runtimes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parity {
    /// Number of images compared.
    pub images: usize,
    /// Largest absolute difference.
    pub largest_absolute: f64,
    /// Largest difference as a fraction of the largest absolute value of the same map.
    pub largest_relative: f64,
    /// Version of ONNX Runtime.
    pub onnxruntime_version: String,
}

/// Compares `graph` with the networks on [`IMAGES`] images of the run: validation images first, then
/// training images, then mirrored or rotated copies if there are too few.
///
/// # Errors
/// Returns an error if the graph cannot be loaded or its maps differ by more than [`TOLERANCE`].
pub fn check_parity(
    graph: &[u8],
    run: &Run,
    teacher: &Teacher,
    student: &Student,
    mut progress: impl FnMut(u64, u64),
) -> Result<Parity> {
    let mut session = Session::load(graph, &EngineOptions::default())?;
    let mut parity = Parity::new(session.version());
    let location = run.location()?;
    let calibration = run.calibration()?;
    for image in images(run)? {
        let raw = image_maps(teacher, student, &image, Device::Cpu);
        let maps = normalised(location.as_ref(), raw);
        let expected = calibration.framed(&maps, run.origin.architecture.frame());
        let outputs = run_graph(&mut session, &image)?;
        for (actual, expected) in outputs
            .iter()
            .zip([&expected.structural, &expected.logical])
        {
            parity.add(&actual.elements, expected, 0.0);
        }
        parity.images += 1;
        progress(parity.images as u64, IMAGES as u64);
    }
    parity.check()?;
    Ok(parity)
}

/// Computes the structural and the logical map of `image` with the graph of a run.
pub(super) fn run_graph(
    session: &mut Session,
    image: &LoadedImage,
) -> Result<[Tensor; 2], EngineError> {
    let (width, height) = (
        i64::from(image.frame.width()),
        i64::from(image.frame.height()),
    );
    session.run(
        &[1, height, width, 3],
        Elements::U8(image.frame.rgb()),
        ["structural", "logical"],
    )
}

impl Parity {
    /// A comparison without images.
    pub fn new(onnxruntime_version: &str) -> Self {
        Self {
            images: 0,
            largest_absolute: 0.0,
            largest_relative: 0.0,
            onnxruntime_version: onnxruntime_version.to_owned(),
        }
    }

    /// Checks that the difference is within [`TOLERANCE`].
    ///
    /// # Errors
    /// When it is larger.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.largest_relative <= TOLERANCE,
            "the exported graph differs from libtorch by {:.2e} of the largest value over {} images (tolerance {TOLERANCE:.0e}); nothing was written",
            self.largest_relative,
            self.images
        );
        Ok(())
    }

    /// Adds the difference of one map, relative to its largest absolute value or to `least`, whichever is larger.
    pub fn add(&mut self, actual: &[f32], expected: &[f32], least: f32) {
        let differences = actual
            .iter()
            .zip(expected)
            .map(|(a, b)| f64::from((a - b).abs()));
        // A NaN must fail the check; `f64::max` would ignore it.
        let largest = differences.fold(0.0, |largest: f64, next| {
            if next.is_nan() {
                f64::INFINITY
            } else {
                largest.max(next)
            }
        });
        let scale = expected
            .iter()
            .fold(least.max(f32::MIN_POSITIVE), |scale, value| {
                scale.max(value.abs())
            });
        self.largest_absolute = self.largest_absolute.max(largest);
        self.largest_relative = self.largest_relative.max(largest / f64::from(scale));
    }
}

/// [`IMAGES`] images of the run for comparisons: validation images first, then training images, then mirrored or
/// rotated copies.
pub(super) fn images(run: &Run) -> Result<Vec<LoadedImage>> {
    let dataset = run.dataset();
    let paths: Vec<_> = dataset
        .validation
        .iter()
        .chain(&dataset.train)
        .take(IMAGES)
        .cloned()
        .collect();
    let mut images = run
        .sequential_loader(&paths)
        .collect::<Result<Vec<_>, _>>()?;
    let loaded = images.len();
    for index in loaded..IMAGES {
        let mut image = images[index - loaded].clone();
        image.frame = Arc::new(if index < 2 * loaded {
            mirrored(&image.frame)
        } else {
            rotated(&image.frame)
        });
        images.push(image);
    }
    Ok(images)
}

/// Mirrors left and right.
fn mirrored(frame: &Frame) -> Frame {
    let rows = frame.rgb().chunks_exact(3 * frame.width() as usize);
    let pixels = rows.flat_map(|row| row.chunks_exact(3).rev().flatten().copied());
    Frame::new(frame.width(), frame.height(), pixels.collect())
        .expect("mirroring keeps the number of pixels")
}

/// Rotates by 90 degrees clockwise.
fn rotated(frame: &Frame) -> Frame {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let pixel = |x: usize, y: usize| &frame.rgb()[3 * (y * width + x)..][..3];
    let pixels = (0..width).flat_map(|x| {
        (0..height)
            .rev()
            .flat_map(move |y| pixel(x, y).iter().copied())
    });
    Frame::new(frame.height(), frame.width(), pixels.collect())
        .expect("rotating keeps the number of pixels")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_is_relative_to_the_map_or_to_what_matters() {
        let relative = |least| {
            let mut parity = Parity::new("1");
            parity.add(&[0.010, 0.0015], &[0.010, 0.001], least);
            parity.check().is_ok()
        };
        assert!(!relative(0.0));
        assert!(relative(1.0));
        let mut parity = Parity::new("1");
        parity.add(&[f32::NAN], &[0.0], 1.0);
        assert!(parity.check().is_err());
    }
}
