//! The trait of sources, and what an open source consists of.

use std::time::Duration;

use inspectd_core::frame::Frame;
use inspectd_core::moment::Moment;
use serde::{Deserialize, Serialize};

use super::error::SourceError;
use crate::camera::event::CaptureError;
use crate::camera::schedule::Schedule;
use crate::config::settings::Pace;

/// An open source.
pub trait Source {
    /// Waits for the next frame; returns none after the last one.
    ///
    /// # Errors
    /// When the source delivers no more frames although it is not finished.
    fn read(&mut self) -> Result<Option<Shot>, SourceError>;
}

/// One result of reading a source.
#[derive(Debug)]
pub struct Shot {
    /// Frames that the driver is known to have lost before it.
    pub lost: u64,
    /// When it was captured or read.
    pub moment: Moment,
    /// The pixels, or the reason why they are not usable.
    pub frame: Result<Frame, CaptureError>,
    /// Name given by the source; empty if it has none.
    pub item: String,
    /// The defect of a rendered part, `good` if it has none; empty if unknown.
    pub truth: String,
}

impl Shot {
    /// A frame without a name.
    pub fn unnamed(moment: Moment, frame: Result<Frame, CaptureError>) -> Self {
        Self {
            lost: 0,
            moment,
            frame,
            item: String::new(),
            truth: String::new(),
        }
    }
}

/// An open source with its schedule.
pub struct OpenedSource {
    /// The source.
    pub source: Box<dyn Source>,
    /// Due times of its frames; unset if it is read without pauses.
    pub schedule: Option<Schedule>,
}

impl OpenedSource {
    /// A source that determines its own rate.
    pub fn unpaced(source: Box<dyn Source>) -> Self {
        Self {
            source,
            schedule: None,
        }
    }

    /// A source whose native rate is `native_fps` frames per second.
    pub fn paced(source: Box<dyn Source>, pace: Pace, native_fps: f64) -> Self {
        let fps = match pace {
            Pace::Native => Some(native_fps),
            Pace::Fast => None,
            Pace::Fps(fps) => Some(fps),
        };
        Self {
            source,
            schedule: fps.map(Schedule::new),
        }
    }
}

/// Time limits of a source.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Timeouts {
    /// Limit of opening.
    pub open: Duration,
    /// Limit of reading a frame.
    pub read: Duration,
}
