//! Evidence: the frames and anomaly maps of verdicts, recent ones in memory and selected ones on disk, and
//! their pictures for people. The oldest evidence is removed first.

mod disk_store;
mod policy;

use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::Arc;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};

use inspectd_core::frame::Frame;
use inspectd_core::maps::{MapSize, upsample};
use inspectd_core::preprocess::{Crop, PreprocessError, crop, resize};
use inspectd_core::record::Verdict;

pub use disk_store::{DiskStore, EvidenceCounts, Kept};
pub use policy::CapturePolicy;

/// Pictures are not scaled to a shorter side than this, pixels.
pub const SMALLEST_SIDE: u32 = 16;

/// JPEG quality of evidence, 1 to 100.
const JPEG_QUALITY: u8 = 90;

/// A captured and rotated frame, and its inspected area.
#[derive(Clone, Debug)]
pub struct CapturedFrame {
    /// The whole frame.
    pub frame: Arc<Frame>,
    /// The inspected area; the whole frame if unset.
    pub crop: Option<Crop>,
}

impl CapturedFrame {
    /// The inspected area; the whole frame if the crop does not fit, in which case the verdict is a FAULT.
    pub fn inspected(&self) -> Frame {
        crop(&self.frame, self.crop).unwrap_or_else(|_| (*self.frame).clone())
    }
}

/// The combined anomaly map of a judged frame.
#[derive(Clone, Debug)]
pub struct AnomalyMap {
    /// Cells, row-major.
    pub cells: Vec<f32>,
    /// Size of the map: its product is the number of cells.
    pub size: MapSize,
}

/// The frame and map of one verdict.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The verdict.
    pub verdict: Arc<Verdict>,
    /// The frame.
    pub frame: CapturedFrame,
    /// The map; `None` for a FAULT.
    pub anomaly_map: Option<AnomalyMap>,
}

impl Evidence {
    fn bytes(&self) -> usize {
        let cells = self.anomaly_map.as_ref().map_or(0, |map| map.cells.len());
        let pixels = self.frame.frame.rgb().len();
        pixels + cells * size_of::<f32>() + size_of::<Self>() + size_of::<Verdict>()
    }
}

/// The most recent evidence, in memory. When the limit is reached, the oldest is removed.
#[derive(Debug)]
pub struct Recent {
    limit: usize,
    bytes: usize,
    kept: VecDeque<Evidence>,
}

impl Recent {
    /// Creates a store for up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: 0,
            kept: VecDeque::new(),
        }
    }

    /// Adds `evidence`, whose sequence is higher than all others. Returns what no longer fits, so that the
    /// caller can drop it without holding a lock: freeing a frame takes as long as copying it.
    pub fn push(&mut self, evidence: Evidence) -> Vec<Evidence> {
        self.bytes += evidence.bytes();
        self.kept.push_back(evidence);
        let mut removed = Vec::new();
        while self.bytes > self.limit {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
            removed.push(oldest);
        }
        removed
    }

    /// The evidence of the verdict with this sequence, if it is still in memory.
    pub fn get(&self, sequence: u64) -> Option<&Evidence> {
        let at = self
            .kept
            .binary_search_by_key(&sequence, |evidence| evidence.verdict.sequence)
            .ok()?;
        self.kept.get(at)
    }
}

/// Draws the map over the frame: transparent below half the threshold, red from the threshold on.
///
/// # Panics
/// When the map does not have the stated size.
pub fn overlay(frame: &Frame, map: &AnomalyMap, threshold: f32) -> Frame {
    let (width, height) = (frame.width(), frame.height());
    let values = upsample(&map.cells, map.size, width, height);
    let pixels = frame.rgb().chunks_exact(3).zip(values);
    let rgb = pixels
        .flat_map(|(pixel, value)| {
            blended([pixel[0], pixel[1], pixel[2]], opacity(value, threshold))
        })
        .collect();
    Frame::new(width, height, rgb).expect("as many pixels as before")
}

/// Opacity of the overlay: 0 below half the threshold, 1 from the threshold on, linear in between. For a
/// threshold that is not positive: 0 below it, 1 from it on.
fn opacity(value: f32, threshold: f32) -> f32 {
    if threshold <= 0.0 {
        return f32::from(u8::from(value >= threshold));
    }
    ((value / threshold - 0.5) * 2.0).clamp(0.0, 1.0)
}

/// A pixel with the colour of the overlay: yellow to red.
fn blended(rgb: [u8; 3], opacity: f32) -> [u8; 3] {
    let colour = [255.0, 200.0 * (1.0 - opacity), 0.0];
    let share = 0.7 * opacity;
    std::array::from_fn(|i| (f32::from(rgb[i]) * (1.0 - share) + colour[i] * share) as u8)
}

/// Scales a picture down whose longer side exceeds the limit.
///
/// # Errors
/// When it cannot be resized.
pub fn scaled(frame: Frame, limit: Option<u32>) -> Result<Frame, PreprocessError> {
    let (width, height) = (frame.width(), frame.height());
    let longer = width.max(height);
    let Some(limit) = limit.filter(|limit| *limit < longer) else {
        return Ok(frame);
    };
    let side = |side: u32| {
        let scaled = u64::from(side) * u64::from(limit) / u64::from(longer);
        (scaled as u32).max(SMALLEST_SIDE)
    };
    resize(&frame, None, side(width), side(height))
}

/// Encoding of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Lossless.
    Png,
    /// Lossy, smaller.
    Jpeg,
}

/// Encodes the frame as an image file.
///
/// # Errors
/// When the encoder fails (a JPEG with more than 65535 pixels per side).
pub fn encode(frame: &Frame, encoding: Encoding) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Cursor::new(Vec::new());
    let (width, height) = (frame.width(), frame.height());
    let colour = ExtendedColorType::Rgb8;
    match encoding {
        Encoding::Png => image::codecs::png::PngEncoder::new(&mut bytes).write_image(
            frame.rgb(),
            width,
            height,
            colour,
        )?,
        Encoding::Jpeg => JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).write_image(
            frame.rgb(),
            width,
            height,
            colour,
        )?,
    }
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests;
