//! A verdict with all that identifies it.

use std::sync::Arc;
use std::time::Duration;

use crate::camera::{CameraId, Moment};
use crate::verdict::{Decision, Judgement};

/// Why no judgement could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultReason {
    /// The camera cannot be opened, or ended its stream.
    CameraLost,
    /// The camera delivers no frame within its time-out.
    CameraStalled,
    /// The frame is damaged.
    CorruptFrame,
    /// The frame has a size that cannot be inspected.
    WrongSize,
    /// A triggered camera's queue was full.
    Overflow,
    /// The engine failed.
    Engine,
    /// The daemon stopped before the frame was judged.
    Shutdown,
}

impl FaultReason {
    /// In `snake_case`.
    pub fn name(self) -> &'static str {
        match self {
            Self::CameraLost => "camera_lost",
            Self::CameraStalled => "camera_stalled",
            Self::CorruptFrame => "corrupt_frame",
            Self::WrongSize => "wrong_size",
            Self::Overflow => "overflow",
            Self::Engine => "engine",
            Self::Shutdown => "shutdown",
        }
    }
}

/// No judgement, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind.
    pub reason: FaultReason,
    /// In words, for people.
    pub message: String,
}

impl Fault {
    /// A fault.
    pub fn new(reason: FaultReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// What came of a frame.
pub type Outcome = Result<Judgement, Fault>;

/// A model's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelId {
    /// Name, from the manifest.
    pub name: String,
    /// Version, from the manifest.
    pub version: String,
    /// SHA-256 of the graph.
    pub sha256: String,
}

/// Under what a verdict was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The loaded model.
    pub model: ModelId,
    /// SHA-256 of the settings in force.
    pub config_hash: String,
    /// Where the model runs.
    pub provider: &'static str,
}

/// Where the time between capture and verdict went; a stage that was not reached is unset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From capture until the engine took the frame.
    pub queue: Option<Duration>,
    /// Rotation, crop and resize.
    pub preprocess: Option<Duration>,
    /// The model's run, for the whole batch.
    pub inference: Option<Duration>,
    /// Score, regions and decision.
    pub judge: Option<Duration>,
    /// From capture until the verdict was published.
    pub total: Duration,
}

/// A frame, or a camera's trouble, on its way to a verdict: all but what publishing adds.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The camera; none for an image that a client sent.
    pub camera: Option<CameraId>,
    /// Counts the camera's captures; 0 without a frame of a camera.
    pub frame_id: u64,
    /// When it was captured.
    pub moment: Moment,
    /// Under what it was made.
    pub stamp: Arc<Stamp>,
    /// Rendered, not seen.
    pub simulated: bool,
    /// Where the time went; the total is set by publishing.
    pub timings: Timings,
    /// Frames that shared the model's run; 0 without one.
    pub batch_size: u32,
    /// The inspected frame's width and height; without a frame unset.
    pub size: Option<[u32; 2]>,
    /// What the source calls the frame; empty if it has no name.
    pub item: String,
    /// What is wrong with a rendered part, `good` if nothing; empty if nobody knows.
    pub truth: String,
}

/// What came of one frame, or of a camera that has none to give.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Counts all verdicts of this run from 1 on.
    pub sequence: u64,
    /// Since the daemon's start, on a clock that never steps.
    pub since_start: Duration,
    /// Where it comes from.
    pub draft: Draft,
    /// What was decided.
    pub outcome: Outcome,
}

impl Verdict {
    /// The decision.
    pub fn decision(&self) -> Decision {
        self.outcome
            .as_ref()
            .map_or(Decision::Fault, |judgement| judgement.decision)
    }
}
