//! GStreamer pipelines.

use std::time::Duration;

use opencv::videoio::CAP_GSTREAMER;

use super::error::SourceError;
use super::source::{Shot, Source};
use super::video::{Timing, Video};
use crate::clock::SharedClock;
use crate::config::settings::before_appsink;

/// The formats that OpenCV converts correctly. It takes planar and Bayer formats for grey images of another size. Grey
/// pixels of 16 bits become their highest 8 bits.
const FORMATS: &str = "videoconvert ! video/x-raw,format={BGR,GRAY8} ! ";

/// Grey pixels with all of their bits.
const FORMAT_16_BIT: &str = "videoconvert ! video/x-raw,format=GRAY16_LE ! ";

/// A running pipeline.
pub struct Pipeline(Video);

/// Starts a pipeline that ends in `appsink`, whose frames are converted to BGR or grey. It may contain passwords, so no
/// message quotes it.
///
/// # Errors
/// When it does not start.
pub fn open(
    pipeline: &str,
    latency: Duration,
    bit_depth: Option<u32>,
    clock: &SharedClock,
) -> Result<Pipeline, SourceError> {
    let formats = if bit_depth.is_some() {
        FORMAT_16_BIT
    } else {
        FORMATS
    };
    let video = Video::open(with_formats(pipeline, formats), CAP_GSTREAMER, &[], clock)?;
    let video = video.ok_or(SourceError::OpenPipeline)?;
    let video = video.timed(Timing::Latency(latency));
    Ok(Pipeline(video.with_bit_depth(bit_depth)))
}

/// Inserts a conversion to these formats before the appsink.
fn with_formats(pipeline: &str, formats: &str) -> String {
    let mut pipeline = pipeline.to_owned();
    // The configuration requires an appsink.
    if let Some(position) = before_appsink(&pipeline) {
        pipeline.insert_str(position, formats);
    }
    pipeline
}

impl Source for Pipeline {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        self.0.read()?.ok_or(SourceError::StreamEnded).map(Some)
    }
}
