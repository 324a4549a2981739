//! The states of the handshake, and what the machine asks its surroundings to do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::result::{Judged, ShownResult};
use crate::map::{self, Named};
use crate::registers::PartNumber;

/// What starts an inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The bit `TRIGGER` of the PLC.
    Triggered,
    /// The camera: each verdict of the stream is a result.
    Follow,
}

/// The settings of a station that the handshake needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What starts an inspection.
    pub mode: Mode,
    /// The longest time from `TRIGGER` to a verdict.
    pub verdict_timeout: Duration,
    /// The longest time from a result to its acknowledgement.
    pub acknowledge_timeout: Duration,
    /// The longest time without a change of the PLC's heartbeat. `None`: not supervised.
    pub heartbeat_timeout: Option<Duration>,
    /// How long a part waits for a PLC that went away.
    pub reconnect: Duration,
    /// The age from which a verdict is not shown in mode `follow`.
    pub outdated_after: Duration,
    /// The recipes by number.
    pub recipes: BTreeMap<u16, String>,
}

/// A trigger that was not acknowledged yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenTrigger {
    /// The idempotency key.
    pub key: String,
    /// The part id.
    pub part_id: String,
    /// The command sequence number.
    pub command: u16,
    /// The recipe that was selected at the trigger. `None`: none was.
    #[serde(default)]
    pub recipe: Option<String>,
}

/// What the machine needs after a restart of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// The beginning of all keys of this station.
    pub key_prefix: String,
    /// The number of keys that were used.
    pub keys: u64,
    /// The trigger that was not acknowledged yet.
    pub open: Option<OpenTrigger>,
    /// The command sequence number of the last trigger; 0: none.
    pub last_command: u16,
    /// The PLC's part number at the last trigger.
    pub part_number: u32,
    /// The PLC's text of the part at the last trigger.
    pub part_text: [u8; 32],
    /// The number of the recipe that the PLC selected last; 0: none.
    #[serde(default)]
    pub recipe_select: u16,
}

/// What the surroundings have to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Store the memory, and answer with [`super::Machine::saved`].
    Save {
        /// Identifies the content.
        revision: u64,
        /// The content.
        memory: Memory,
    },
    /// Trigger an inspection, and answer with [`super::Machine::judged`] or [`super::Machine::refused`]. Repeat it while
    /// the daemon does not answer, as long as [`super::Machine::is_waiting_for`] says so.
    Trigger {
        /// The idempotency key.
        key: String,
        /// The part id.
        part_id: String,
    },
    /// Activate a recipe, and answer with [`super::Machine::activated`].
    Activate {
        /// The number.
        number: u16,
        /// The recipe.
        id: String,
    },
    /// Acknowledge all verdicts up to this sequence.
    Acknowledge(u64),
}

/// A running inspection.
#[derive(Clone, Debug)]
pub(super) struct Busy {
    pub key: String,
    pub part: PartNumber,
    pub part_id: String,
    pub command: u16,
    pub since: Instant,
    /// The revision of the memory that has the key.
    pub revision: u64,
    /// Whether the trigger was sent.
    pub sent: bool,
    /// Whether `TRIGGER` was raised again for another part.
    pub mismatched: bool,
    /// The recipe that was selected at the trigger.
    pub recipe: Option<String>,
}

/// A verdict of the stream, in mode `follow`.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub judged: Judged,
    /// When it was received.
    pub received: Instant,
}

impl Pending {
    /// Returns the time since the verdict was made.
    pub fn age(&self, now: Instant) -> Duration {
        let waited = now.saturating_duration_since(self.received);
        self.judged.age.saturating_add(waited)
    }
}

/// A result that waits for its acknowledgement.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub result: ShownResult,
    /// When it was shown, or when the PLC came back.
    pub since: Instant,
    /// Whether `ACKNOWLEDGE` was off while the result was valid.
    pub acknowledge_was_off: bool,
    /// Whether the PLC was present while the result was valid.
    pub plc_was_there: bool,
}

/// The state of the handshake.
#[derive(Clone, Debug)]
pub(super) enum State {
    Start,
    Idle,
    Busy(Box<Busy>),
    Result(Box<Shown>),
    Release,
    Error(Named),
}

impl State {
    /// Returns the value in the registers.
    pub fn named(&self) -> Named {
        match self {
            Self::Start => map::STATE_START,
            Self::Idle => map::STATE_IDLE,
            Self::Busy(_) => map::STATE_BUSY,
            Self::Result(_) => map::STATE_RESULT,
            Self::Release => map::STATE_RELEASE,
            Self::Error(_) => map::STATE_ERROR,
        }
    }
}
