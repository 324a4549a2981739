//! The verdict as it is journalled and published, with everything that identifies it.

mod fault;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::decision::Decision;
use crate::id::CameraId;
use crate::precision::Precision;
use crate::verdict::Judgement;

pub use fault::{Fault, FaultReason};

/// One view of a part: the verdict of one camera of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartView {
    /// The camera.
    pub camera: CameraId,
    /// Sequence of the view's verdict; 0 if it has none.
    pub sequence: u64,
    /// The camera's frame number; 0 without a frame.
    pub frame_id: u64,
    /// Decision about the view.
    pub decision: Decision,
}

/// The decision about a part, from its views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartDecision {
    /// Decision about the part.
    pub decision: Decision,
    /// The views that arrived in time, sorted by camera.
    pub views: Vec<PartView>,
    /// The missing views, if the settings make them a fault.
    pub fault: Option<Fault>,
}

/// The result of a frame or part.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The frame was judged.
    Judged(Judgement),
    /// It could not be judged.
    Fault(Fault),
    /// A part, decided from the decisions about its views.
    Part(PartDecision),
}

impl Outcome {
    /// Returns the decision.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Judged(judgement) => judgement.decision,
            Self::Fault(fault) => fault.decision(),
            Self::Part(fusion) => fusion.decision,
        }
    }

    /// Returns the judgement of a judged frame.
    pub fn judgement(&self) -> Option<&Judgement> {
        match self {
            Self::Judged(judgement) => Some(judgement),
            Self::Fault(_) | Self::Part(_) => None,
        }
    }

    /// Returns the fault, if there is one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Judged(_) => None,
            Self::Fault(fault) => Some(fault),
            Self::Part(fusion) => fusion.fault.as_ref(),
        }
    }
}

/// Identity of a model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelId {
    /// Name, from the manifest.
    pub name: String,
    /// Version, from the manifest.
    pub version: String,
    /// SHA-256 of the graph.
    pub sha256: String,
    /// Precision of the graph.
    #[serde(default)]
    pub precision: Precision,
}

/// Digits of the graph's SHA-256 in the name of a model on a server.
const SERVED_DIGITS: usize = 12;

impl ModelId {
    /// Name on a server: that of the model and the beginning of its graph's SHA-256, so that another graph has another name.
    pub fn served_name(&self) -> String {
        let digits = self.sha256.get(..SERVED_DIGITS).unwrap_or(&self.sha256);
        format!("{}-{digits}", self.name)
    }
}

/// Identity of a recipe.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecipeTag {
    /// Id, the name of its file.
    pub id: String,
    /// Version, from its file.
    pub version: String,
    /// SHA-256 of its file.
    pub sha256: String,
}

/// The configuration that a verdict was made with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The loaded model.
    pub model: ModelId,
    /// SHA-256 of the active settings.
    pub config_hash: String,
    /// Execution provider of the model.
    pub provider: String,
    /// The active recipe, if there is one.
    pub recipe: Option<RecipeTag>,
}

/// Durations of the stages between capture and verdict; a stage that was not reached is unset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From capture until the engine took the frame.
    pub queue: Option<Duration>,
    /// Rotation, crop and resize.
    pub preprocess: Option<Duration>,
    /// Inference, for the whole batch.
    pub inference: Option<Duration>,
    /// Scores, regions and decision.
    pub judge: Option<Duration>,
    /// From capture until the verdict was made; it is journalled and published after that.
    pub total: Duration,
}

/// Identification of a part, from the request that triggered its inspection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartTag {
    /// Id of the part; empty if it has none.
    pub part_id: String,
    /// Id of the trigger request, if there was one.
    pub trigger: Option<Uuid>,
    /// Opaque data from the client.
    pub client_data: Vec<u8>,
    /// Idempotency key of the request; empty if the client sent none.
    pub idempotency_key: String,
    /// Whether the request named a recipe; unset if it has no key, or is of version 0.2.0 or earlier.
    pub names_recipe: Option<bool>,
}

/// The frame or part that a verdict is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The camera; unset for an image that a client sent, and for a part.
    pub camera: Option<CameraId>,
    /// The camera group; unset for a camera without a group.
    pub group: Option<Arc<str>>,
    /// Number of the capture, counted per camera; 0 without a frame from a camera.
    pub frame_id: u64,
    /// Identification of the part, if it is known.
    pub tag: Option<Arc<PartTag>>,
    /// The configuration that the verdict was made with.
    pub stamp: Arc<Stamp>,
    /// Whether the frame comes from the simulator.
    pub simulated: bool,
    /// Durations of the stages.
    pub timings: Timings,
    /// Number of frames in the inference batch; 0 without inference.
    pub batch_size: u32,
    /// Width and height of the inspected frame in pixels; unset without a frame.
    pub size: Option<[u32; 2]>,
    /// The source's name for the frame; empty if it has none.
    pub item: String,
    /// Ground truth of a simulated part: the name of its defect, or `good`; empty if unknown.
    pub truth: String,
}

impl Subject {
    /// Builds a subject without a frame.
    pub fn new(camera: Option<CameraId>, stamp: Arc<Stamp>) -> Self {
        Self {
            camera,
            group: None,
            frame_id: 0,
            tag: None,
            stamp,
            simulated: false,
            timings: Timings::default(),
            batch_size: 0,
            size: None,
            item: String::new(),
            truth: String::new(),
        }
    }
}

/// The verdict on a frame, on a camera that delivers no frame, or on a part.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Position in the sequence of all verdicts; 0 if it could not be journalled.
    pub sequence: u64,
    /// Id of the daemon's run (process).
    pub run: Uuid,
    /// Capture time, or the time when the fault was detected, by the wall clock.
    pub captured: SystemTime,
    /// The same time since the start of the daemon, by the monotonic clock.
    pub since_start: Duration,
    /// Time when it was journalled, or published without a journal. It never decreases from one verdict to
    /// the next, even if the wall clock steps back.
    pub recorded: SystemTime,
    /// Whether evidence of the frame is kept.
    pub evidence: bool,
    /// Whether the process was killed before it knew that the verdict was published like this.
    pub unconfirmed: bool,
    /// The frame or part.
    pub subject: Subject,
    /// The result.
    pub outcome: Outcome,
}

impl Verdict {
    /// Returns the decision.
    pub fn decision(&self) -> Decision {
        self.outcome.decision()
    }
}
