//! What a camera sends to its sink: captures and events.

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
    /// A video file ends before its last frame.
    #[error("the file ends after {read} of {expected} frames: it is cut short")]
    CutShort {
        /// Frames read.
        read: u64,
        /// Frames that the file should have.
        expected: u64,
    },
    /// The decoder met damaged data.
    #[error("the data are damaged ({0})")]
    Damaged(String),
    /// Frames of a video before it are damaged, and it may be made of them.
    #[error("{frames} frames before it, the data are damaged")]
    FollowsDamage {
        /// Frames since the damage.
        frames: u32,
    },
    /// The reason that the capture process reports.
    #[error("{0}")]
    Unusable(String),
}

/// One capture: a frame, or the reason why it is not usable.
#[derive(Debug)]
pub struct Captured {
    /// Number of the capture, from 1, over all openings of the camera's source.
    pub frame_id: u64,
    /// Frames that the driver is known to have lost before it.
    pub lost: u64,
    /// When the source delivered it.
    pub moment: Moment,
    /// The pixels, or the reason why they are not usable.
    pub frame: Result<Frame, CaptureError>,
    /// Name given by the source; empty if it has none.
    pub item: String,
    /// The defect of a rendered part, `good` if it has none; empty if unknown.
    pub truth: String,
}

/// State of a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraState {
    /// The source is being opened.
    Opening,
    /// The source delivers frames.
    Running,
    /// Lost or stalled; the source is reopened after a pause.
    Waiting,
    /// The file, folder or simulation is finished.
    Ended,
    /// Stopped until it is resumed.
    Paused,
}

impl CameraState {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Opening,
        Self::Running,
        Self::Waiting,
        Self::Ended,
        Self::Paused,
    ];

    /// `opening`, `running`, `waiting`, `ended` or `paused`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Ended => "ended",
            Self::Paused => "paused",
        }
    }
}

/// Why a camera delivers no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraTrouble {
    /// The source cannot be opened, or its stream ended.
    Lost,
    /// Opening or reading did not finish within its timeout.
    Stalled,
}

/// An event of a camera.
#[derive(Debug)]
pub enum CameraEvent {
    /// The state changed.
    State(CameraState),
    /// The camera delivers no frames. Sent once per outage, however long it lasts.
    Trouble {
        /// The kind of outage.
        trouble: CameraTrouble,
        /// When it was detected.
        moment: Moment,
        /// Explanation for people, without secrets.
        reason: String,
    },
}

/// Receiver of a camera's captures and events. The camera's threads call it.
pub trait Sink: Send + Sync {
    /// Takes a capture. Must return immediately unless `wait` is set: then it may block until there is
    /// room, and must return once `stopped` returns true.
    fn captured(
        &self,
        camera: &CameraId,
        captured: Captured,
        wait: bool,
        stopped: &dyn Fn() -> bool,
    );
    /// Takes an event. Must return immediately.
    fn event(&self, camera: &CameraId, event: CameraEvent);
}
