//! What recent verdicts were made of: frames and maps in memory, and files of those that matter, the
//! oldest go first; and how people see them.

mod disk_store;
mod policy;

use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::Arc;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};

use inspectd_core::frame::Frame;
use inspectd_core::maps::upsample;
use inspectd_core::preprocess::{Crop, crop};
use inspectd_core::record::Verdict;

pub use disk_store::{DiskStore, Kept};
pub use policy::CapturePolicy;

/// Quality of JPEG evidence, of 100.
const JPEG_QUALITY: u8 = 90;

/// A frame as it was captured and turned, and the part of it that was inspected.
#[derive(Clone, Debug)]
pub struct CapturedFrame {
    /// All of it.
    pub frame: Arc<Frame>,
    /// The inspected part; all of it if unset.
    pub crop: Option<Crop>,
}

impl CapturedFrame {
    /// The inspected part; all of it where the crop does not fit, which made the frame a FAULT.
    pub fn inspected(&self) -> Frame {
        crop(&self.frame, self.crop).unwrap_or_else(|_| (*self.frame).clone())
    }
}

/// The combined map of a judged frame.
#[derive(Clone, Debug)]
pub struct AnomalyMap {
    /// Cells, row-major, `side` x `side`.
    pub cells: Vec<f32>,
    /// Cells a side.
    pub side: usize,
}

/// What one verdict was made of.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The verdict.
    pub verdict: Arc<Verdict>,
    /// The frame.
    pub picture: CapturedFrame,
    /// The map; none for a FAULT.
    pub heat: Option<AnomalyMap>,
}

impl Evidence {
    fn bytes(&self) -> usize {
        let heat = self.heat.as_ref().map_or(0, |heat| heat.cells.len() * 4);
        self.picture.frame.rgb().len() + heat + size_of::<Self>() + size_of::<Verdict>()
    }
}

/// Recent evidence within a bound of memory; what finds no room drives out the oldest.
#[derive(Debug)]
pub struct Recent {
    limit: usize,
    bytes: usize,
    kept: VecDeque<Evidence>,
}

impl Recent {
    /// Keeps up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: 0,
            kept: VecDeque::new(),
        }
    }

    /// Keeps `evidence`, whose sequence is above all others'. What no longer fits is given back: freeing
    /// a frame takes as long as copying one, and the caller may hold a lock.
    pub fn push(&mut self, evidence: Evidence) -> Vec<Evidence> {
        self.bytes += evidence.bytes();
        self.kept.push_back(evidence);
        let mut gone = Vec::new();
        while self.bytes > self.limit {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
            gone.push(oldest);
        }
        gone
    }

    /// The evidence of the verdict with this sequence, if it is still kept.
    pub fn get(&self, sequence: u64) -> Option<&Evidence> {
        let at = self
            .kept
            .binary_search_by_key(&sequence, |evidence| evidence.verdict.sequence)
            .ok()?;
        self.kept.get(at)
    }
}

/// The frame with the heat over it: clear below half the threshold, red from the threshold on.
///
/// # Panics
/// When the map is not square.
pub fn overlay(frame: &Frame, heat: &AnomalyMap, threshold: f32) -> Frame {
    let (width, height) = (frame.width(), frame.height());
    let values = upsample(&heat.cells, heat.side, heat.side, width, height);
    let pixels = frame.rgb().chunks_exact(3).zip(values);
    let rgb = pixels
        .flat_map(|(pixel, value)| tinted([pixel[0], pixel[1], pixel[2]], warmth(value, threshold)))
        .collect();
    Frame::new(width, height, rgb).expect("as many pixels as before")
}

/// 0 below half the threshold, 1 from the threshold on. A threshold that is not positive has no half:
/// there all from it on is 1.
fn warmth(value: f32, threshold: f32) -> f32 {
    if threshold <= 0.0 {
        return f32::from(u8::from(value >= threshold));
    }
    ((value / threshold - 0.5) * 2.0).clamp(0.0, 1.0)
}

fn tinted(rgb: [u8; 3], warmth: f32) -> [u8; 3] {
    let colour = [255.0, 200.0 * (1.0 - warmth), 0.0];
    let share = 0.7 * warmth;
    std::array::from_fn(|i| (f32::from(rgb[i]) * (1.0 - share) + colour[i] * share) as u8)
}

/// How a picture is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Without loss.
    Png,
    /// Smaller.
    Jpeg,
}

/// The frame as a file's bytes.
///
/// # Errors
/// When the encoder refuses (a JPEG of more than 65535 pixels a side).
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
