//! Faults: why a frame or part has no judgement.

use crate::decision::Decision;

/// Why a frame or part could not be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultReason {
    /// The camera cannot be opened, or its stream ended.
    CameraLost,
    /// The camera delivered no frame within its timeout.
    CameraStalled,
    /// The frame is damaged.
    CorruptFrame,
    /// The frame has a size that cannot be inspected.
    WrongSize,
    /// A triggered camera's queue was full.
    Overflow,
    /// Inference failed.
    Engine,
    /// The daemon shut down before the frame was judged.
    Shutdown,
    /// The verdict was not available at the deadline.
    DeadlineMissed,
    /// The verdict could not be journalled.
    Journal,
    /// A view of the part is missing.
    MissingView,
    /// The camera delivers the same frame repeatedly.
    Frozen,
    /// The frame is too dark.
    Dark,
    /// Too many pixels of the frame are saturated.
    Saturated,
    /// The frame is blurred.
    Blurred,
    /// The camera's view has moved.
    ViewMoved,
    /// Masks cover the frame or a region, or what is left is smaller than its minimum area.
    NothingInspected,
    /// The camera does not have the exposure or gain of the recipe or the configuration.
    CameraSettings,
    /// The cameras of the group may count different parts.
    OutOfStep,
    /// The camera is paused.
    CameraPaused,
    /// The challenge failed: the line does not tell good parts from defective ones.
    ChallengeFailed,
    /// A stored reason that this program does not know. No new verdict has it.
    Unknown,
}

impl FaultReason {
    /// All reasons that a verdict can have: all but [`Self::Unknown`].
    pub const ALL: [Self; 20] = [
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
        Self::NothingInspected,
        Self::CameraSettings,
        Self::OutOfStep,
        Self::CameraPaused,
        Self::ChallengeFailed,
    ];

    /// Returns the name in `snake_case`.
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
            Self::NothingInspected => "nothing_inspected",
            Self::CameraSettings => "camera_settings",
            Self::OutOfStep => "out_of_step",
            Self::CameraPaused => "camera_paused",
            Self::ChallengeFailed => "challenge_failed",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the reason with this name, or [`Self::Unknown`].
    pub fn from_name(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|reason| reason.name() == name)
            .unwrap_or(Self::Unknown)
    }
}

/// The reason why a frame or part has no judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The reason.
    pub reason: FaultReason,
    /// Details, for people.
    pub message: String,
    /// Whether the settings make this a REJECT instead of a FAULT.
    pub rejects: bool,
}

impl Fault {
    /// Builds a fault with the decision FAULT.
    pub fn new(reason: FaultReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            rejects: false,
        }
    }

    /// Returns FAULT or REJECT.
    pub fn decision(&self) -> Decision {
        if self.rejects {
            Decision::Reject
        } else {
            Decision::Fault
        }
    }
}
