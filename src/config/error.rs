//! Faults of a configuration, and of other TOML files.

use thiserror::Error;

/// All faults of a configuration.
///
/// If a file cannot be read or is not TOML, only such faults are reported: the rest depends on them.
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

/// A fault. A `place` is `FILE:LINE` or `environment variable NAME`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// A file or folder cannot be read.
    #[error("{place}: cannot be read: {reason}")]
    Unreadable {
        /// The file or folder.
        place: String,
        /// Error of the operating system.
        reason: String,
    },
    /// A file is not TOML.
    #[error("{place}: not TOML: {reason}")]
    Syntax {
        /// The place.
        place: String,
        /// Error of the parser.
        reason: String,
    },
    /// A key or table that does not exist.
    #[error("{place}: {key}: unknown key{}", suggested(.suggestion.as_deref()))]
    Unknown {
        /// The place.
        place: String,
        /// Its path: `server.lisen`.
        key: String,
        /// The most similar name: `listen`.
        suggestion: Option<String>,
    },
    /// A required key is not set.
    #[error("{place}: {key}: missing, must be {allowed}")]
    Missing {
        /// The closest known place.
        place: String,
        /// Its path.
        key: String,
        /// Allowed values.
        allowed: String,
    },
    /// A value that is not allowed.
    #[error("{place}: {key}: {found}, must be {allowed}")]
    Value {
        /// The place.
        place: String,
        /// Its path.
        key: String,
        /// Description of the value.
        found: String,
        /// Allowed values.
        allowed: String,
    },
}

fn suggested(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

impl Fault {
    /// The place: a file, `FILE:LINE` or `environment variable NAME`.
    pub fn place(&self) -> &str {
        match self {
            Self::Unreadable { place, .. }
            | Self::Syntax { place, .. }
            | Self::Unknown { place, .. }
            | Self::Missing { place, .. }
            | Self::Value { place, .. } => place,
        }
    }

    /// Path of the key at fault, if the fault is one of a key.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Unreadable { .. } | Self::Syntax { .. } => None,
            Self::Unknown { key, .. } | Self::Missing { key, .. } | Self::Value { key, .. } => {
                Some(key)
            }
        }
    }
}
