//! Cameras: sources of frames, each with a thread that captures and one that watches over it.
//!
//! A source may hang for good, in OpenCV or in a driver, and no thread can be ended from outside. So
//! the thread that captures is never waited for without a limit: one that takes too long is abandoned,
//! what it still gives is discarded, and another opens the source anew.

mod backoff;
mod capture;
mod phase;
mod redact;
mod repeats;
mod report;
mod schedule;
mod sources;
mod supervisor;
#[cfg(test)]
mod tests;
mod watch;

pub use redact::redact;
pub use repeats::Repeats;
pub use supervisor::Camera;

use std::fmt;
use std::str::FromStr;
use std::time::{Instant, SystemTime};

use serde::Serialize;
use thiserror::Error;

use inspectd_core::frame::Frame;

/// The name of a camera: 1 to 64 lower-case letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CameraId(String);

/// Why a text is no camera's name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no camera id: must be 1 to 64 of a-z, 0-9, '-' and '_'")]
pub struct CameraIdError(pub String);

impl CameraId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CameraId {
    type Err = CameraIdError;

    fn from_str(text: &str) -> Result<Self, CameraIdError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if (1..=64).contains(&text.len()) && text.chars().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(CameraIdError(text.to_owned()))
    }
}

/// A moment, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The system's clock, which may step.
    pub utc: SystemTime,
    /// A clock that never steps.
    pub monotonic: Instant,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self {
            utc: SystemTime::now(),
            monotonic: Instant::now(),
        }
    }
}

/// What was captured: a frame, or what was in its place.
#[derive(Debug)]
pub struct Captured {
    /// Counts a camera's captures from 1 on, over all of its openings.
    pub frame_id: u64,
    /// When the source gave it.
    pub moment: Moment,
    /// The pixels, or why they are of no use (a damaged file: the reason in words).
    pub frame: Result<Frame, String>,
    /// What the source calls it; empty if it has no name.
    pub item: String,
    /// What is wrong with a rendered part, `good` if nothing; empty if nobody knows.
    pub truth: String,
}

/// What a camera is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Being opened.
    Opening,
    /// Delivers frames.
    Running,
    /// Lost or stalled; opened anew after a pause.
    Waiting,
    /// Came to the end of its file, folder or parts.
    Ended,
}

impl State {
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
pub enum Trouble {
    /// It cannot be opened, or ended its stream.
    Lost,
    /// It is open, or being opened, and nothing comes within the time-out.
    Stalled,
}

/// What a camera tells.
#[derive(Debug)]
pub enum Event {
    /// It changed its state.
    State(State),
    /// It gives no frame: told once a loss, however long that lasts.
    Trouble {
        /// The kind.
        trouble: Trouble,
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
    fn event(&self, camera: &CameraId, event: Event);
}
