//! A verdict with all that identifies it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use crate::decision::Decision;
use crate::id::CameraId;
use crate::verdict::Judgement;

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
    /// The verdict would have come too late.
    DeadlineMissed,
    /// The verdict could not be journalled.
    Journal,
    /// A view of the part is missing.
    MissingView,
    /// The camera gives the same frame again and again.
    Frozen,
    /// The frame is too dark.
    Dark,
    /// Too much of the frame is at the end of the scale.
    Saturated,
    /// The frame is blurred.
    Blurred,
    /// The camera looks elsewhere.
    ViewMoved,
    /// A stored reason that this program does not know. No new verdict has it.
    Unknown,
}

impl FaultReason {
    /// All reasons that a verdict can have: all but [`Self::Unknown`].
    pub const ALL: [Self; 15] = [
        Self::CameraLost,
        Self::CameraStalled,
        Self::CorruptFrame,
        Self::WrongSize,
        Self::Overflow,
        Self::Engine,
        Self::Shutdown,
        Self::DeadlineMissed,
        Self::Journal,
        Self::MissingView,
        Self::Frozen,
        Self::Dark,
        Self::Saturated,
        Self::Blurred,
        Self::ViewMoved,
    ];

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
            Self::DeadlineMissed => "deadline_missed",
            Self::Journal => "journal",
            Self::MissingView => "missing_view",
            Self::Frozen => "frozen",
            Self::Dark => "dark",
            Self::Saturated => "saturated",
            Self::Blurred => "blurred",
            Self::ViewMoved => "view_moved",
            Self::Unknown => "unknown",
        }
    }

    /// The reason with this name; [`Self::Unknown`] if there is none.
    pub fn from_name(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|reason| reason.name() == name)
            .unwrap_or(Self::Unknown)
    }
}

/// No judgement, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind.
    pub reason: FaultReason,
    /// In words, for people.
    pub message: String,
    /// Whether the settings make it a REJECT rather than a FAULT.
    pub rejects: bool,
}

impl Fault {
    /// A fault that is a FAULT.
    pub fn new(reason: FaultReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            rejects: false,
        }
    }

    /// FAULT or REJECT.
    pub fn decision(&self) -> Decision {
        if self.rejects {
            Decision::Reject
        } else {
            Decision::Fault
        }
    }
}

/// One camera's share of a part's verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The camera.
    pub camera: CameraId,
    /// Its verdict's sequence; 0 where it has none.
    pub sequence: u64,
    /// Its frame; 0 where there was none.
    pub frame_id: u64,
    /// Its verdict.
    pub decision: Decision,
}

/// What several views of one part come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fusion {
    /// The part's.
    pub decision: Decision,
    /// The views that came in time, by camera.
    pub views: Vec<View>,
    /// What is missing, where that matters.
    pub fault: Option<Fault>,
}

/// What came of a frame, or of a part.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The frame was judged.
    Judged(Judgement),
    /// It could not be.
    Fault(Fault),
    /// A part's views were judged, each for itself.
    Part(Fusion),
}

impl Outcome {
    /// What is decided.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Judged(judgement) => judgement.decision,
            Self::Fault(fault) => fault.decision(),
            Self::Part(fusion) => fusion.decision,
        }
    }

    /// The judgement, if there is one.
    pub fn judgement(&self) -> Option<&Judgement> {
        match self {
            Self::Judged(judgement) => Some(judgement),
            Self::Fault(_) | Self::Part(_) => None,
        }
    }

    /// What kept it from being judged, if anything.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Judged(_) => None,
            Self::Fault(fault) => Some(fault),
            Self::Part(fusion) => fusion.fault.as_ref(),
        }
    }
}

/// A model's identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelId {
    /// Name, from the manifest.
    pub name: String,
    /// Version, from the manifest.
    pub version: String,
    /// SHA-256 of the graph.
    pub sha256: String,
}

/// A recipe's identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecipeTag {
    /// Its id, the name of its file.
    pub id: String,
    /// The version that its file states.
    pub version: String,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// Under what a verdict was made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The loaded model.
    pub model: ModelId,
    /// SHA-256 of the settings in force.
    pub config_hash: String,
    /// Where the model runs.
    pub provider: String,
    /// The recipe in force, if there is one.
    pub recipe: Option<RecipeTag>,
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
    /// From capture until the verdict was made: it is journalled and published after that.
    pub total: Duration,
}

/// The part that a frame shows, and who asked for its inspection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// The part; empty if it has no name.
    pub part_id: String,
    /// The request, if there was one.
    pub trigger: Option<Uuid>,
    /// What the client sent along, for its own use.
    pub client_data: Vec<u8>,
    /// The client's name for the request; empty if it gave none.
    pub idempotency_key: String,
}

/// What a verdict is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The camera; none for an image that a client sent, and for a part.
    pub camera: Option<CameraId>,
    /// The group whose part it shows; none for a camera without one.
    pub group: Option<Arc<str>>,
    /// Counts the camera's captures; 0 without a frame of a camera.
    pub frame_id: u64,
    /// The part, if it is known.
    pub tag: Option<Arc<Tag>>,
    /// Under what it was made.
    pub stamp: Arc<Stamp>,
    /// Rendered, not seen.
    pub simulated: bool,
    /// Where the time went.
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

impl Subject {
    /// A subject without a frame.
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

/// What came of one frame, of a camera that has none to give, or of a part.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Its place among all verdicts. 0: it could not be journalled.
    pub sequence: u64,
    /// The run of the daemon.
    pub run: Uuid,
    /// When the frame was captured, or the trouble seen, by the system's clock.
    pub captured: SystemTime,
    /// The same moment since the daemon's start, on a clock that never steps.
    pub since_start: Duration,
    /// When it was journalled, or published where there is no journal. Later verdicts have no earlier
    /// time, whatever the system's clock does.
    pub recorded: SystemTime,
    /// Whether files of its frame are kept.
    pub evidence: bool,
    /// What it is about.
    pub subject: Subject,
    /// What was decided.
    pub outcome: Outcome,
}

impl Verdict {
    /// The decision.
    pub fn decision(&self) -> Decision {
        self.outcome.decision()
    }
}
