//! GStreamer pipelines.

use opencv::videoio::CAP_GSTREAMER;

use super::error::SourceError;
use super::source::{Shot, Source};
use super::video::Video;
use crate::clock::SharedClock;
use crate::config::settings::before_appsink;

/// The formats that OpenCV converts correctly. It takes planar and Bayer formats for grey images of another size.
const FORMATS: &str = "videoconvert ! video/x-raw,format={BGR,GRAY8,GRAY16_LE} ! ";

/// A running pipeline.
pub struct Pipeline(Video);

/// Starts a pipeline that ends in `appsink`, whose frames are converted to BGR or grey. It may contain passwords, so no
/// message quotes it.
///
/// # Errors
/// When it does not start.
pub fn open(pipeline: &str, clock: &SharedClock) -> Result<Pipeline, SourceError> {
    let video = Video::open(with_formats(pipeline), CAP_GSTREAMER, &[], clock)?;
    video.map(Pipeline).ok_or(SourceError::OpenPipeline)
}

/// Inserts a conversion to [`FORMATS`] before the appsink.
fn with_formats(pipeline: &str) -> String {
    let mut pipeline = pipeline.to_owned();
    // The configuration requires an appsink.
    if let Some(position) = before_appsink(&pipeline) {
        pipeline.insert_str(position, FORMATS);
    }
    pipeline
}

impl Source for Pipeline {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        let (moment, frame) = self.0.read()?.ok_or(SourceError::StreamEnded)?;
        Ok(Some(Shot::unnamed(moment, frame)))
    }
}
