//! What outlives the process beside the journal: the recipe in force, and the lock.

use std::fs;
use std::io;
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use inspectd_core::atomic_file;
use serde::{Deserialize, Serialize};

const FILE: &str = "state.toml";

/// An engineer works on this machine: nobody changes anything from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Who.
    pub who: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: SystemTime,
    /// Until when it holds; without an end if unset.
    pub until: Option<SystemTime>,
}

impl Lock {
    /// Whether it holds at `now`.
    pub fn holds(&self, now: SystemTime) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The recipe that was activated last; empty for none. Unset: nobody ever did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// The lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
}

/// Where it is remembered; nowhere without a folder.
#[derive(Debug)]
pub struct StateFile(Option<PathBuf>);

impl StateFile {
    /// In this folder.
    pub fn new(folder: Option<&Path>) -> Self {
        Self(folder.map(|folder| folder.join(FILE)))
    }

    /// What was remembered last.
    ///
    /// # Errors
    /// When the file cannot be read, or says something else.
    pub fn read(&self) -> io::Result<State> {
        let Some(path) = &self.0 else {
            return Ok(State::default());
        };

        let failed = |error: &dyn std::fmt::Display| {
            io::Error::other(format!("{}: {error}", path.display()))
        };
        match fs::read_to_string(path) {
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(State::default()),
            Err(error) => Err(failed(&error)),
            Ok(text) => toml::from_str(&text).map_err(|error| failed(&error)),
        }
    }

    /// Remembers.
    ///
    /// # Errors
    /// When the disk refuses; what was remembered before is still there.
    pub fn write(&self, state: &State) -> io::Result<()> {
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
    fn what_is_remembered_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let state_file = StateFile::new(Some(folder.path()));
        assert_eq!(state_file.read().expect("nothing yet"), State::default());
        let state = State {
            recipe: Some("juice".to_owned()),
            lock: Some(Lock {
                who: "anna".to_owned(),
                reason: "lens \"changed\"".to_owned(),
                since: SystemTime::UNIX_EPOCH + Duration::from_secs(5),
                until: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(9)),
            }),
        };
        state_file.write(&state).expect("written");
        assert_eq!(state_file.read().expect("read"), state);
        std::fs::write(folder.path().join(FILE), "recipe = 3").expect("written");
        let error = state_file.read().expect_err("not a text").to_string();
        assert!(error.contains("state.toml"), "{error}");
    }

    #[test]
    fn a_lock_ends_when_it_should() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let lock = |until| Lock {
            who: String::new(),
            reason: String::new(),
            since: at(1),
            until,
        };
        assert!(lock(None).holds(at(1_000_000)));
        assert!(lock(Some(at(5))).holds(at(4)));
        assert!(!lock(Some(at(5))).holds(at(5)));
    }
}
