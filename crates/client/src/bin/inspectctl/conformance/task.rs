//! What the program under test has to do.

use std::time::Duration;

/// The consumer of the scenarios.
pub const CONSUMER: &str = "conformance";

/// The camera of the scenarios.
pub const CAMERA: &str = "top";

/// The silence after which a stream counts as lost.
pub const SILENCE: Duration = Duration::from_secs(2);

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Stream as [`CONSUMER`] and acknowledge.
    Consume,
    /// Stream from a sequence.
    Follow(u64),
    /// Stream the next verdicts, without a journal.
    Live,
    /// Trigger the inspection of a part.
    Trigger {
        /// The id of the part.
        part: &'static str,
        /// The deadline.
        deadline: Duration,
    },
}

impl Task {
    /// The arguments that are added to those of the program.
    pub fn words(&self) -> Vec<String> {
        let silence = SILENCE.as_millis().to_string();
        match self {
            Self::Consume => vec!["consume".into(), CONSUMER.into(), silence],
            Self::Follow(sequence) => vec!["follow".into(), sequence.to_string(), silence],
            Self::Live => vec!["live".into(), silence],
            Self::Trigger { part, deadline } => {
                let deadline = deadline.as_millis().to_string();
                vec!["trigger".into(), CAMERA.into(), (*part).into(), deadline]
            }
        }
    }
}
