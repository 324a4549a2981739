//! Why the process ends, and what it says to the one who started it.

use thiserror::Error;

use crate::access::AccessError;
use crate::config::ConfigError;
use crate::control::recipe_cache::RecipeRefusal;
use crate::journal::JournalError;
use crate::pipeline::model::ModelError;
use crate::telemetry::TelemetryError;

/// Why there is no line (any more).
#[derive(Debug, Error)]
pub enum Failure {
    /// The configuration is not valid.
    #[error("{0}")]
    Configuration(#[from] ConfigError),
    /// The log that it asks for is not there.
    #[error("{0}")]
    Log(#[from] TelemetryError),
    /// The model is not usable, or ONNX Runtime is not there.
    #[error("{key}: {0}", key = .0.key())]
    Model(#[from] ModelError),
    /// The journal is another daemon's, or no journal.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// The certificates or the clients that it names are not usable.
    #[error("{0}")]
    Access(#[from] AccessError),
    /// The recipe that is to be in force cannot be used.
    #[error("{0}")]
    Recipe(#[from] RecipeRefusal),
    /// What was remembered cannot be read.
    #[error("{0}")]
    Memory(std::io::Error),
    /// An address is taken, or not this machine's.
    #[error("{key}: cannot listen on {address}: {source}")]
    Listen {
        /// Who says so.
        key: &'static str,
        /// The address, or the socket's path.
        address: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// The system gives no thread, no signal, or a thread of the line failed.
    #[error("{0}")]
    Internal(String),
    /// The line did not end in time.
    #[error("the line did not stop within life.shutdown_deadline_s; what it still held is lost")]
    Deadline,
}

impl Failure {
    /// The exit code, after BSD's `sysexits.h`: 78 configuration, 65 bundle, 74 journal, 69 something that
    /// must be there is not, 70 an error of our own.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Journal(_) | Self::Memory(_) => 74,
            Self::Configuration(_) | Self::Log(_) | Self::Access(_) | Self::Recipe(_) => 78,
            Self::Model(ModelError::Runtime(_)) | Self::Listen { .. } => 69,
            Self::Model(_) => 65,
            Self::Internal(_) | Self::Deadline => 70,
        }
    }
}
