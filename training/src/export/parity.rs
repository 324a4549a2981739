//! The gate: a graph is worth writing only if ONNX Runtime makes the same maps of it as libtorch makes
//! of the networks.

use std::sync::Arc;

use anyhow::{Result, ensure};
use inspectd::engine::{Elements, EngineOptions, Session};
use inspectd::frame::Frame;
use tch::Device;

use crate::calibrate::{image_maps, normalised};
use crate::dataset::loader::Loaded;
use crate::network::student::{Student, Teacher};
use crate::train::run::Run;

/// Images that are compared, at least.
pub const IMAGES: usize = 16;
/// The largest difference over the map's largest value that passes.
pub const TOLERANCE: f64 = 1e-3;

/// How far the two runtimes are apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Parity {
    /// Images compared.
    pub images: usize,
    /// The largest difference of a map's value.
    pub largest_absolute: f64,
    /// The largest difference over the largest value of the same map.
    pub largest_relative: f64,
    /// ONNX Runtime's version.
    pub onnxruntime_version: String,
}

/// Runs `graph` beside the networks on [`IMAGES`] images of the run: validation images first, then
/// training images, then mirrored ones if those are too few.
///
/// # Errors
/// When the graph does not load or its maps differ by more than [`TOLERANCE`].
pub fn check_parity(
    graph: &[u8],
    run: &Run,
    teacher: &Teacher,
    student: &Student,
    mut progress: impl FnMut(u64, u64),
) -> Result<Parity> {
    let mut session = Session::load(graph, &EngineOptions::default())?;
    let mut parity = Parity {
        images: 0,
        largest_absolute: 0.0,
        largest_relative: 0.0,
        onnxruntime_version: session.version().to_owned(),
    };
    let location = run.location()?;
    for image in images(run)? {
        let raw = image_maps(teacher, student, &image, Device::Cpu);
        let expected = normalised(location.as_ref(), raw);
        let (width, height) = (
            i64::from(image.frame.width()),
            i64::from(image.frame.height()),
        );
        let outputs = session.run(
            &[1, height, width, 3],
            Elements::U8(image.frame.rgb()),
            ["structural", "logical"],
        )?;
        for (actual, expected) in outputs
            .iter()
            .zip([&expected.structural, &expected.logical])
        {
            parity.add(&actual.elements, expected);
        }
        parity.images += 1;
        progress(parity.images as u64, IMAGES as u64);
    }
    ensure!(
        parity.largest_relative <= TOLERANCE,
        "nothing is written: the exported graph differs from libtorch by {:.2e} of the largest value over {} images, allowed is {TOLERANCE:.0e}",
        parity.largest_relative,
        parity.images
    );
    Ok(parity)
}

impl Parity {
    fn add(&mut self, actual: &[f32], expected: &[f32]) {
        let differences = actual
            .iter()
            .zip(expected)
            .map(|(a, b)| f64::from((a - b).abs()));
        // A map that is not a number must not pass: `max` would swallow it.
        let largest = differences.fold(0.0, |largest: f64, next| {
            if next.is_nan() {
                f64::INFINITY
            } else {
                largest.max(next)
            }
        });
        let scale = expected
            .iter()
            .fold(f32::MIN_POSITIVE, |scale, value| scale.max(value.abs()));
        self.largest_absolute = self.largest_absolute.max(largest);
        self.largest_relative = self.largest_relative.max(largest / f64::from(scale));
    }
}

fn images(run: &Run) -> Result<Vec<Loaded>> {
    let dataset = run.dataset();
    let paths: Vec<_> = dataset
        .validation
        .iter()
        .chain(&dataset.train)
        .take(IMAGES)
        .cloned()
        .collect();
    let mut images = run.in_turn(&paths).collect::<Result<Vec<_>, _>>()?;
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

/// Left and right exchanged.
fn mirrored(frame: &Frame) -> Frame {
    let rows = frame.rgb().chunks_exact(3 * frame.width() as usize);
    let pixels = rows.flat_map(|row| row.chunks_exact(3).rev().flatten().copied());
    Frame::new(frame.width(), frame.height(), pixels.collect()).expect("as many pixels as before")
}

/// Turned by a quarter, clockwise.
fn rotated(frame: &Frame) -> Frame {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let pixel = |x: usize, y: usize| &frame.rgb()[3 * (y * width + x)..][..3];
    let pixels = (0..width).flat_map(|x| {
        (0..height)
            .rev()
            .flat_map(move |y| pixel(x, y).iter().copied())
    });
    Frame::new(frame.height(), frame.width(), pixels.collect()).expect("as many pixels as before")
}
