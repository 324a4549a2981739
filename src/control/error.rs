//! Why a change was not made.

use std::io;
use std::path::PathBuf;

use inspectd_core::id::CameraId;
use thiserror::Error;

use super::persisted_state::Lock;
use super::recipe_cache::RecipeRefusal;
use super::running_cameras::RestartError;
use crate::audit::AuditError;
use crate::challenge::ChallengeError;
use crate::config::ConfigError;
use crate::pipeline::ResynchronizeError;
use crate::pipeline::model::ModelError;
use crate::shadow::CandidateError;

/// Why a change was not made.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// The configuration is not valid.
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    /// The bundle of the configuration is not usable.
    #[error("{key}: {0}", key = .0.key())]
    Model(#[from] ModelError),
    /// The recipe is not usable.
    #[error(transparent)]
    Recipe(#[from] RecipeRefusal),
    /// A lock is set on this machine.
    #[error("locked by {} ({}): only changes from this machine are allowed", .0.who, .0.reason)]
    Locked(Lock),
    /// The audit log cannot record the change.
    #[error("the change cannot be recorded and was not made: {0}")]
    Audit(#[from] AuditError),
    /// The change cannot be saved for the next start.
    #[error("the change cannot be saved and was not made: {0}")]
    State(#[from] io::Error),
    /// A camera does not run with the settings of the recipe.
    #[error("the recipe is not activated: {0}")]
    Camera(RestartError),
    /// A camera cannot be started.
    #[error(transparent)]
    Resume(#[from] RestartError),
    /// The group cannot be put in step.
    #[error(transparent)]
    Resynchronize(#[from] ResynchronizeError),
    /// The file, or what applies, is not what the caller expects.
    #[error("{0}")]
    Conflict(String),
    /// No challenge is configured.
    #[error("no challenge is configured: challenge.folder is not set")]
    NoChallenge,
    /// The pictures of the challenge cannot be used.
    #[error("challenge.folder: {0}")]
    Challenge(#[from] ChallengeError),
    /// The new model cannot be used on this line.
    #[error("the model cannot be used: {0}")]
    Candidate(#[from] CandidateError),
    /// No installation can be undone.
    #[error("no model was installed, or its installation was undone")]
    NothingInstalled,
    /// Models cannot be kept.
    #[error("neither model.folder nor journal.folder is set: models cannot be kept")]
    NoModelFolder,
    /// The camera is not configured.
    #[error("camera {0} is not configured")]
    NoCamera(CameraId),
    /// A camera with this id is configured.
    #[error("camera {0} is already configured")]
    CameraExists(CameraId),
    /// The keys of a camera are not TOML.
    #[error("{0}")]
    NotToml(String),
    /// A camera does not have the exposure and gain of the configuration.
    #[error("the configuration is not activated: {0}")]
    Controls(RestartError),
    /// A file cannot be changed as requested.
    #[error("nothing is changed: {0}")]
    NotChanged(String),
    /// The active recipe does not have the region.
    #[error("region {0} is not in the active recipe")]
    NoRegion(String),
    /// The threshold cannot be changed.
    #[error("the threshold is not changed: {0}")]
    Threshold(String),
    /// A file cannot be read or written.
    #[error("{}: cannot be read or written: {source}", .file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Locks can only be changed on this machine.
    #[error("a lock can only be set or released from this machine")]
    NotLocal,
}

impl ChangeError {
    /// Returns each fault as a text of its own.
    pub fn faults(&self) -> Vec<String> {
        match self {
            Self::Configuration(error) => error.faults.iter().map(ToString::to_string).collect(),
            Self::Recipe(RecipeRefusal::Recipe(error)) => error.faults(),
            _ => vec![self.to_string()],
        }
    }
}
