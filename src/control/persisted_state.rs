//! State that persists across restarts, in addition to the journal: the active recipe and the change lock.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use inspectd_core::atomic_file;
use inspectd_core::record::ModelId;
use serde::{Deserialize, Serialize};

const FILE: &str = "state.toml";

/// A change lock, set by an engineer who works on this machine: other machines cannot make changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Who set it.
    pub who: String,
    /// Why it was set.
    pub reason: String,
    /// When it was set.
    pub since: SystemTime,
    /// When it expires; never if unset.
    pub until: Option<SystemTime>,
}

impl Lock {
    /// Whether it is set at `now`.
    pub fn is_set_at(&self, now: SystemTime) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Why a camera is paused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraPause {
    /// Who paused it.
    pub who: String,
    /// Why; empty if not stated.
    pub reason: String,
    /// When.
    pub since: SystemTime,
}

/// The active recipe as it was activated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivatedRecipe {
    /// SHA-256 of the recipe.
    pub sha256: String,
    /// SHA-256 of the graph of its model.
    pub model_sha256: String,
    /// The text of its file.
    pub text: String,
}

/// An installation of a model, which can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installation {
    /// When it was activated.
    pub time: SystemTime,
    /// The recipe whose bundle was changed; the configuration's if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// The bundle before, as it was written in the file.
    pub before: String,
    /// The folder of the installed bundle.
    pub after: String,
    /// Who installed it.
    pub who: String,
    /// The installed model.
    pub model: ModelId,
    /// The model that was active before.
    pub previous: ModelId,
}

/// The persisted state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersistedState {
    /// The recipe that was active last; empty for none. Unset if none was ever active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// That recipe as it was activated. Unset for none, and in files of version 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated: Option<ActivatedRecipe>,
    /// The change lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
    /// Why the challenge failed; unset if it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge_failed: Option<String>,
    /// The last installation of a model that was not undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<Installation>,
    /// The paused cameras, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paused: BTreeMap<String, CameraPause>,
}

/// The file of the persisted state; absent without a folder.
#[derive(Debug)]
pub struct StateFile(Option<PathBuf>);

impl StateFile {
    /// The file in `folder`.
    pub fn new(folder: Option<&Path>) -> Self {
        Self(folder.map(|folder| folder.join(FILE)))
    }

    /// Reads the state that was written last; the default if there is none.
    ///
    /// # Errors
    /// When the file cannot be read or is not valid.
    pub fn read(&self) -> io::Result<PersistedState> {
        let Some(path) = &self.0 else {
            return Ok(PersistedState::default());
        };

        let failed = |error: &dyn std::fmt::Display| {
            io::Error::other(format!("{}: {error}", path.display()))
        };
        match fs::read_to_string(path) {
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => {
                Ok(PersistedState::default())
            }
            Err(error) => Err(failed(&error)),
            Ok(text) => toml::from_str(&text).map_err(|error| failed(&error)),
        }
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// When it cannot be written; then the previous file is unchanged.
    pub fn write(&self, state: &PersistedState) -> io::Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        let text = toml::to_string(state).map_err(io::Error::other)?;
        atomic_file::write(path, text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_written_state_is_read_back_and_an_invalid_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let state_file = StateFile::new(Some(folder.path()));
        assert_eq!(
            state_file.read().expect("nothing yet"),
            PersistedState::default()
        );
        let saved = |name: &str| ModelId {
            name: name.to_owned(),
            version: "1.0".to_owned(),
            sha256: "ef".to_owned(),
            precision: inspectd_core::precision::Precision::F32,
        };
        let state = PersistedState {
            recipe: Some("juice".to_owned()),
            activated: Some(ActivatedRecipe {
                sha256: "ab".to_owned(),
                model_sha256: "cd".to_owned(),
                text: "product = \"a \\ b\"\n'''\n\"\"\"\n".to_owned(),
            }),
            lock: Some(Lock {
                who: "anna".to_owned(),
                reason: "lens \"changed\"".to_owned(),
                since: SystemTime::UNIX_EPOCH + Duration::from_secs(5),
                until: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(9)),
            }),
            challenge_failed: Some("1 of 2 passed".to_owned()),
            installation: Some(Installation {
                time: SystemTime::UNIX_EPOCH + Duration::from_secs(3),
                recipe: Some("juice".to_owned()),
                before: "../bundles/old".to_owned(),
                after: "/models/new \"1\"".to_owned(),
                who: "anna".to_owned(),
                model: saved("new"),
                previous: saved("old"),
            }),
            paused: BTreeMap::from([(
                "top".to_owned(),
                CameraPause {
                    who: "anna".to_owned(),
                    reason: "cable".to_owned(),
                    since: SystemTime::UNIX_EPOCH + Duration::from_secs(7),
                },
            )]),
        };
        state_file.write(&state).expect("written");
        assert_eq!(state_file.read().expect("read"), state);
        std::fs::write(folder.path().join(FILE), "recipe = 3").expect("written");
        let error = state_file.read().expect_err("not a text").to_string();
        assert!(error.contains("state.toml"), "{error}");
    }

    #[test]
    fn a_lock_expires_at_its_end_and_never_without_one() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let lock = |until| Lock {
            who: String::new(),
            reason: String::new(),
            since: at(1),
            until,
        };
        assert!(lock(None).is_set_at(at(1_000_000)));
        assert!(lock(Some(at(5))).is_set_at(at(4)));
        assert!(!lock(Some(at(5))).is_set_at(at(5)));
    }
}
