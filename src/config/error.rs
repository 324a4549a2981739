//! What can be wrong with a configuration.

use thiserror::Error;

/// Everything that is wrong with a configuration, one entry a fault.
///
/// Files that cannot be read, or are not TOML, come alone: without them nothing can be said about the
/// rest.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}", listed(.faults))]
pub struct ConfigError {
    /// The faults, at least one.
    pub faults: Vec<Fault>,
}

fn listed(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    lines.join("\n")
}

/// One fault. A `place` is `FILE:LINE` or `environment variable NAME`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// A file or folder cannot be read.
    #[error("{place}: cannot be read: {reason}")]
    Unreadable {
        /// The file or folder.
        place: String,
        /// The system's words.
        reason: String,
    },
    /// A file is not TOML.
    #[error("{place}: not TOML: {reason}")]
    Syntax {
        /// Where.
        place: String,
        /// The parser's words.
        reason: String,
    },
    /// No such key or table.
    #[error("{place}: {key}: unknown key{}", meant(.suggestion.as_deref()))]
    Unknown {
        /// Where.
        place: String,
        /// Its path: `server.lisen`.
        key: String,
        /// What was probably meant: `listen`.
        suggestion: Option<String>,
    },
    /// A key that must be set is not.
    #[error("{place}: {key}: missing, must be {allowed}")]
    Missing {
        /// Where it belongs, as closely as that is known.
        place: String,
        /// Its path.
        key: String,
        /// What must be there.
        allowed: String,
    },
    /// A value that is not allowed.
    #[error("{place}: {key}: {found}, must be {allowed}")]
    Value {
        /// Where.
        place: String,
        /// Its path.
        key: String,
        /// The value.
        found: String,
        /// What may be there instead.
        allowed: String,
    },
}

fn meant(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

impl Fault {
    /// The path of the key that it is about, if it is about one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Unreadable { .. } | Self::Syntax { .. } => None,
            Self::Unknown { key, .. } | Self::Missing { key, .. } | Self::Value { key, .. } => {
                Some(key)
            }
        }
    }
}
