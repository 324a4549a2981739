//! How the played daemon answers.

use std::time::Duration;

use tonic::{Code, Status};

/// The answer to calls of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As a daemon does.
    Serve,
    /// With this status.
    Refuse(Code),
    /// None, until the client cancels the call.
    Hold,
}

impl Answer {
    /// The status, if the call is refused.
    pub fn refusal(self) -> Option<Status> {
        match self {
            Self::Refuse(code) => Some(Status::new(code, "refused by the scenario")),
            Self::Serve | Self::Hold => None,
        }
    }
}

/// How the played daemon answers now. Scenarios change it.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// `StreamVerdicts`.
    pub streams: Answer,
    /// `AcknowledgeVerdicts`.
    pub acknowledgements: Answer,
    /// `TriggerInspection`.
    pub triggers: Answer,
    /// Whether silent streams have heartbeats.
    pub heartbeats: bool,
    /// The interval that heartbeats state. Zero: none.
    pub interval: Duration,
    /// Whether the user processes verdicts at once; otherwise when the scenario says so.
    pub processes: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            streams: Answer::Serve,
            acknowledgements: Answer::Serve,
            triggers: Answer::Serve,
            heartbeats: true,
            interval: Duration::ZERO,
            processes: true,
        }
    }
}
