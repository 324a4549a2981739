//! The state file of a station: the data that must survive a restart of the program.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use inspectd_core::atomic_file;
use thiserror::Error;
use uuid::Uuid;

use crate::handshake::Memory;

/// The file of a station.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
}

/// A state file cannot be used.
#[derive(Debug, Error)]
pub enum StateFileError {
    /// It cannot be read or written.
    #[error("{}: cannot be used: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// Its content is not that of a state file.
    #[error("{}: is not a state file of this version: {error}; move it away while no part is being inspected", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: serde_json::Error,
    },
}

impl StateFile {
    /// Returns the file of a station in a folder, which is created if it does not exist.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn new(folder: &Path, station: &str) -> Result<Self, StateFileError> {
        fs::create_dir_all(folder).map_err(|error| StateFileError::Io {
            path: folder.to_owned(),
            error,
        })?;
        Ok(Self {
            path: folder.join(format!("{station}.json")),
        })
    }

    /// Reads the file, and writes it again: this shows that it can be written. Only for the program that serves the
    /// station.
    ///
    /// # Errors
    /// If the file cannot be read or written, or has another content.
    pub fn load(&self, station: &str) -> Result<Memory, StateFileError> {
        let memory = self.read(station)?;
        self.store(&memory).map_err(|error| self.failed(error))?;
        Ok(memory)
    }

    /// Checks that the file can be read and replaced, and changes nothing: another process may be serving the station.
    ///
    /// # Errors
    /// If the file cannot be read or replaced, or has another content.
    pub fn check(&self, station: &str) -> Result<(), StateFileError> {
        let memory = self.read(station)?;
        // Files are replaced by renaming: the folder has to be writable, not the file.
        let probe = self
            .path
            .with_extension(format!("check-{}", Uuid::now_v7().simple()));
        let bytes = serde_json::to_vec(&memory).map_err(io::Error::from);
        let written = bytes.and_then(|bytes| {
            let mut file = File::create_new(&probe)?;
            file.write_all(&bytes)?;
            file.sync_all()
        });
        let removed = match fs::remove_file(&probe) {
            // It was not created; `written` has the reason.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        written.and(removed).map_err(|error| self.failed(error))
    }

    /// Reads the file. Without a file, the memory is new, with keys that were never used.
    fn read(&self, station: &str) -> Result<Memory, StateFileError> {
        Ok(match fs::read(&self.path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| StateFileError::Content {
                    path: self.path.clone(),
                    error,
                })?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Memory {
                key_prefix: format!("plc-{}-{}", station, Uuid::now_v7().simple()),
                keys: 0,
                open: None,
                last_command: 0,
                part_number: 0,
                part_text: [0; 32],
                recipe_select: 0,
            },
            Err(error) => return Err(self.failed(error)),
        })
    }

    /// Replaces the file; returns when it is durable.
    ///
    /// # Errors
    /// If it cannot be written; the old file is then unchanged.
    pub fn store(&self, memory: &Memory) -> io::Result<()> {
        atomic_file::write(&self.path, serde_json::to_vec(memory)?)
    }

    fn failed(&self, error: io::Error) -> StateFileError {
        StateFileError::Io {
            path: self.path.clone(),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::OpenTrigger;

    #[test]
    fn memory_survives_a_restart_and_a_new_file_has_new_keys() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = StateFile::new(&folder.path().join("state"), "filler").expect("a folder");
        let mut memory = file.load("filler").expect("a new file");
        memory.keys = 7;
        memory.open = Some(OpenTrigger {
            key: "k".to_owned(),
            part_id: "A7".to_owned(),
            command: 3,
            recipe: Some("juice".to_owned()),
        });
        memory.part_text[0] = b'A';
        memory.recipe_select = 2;
        file.store(&memory).expect("a written file");
        assert_eq!(file.load("filler").expect("the file"), memory);
        let other = StateFile::new(folder.path(), "filler").expect("a folder");
        let other = other.load("filler").expect("a new file");
        assert_ne!(other.key_prefix, memory.key_prefix);
        assert!(memory.key_prefix.len() + 21 <= 128, "{}", memory.key_prefix);
    }

    #[test]
    fn file_without_a_recipe_is_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = StateFile::new(folder.path(), "filler").expect("a folder");
        // Written by version 0.2.0.
        let text = format!(
            r#"{{"key_prefix":"k","keys":1,"open":{{"key":"k-1","part_id":"A7","command":3}},"last_command":3,"part_number":0,"part_text":{:?}}}"#,
            [0; 32]
        );
        fs::write(folder.path().join("filler.json"), text).expect("a written file");
        let memory = file.load("filler").expect("the file");
        assert_eq!(memory.recipe_select, 0);
        assert_eq!(memory.open.expect("a trigger").recipe, None);
    }

    #[test]
    fn check_changes_nothing_and_leaves_no_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = StateFile::new(folder.path(), "filler").expect("a folder");
        let names = || {
            let entries = fs::read_dir(folder.path()).expect("a folder");
            let names = entries.map(|entry| entry.expect("an entry").file_name());
            let names = names.map(|name| name.to_string_lossy().into_owned());
            names.collect::<Vec<String>>()
        };
        file.check("filler").expect("a writable folder");
        assert!(names().is_empty());
        let memory = file.load("filler").expect("a new file");
        let path = folder.path().join("filler.json");
        // With other bytes than those that `load` would write.
        let text = serde_json::to_string_pretty(&memory).expect("text");
        fs::write(&path, &text).expect("a written file");
        file.check("filler").expect("a readable file");
        assert_eq!(fs::read_to_string(&path).expect("the file"), text);
        assert_eq!(names(), ["filler.json"]);
    }

    #[test]
    fn check_fails_for_a_folder_that_cannot_be_written_and_for_other_content() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inner = folder.path().join("state");
        let file = StateFile::new(&inner, "filler").expect("a folder");
        fs::write(inner.join("filler.json"), "{}").expect("a written file");
        let error = file.check("filler").expect_err("not a state file");
        assert!(matches!(error, StateFileError::Content { .. }), "{error}");
        fs::remove_dir_all(&inner).expect("a removed folder");
        let error = file.check("filler").expect_err("no folder");
        assert!(matches!(error, StateFileError::Io { .. }), "{error}");
    }

    #[test]
    fn other_content_is_refused_with_the_name_of_the_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = StateFile::new(folder.path(), "filler").expect("a folder");
        fs::write(folder.path().join("filler.json"), "{\"keys\":").expect("a written file");
        let error = file
            .load("filler")
            .expect_err("not a state file")
            .to_string();
        assert!(
            error.contains("filler.json: is not a state file"),
            "{error}"
        );
    }

    #[test]
    fn folder_that_cannot_be_created_is_an_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("file"), "").expect("a written file");
        let error = StateFile::new(&folder.path().join("file"), "filler");
        assert!(error.is_err());
    }
}
