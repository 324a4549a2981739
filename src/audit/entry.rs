//! Entries of the audit log.

use std::fmt;
use std::net::SocketAddr;

use super::hash::Hash;

/// Maximum length of a text of an entry, in bytes: the maximum size of a configuration file.
pub(super) const LONGEST_TEXT: usize = 1 << 20;

/// Kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A key of the configuration, or all of it.
    Configuration,
    /// A recipe was created, changed, activated or removed.
    Recipe,
    /// A threshold.
    Threshold,
    /// The active model.
    Model,
    /// A lock was set or released.
    Lock,
    /// A group of cameras that count their parts was put in step.
    Resynchronize,
    /// A camera was paused or resumed.
    Camera,
    /// The challenge passed or failed, other than before.
    Challenge,
    /// The daemon started.
    Start,
    /// The daemon shut down. A start without a preceding stop follows a crash.
    Stop,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 10] = [
        Self::Configuration,
        Self::Recipe,
        Self::Threshold,
        Self::Model,
        Self::Lock,
        Self::Resynchronize,
        Self::Camera,
        Self::Challenge,
        Self::Start,
        Self::Stop,
    ];

    /// The stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Recipe => "recipe",
            Self::Threshold => "threshold",
            Self::Model => "model",
            Self::Lock => "lock",
            Self::Resynchronize => "resynchronize",
            Self::Camera => "camera",
            Self::Challenge => "challenge",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Origin of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A gRPC call from this address.
    Rpc(SocketAddr),
    /// A signal to the process.
    Signal,
    /// A file that changed.
    File,
    /// The start of the process.
    Start,
    /// A process on the same machine.
    Local,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpc(address) => write!(f, "rpc {address}"),
            Self::Signal => f.write_str("signal"),
            Self::File => f.write_str("file"),
            Self::Start => f.write_str("start"),
            Self::Local => f.write_str("local"),
        }
    }
}

/// A change to be recorded. The log adds number, time and hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Name of the person or program.
    pub who: String,
    /// The role that allowed it.
    pub role: String,
    /// Origin of the change.
    pub origin: Origin,
    /// Kind of the change.
    pub action: Action,
    /// What was changed: the path of a configuration key, the id of a recipe.
    pub subject: String,
    /// Value before the change; empty if there was none.
    pub before: String,
    /// Value after the change; empty if there is none.
    pub after: String,
}

/// A stored entry. `origin` and `action` are text, because a later version may know more values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// 1, 2, 3 ... without gaps.
    pub number: u64,
    /// Wall-clock time in nanoseconds since 1970-01-01T00:00:00Z. It may be earlier than that of the
    /// previous entry, because the clock may be set back.
    pub time_ns: i64,
    /// As [`AuditEntry::who`].
    pub who: String,
    /// As [`AuditEntry::role`].
    pub role: String,
    /// As [`AuditEntry::origin`].
    pub origin: String,
    /// As [`AuditEntry::action`].
    pub action: String,
    /// As [`AuditEntry::subject`].
    pub subject: String,
    /// As [`AuditEntry::before`].
    pub before: String,
    /// As [`AuditEntry::after`].
    pub after: String,
    /// Hash of the previous entry; [`Hash::GENESIS`] for the first.
    pub previous_hash: Hash,
    /// Hash of this entry.
    pub hash: Hash,
}
