//! Why the program ends, and its exit code.

use inspectd_gateway::exit_code;
use thiserror::Error;

use crate::config::ConfigError;

/// Why the program, or one of its commands, failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// A check found something, or a local error.
    #[error("{0}")]
    Failed(String),
    /// The server does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// A part of the program failed.
    #[error("internal error: {0}")]
    Internal(String),
    /// Another program reads as the consumers of all sinks.
    #[error("no sink is left: other programs read as their consumers")]
    Superseded,
    /// The configuration cannot be used.
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    /// A file that the configuration names cannot be used.
    #[error("{0}")]
    Setup(String),
}

impl Failure {
    /// Returns the exit code, as in sysexits.h where it has one.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => exit_code::CHECK,
            Self::Unreachable(_) => exit_code::UNAVAILABLE,
            Self::Internal(_) => exit_code::SOFTWARE,
            Self::Superseded => 75,
            Self::Configuration(_) | Self::Setup(_) => exit_code::CONFIG,
        }
    }
}
