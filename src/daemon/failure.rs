//! Why the process exits, with its exit code.

use std::io;

use metrics_exporter_prometheus::BuildError;
use thiserror::Error;

use crate::access::AccessError;
use crate::config::ConfigError;
use crate::control::recipe_cache::RecipeRefusal;
use crate::journal::JournalError;
use crate::pipeline::model::ModelError;
use crate::telemetry::TelemetryError;
use crate::telemetry::traces::TracesError;

/// Why the daemon cannot start, or does not run any longer.
#[derive(Debug, Error)]
pub enum Failure {
    /// The configuration is not valid.
    #[error("{0}")]
    Configuration(#[from] ConfigError),
    /// The configured log is not available.
    #[error("{0}")]
    Log(#[from] TelemetryError),
    /// The model is not usable, or ONNX Runtime is not available.
    #[error("{key}: {0}", key = .0.key())]
    Model(#[from] ModelError),
    /// The journal is in use by another daemon, or not a journal.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// The configured certificates or clients are not usable.
    #[error("{0}")]
    Access(#[from] AccessError),
    /// The collector of traces cannot be used as configured.
    #[error("{0}")]
    Traces(#[from] TracesError),
    /// The recipe to be activated is not usable.
    #[error("{0}")]
    Recipe(#[from] RecipeRefusal),
    /// The persisted state cannot be read.
    #[error("{0}")]
    State(io::Error),
    /// An address is in use, or does not belong to this machine.
    #[error("{key}: cannot listen on {address}: {source}")]
    Listen {
        /// The configuration key of the address.
        key: &'static str,
        /// The address, or the socket's path.
        address: String,
        /// The reason.
        source: io::Error,
    },
    /// The async runtime cannot be started.
    #[error("the async runtime cannot be started: {0}")]
    Runtime(io::Error),
    /// The signal handlers cannot be installed.
    #[error("the signal handlers cannot be installed: {0}")]
    Signals(io::Error),
    /// The metrics registry cannot be created.
    #[error("the metrics registry cannot be created: {0}")]
    Metrics(#[from] BuildError),
    /// A thread cannot be started.
    #[error("the threads of the {owner} cannot be started: {source}")]
    Threads {
        /// Owner of the threads.
        owner: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// The thread that loads the model ended without a result.
    #[error("the thread that loads the model failed; see the log")]
    ModelThread,
    /// A thread ended unexpectedly.
    #[error("a thread failed; see the log")]
    Thread,
    /// A server ended although it was not stopped.
    #[error("the {0} server ended; see the log")]
    Server(&'static str),
    /// The pipeline did not stop in time.
    #[error(
        "the pipeline did not stop within life.shutdown_deadline_s; its remaining frames are lost"
    )]
    Deadline,
}

impl Failure {
    /// Returns a function that makes the failure of starting threads.
    pub(super) fn threads(owner: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Threads { owner, source }
    }

    /// Returns the exit code, after BSD's `sysexits.h`: 78 configuration, 65 bundle, 74 journal, 69 a
    /// required service is not available, 70 internal error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Journal(_) | Self::State(_) => 74,
            Self::Configuration(_)
            | Self::Log(_)
            | Self::Access(_)
            | Self::Traces(_)
            | Self::Model(ModelError::Remote(_))
            | Self::Recipe(_) => 78,
            Self::Model(ModelError::Runtime(_)) | Self::Listen { .. } => 69,
            Self::Model(_) => 65,
            Self::Runtime(_)
            | Self::Signals(_)
            | Self::Metrics(_)
            | Self::Threads { .. }
            | Self::ModelThread
            | Self::Thread
            | Self::Server(_)
            | Self::Deadline => 70,
        }
    }
}
