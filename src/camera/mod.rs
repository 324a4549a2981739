//! Cameras: sources of frames, each with a thread that captures and one that watches over it.
//!
//! A source may hang for good, in OpenCV or in a driver, and no thread can be ended from outside. So
//! the thread that captures is never waited for without a limit: one that takes too long is abandoned,
//! what it still gives is discarded, and another opens the source anew.

mod activity;
mod backoff;
mod capture_status;
mod capture_thread;
pub mod health;
mod log_throttle;
mod redact;
mod reporter;
mod schedule;
mod sources;
mod supervisor;
#[cfg(test)]
mod tests;

pub use log_throttle::LogThrottle;
pub use redact::redact;
pub use supervisor::Camera;

use inspectd_core::frame::Frame;
use inspectd_core::id::CameraId;
use inspectd_core::image_file::ImageError;
use inspectd_core::moment::Moment;
use thiserror::Error;

/// Why a capture has no usable pixels.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// An image file cannot be decoded.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// One capture: a frame, or the reason why it is not usable.
#[derive(Debug)]
pub struct Captured {
    /// Counts a camera's captures from 1 on, over all of its openings.
    pub frame_id: u64,
    /// When the source gave it.
    pub moment: Moment,
    /// The pixels, or the reason why they are not usable.
    pub frame: Result<Frame, CaptureError>,
    /// What the source calls it; empty if it has no name.
    pub item: String,
    /// What is wrong with a rendered part, `good` if nothing; empty if nobody knows.
    pub truth: String,
}

/// What a camera is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraState {
    /// Being opened.
    Opening,
    /// Delivers frames.
    Running,
    /// Lost or stalled; opened anew after a pause.
    Waiting,
    /// Came to the end of its file, folder or parts.
    Ended,
}

impl CameraState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Opening, Self::Running, Self::Waiting, Self::Ended];

    /// `opening`, `running`, `waiting` or `ended`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Ended => "ended",
        }
    }
}

/// What is wrong with a camera that gives no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraTrouble {
    /// It cannot be opened, or ended its stream.
    Lost,
    /// It is open, or being opened, and nothing comes within the time-out.
    Stalled,
}

/// What a camera tells.
#[derive(Debug)]
pub enum CameraEvent {
    /// It changed its state.
    State(CameraState),
    /// It gives no frame: told once a loss, however long that lasts.
    Trouble {
        /// The kind.
        trouble: CameraTrouble,
        /// When it was seen.
        moment: Moment,
        /// In words, without secrets.
        reason: String,
    },
}

/// Who gets what a camera gives. Calls come from the camera's threads.
pub trait Sink: Send + Sync {
    /// Takes a capture. Must return at once unless `wait`: then it may block until there is room, and
    /// `stopped` tells when that is no longer wanted.
    fn captured(
        &self,
        camera: &CameraId,
        captured: Captured,
        wait: bool,
        stopped: &dyn Fn() -> bool,
    );
    /// Takes an event. Must return at once.
    fn event(&self, camera: &CameraId, event: CameraEvent);
}
