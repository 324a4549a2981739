//! What an entry of the audit log says.

use std::fmt;
use std::net::SocketAddr;

use super::chain::Hash;

/// What kind of change it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A key of the configuration, or all of it.
    Configuration,
    /// A recipe was made, changed, chosen or removed.
    Recipe,
    /// A threshold.
    Threshold,
    /// The model that judges.
    Model,
    /// A lock was set or opened.
    Lock,
    /// The daemon started.
    Start,
    /// The daemon stopped in order; a start without a stop before it follows a crash.
    Stop,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Configuration,
        Self::Recipe,
        Self::Threshold,
        Self::Model,
        Self::Lock,
        Self::Start,
        Self::Stop,
    ];

    /// As it is stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Recipe => "recipe",
            Self::Threshold => "threshold",
            Self::Model => "model",
            Self::Lock => "lock",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Which way the change came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A call over gRPC, from this address.
    Rpc(SocketAddr),
    /// A signal to the process.
    Signal,
    /// A file that changed.
    File,
    /// The start of the process.
    Start,
    /// A program on the same machine.
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

/// What is to be recorded; number, time and hashes are the log's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name of the person or program.
    pub who: String,
    /// The role that allowed it.
    pub role: String,
    /// Which way it came.
    pub origin: Origin,
    /// What kind of change it is.
    pub action: Action,
    /// What was changed: a key's path, a recipe's id.
    pub subject: String,
    /// Its value before; empty if there was none.
    pub before: String,
    /// Its value from now on; empty if there is none.
    pub after: String,
}

/// An entry as it is stored. Origin and action are the words that were written: a later version may
/// know more of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// 1, 2, 3 ... without a gap.
    pub number: u64,
    /// Nanoseconds since 1970-01-01T00:00:00Z, by the clock of the machine: it can be set back.
    pub time_ns: i64,
    /// As [`Entry::who`].
    pub who: String,
    /// As [`Entry::role`].
    pub role: String,
    /// As [`Entry::origin`].
    pub origin: String,
    /// As [`Entry::action`].
    pub action: String,
    /// As [`Entry::subject`].
    pub subject: String,
    /// As [`Entry::before`].
    pub before: String,
    /// As [`Entry::after`].
    pub after: String,
    /// The hash of the entry before; [`Hash::GENESIS`] for the first.
    pub previous_hash: Hash,
    /// This entry's own.
    pub hash: Hash,
}
