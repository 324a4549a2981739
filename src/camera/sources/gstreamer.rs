//! GStreamer pipelines.

use opencv::videoio::CAP_GSTREAMER;

use super::error::SourceError;
use super::source::{Shot, Source};
use super::video::Video;
use crate::clock::SharedClock;

/// A running pipeline.
pub struct Pipeline(Video);

/// Starts a pipeline that ends in `appsink`. It may contain passwords, so no message quotes it.
///
/// # Errors
/// When it does not start.
pub fn open(pipeline: &str, clock: &SharedClock) -> Result<Pipeline, SourceError> {
    let video = Video::open(pipeline, CAP_GSTREAMER, &[], clock)?;
    video.map(Pipeline).ok_or_else(|| SourceError::Open {
        name: "the pipeline".into(),
        backend: "GStreamer",
    })
}

impl Source for Pipeline {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        let (moment, frame) = self.0.read()?.ok_or(SourceError::StreamEnded)?;
        Ok(Some(Shot::unnamed(moment, frame)))
    }
}
