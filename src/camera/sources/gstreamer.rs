//! Whatever a GStreamer pipeline gives.

use opencv::videoio::CAP_GSTREAMER;

use super::video::Video;
use super::{Shot, Source, SourceError};

/// A running pipeline.
pub struct Pipeline(Video);

/// Starts a pipeline that ends in `appsink`. It may hold passwords, so no message repeats it.
///
/// # Errors
/// When it does not start.
pub fn open(pipeline: &str) -> Result<Pipeline, SourceError> {
    let video = Video::open(pipeline, CAP_GSTREAMER, &[])?;
    video.map(Pipeline).ok_or_else(|| SourceError::Open {
        what: "the pipeline".into(),
        backend: "GStreamer",
    })
}

impl Source for Pipeline {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        let (moment, frame) = self.0.read()?.ok_or(SourceError::StreamEnded)?;
        Ok(Some(Shot::unnamed(moment, frame)))
    }
}
