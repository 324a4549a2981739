//! The state file of a station: what a restart of the program must not forget.

use std::fs;
use std::io::{self, ErrorKind};
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

    /// Reads the file. Without a file, a new memory is written, with keys that were never used: this shows that the file
    /// can be written.
    ///
    /// # Errors
    /// If the file cannot be read or written, or has another content.
    pub fn load(&self, station: &str) -> Result<Memory, StateFileError> {
        let memory = match fs::read(&self.path) {
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
            },
            Err(error) => return Err(self.failed(error)),
        };
        self.store(&memory).map_err(|error| self.failed(error))?;
        Ok(memory)
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
        });
        memory.part_text[0] = b'A';
        file.store(&memory).expect("a written file");
        assert_eq!(file.load("filler").expect("the file"), memory);
        let other = StateFile::new(folder.path(), "filler").expect("a folder");
        let other = other.load("filler").expect("a new file");
        assert_ne!(other.key_prefix, memory.key_prefix);
        assert!(memory.key_prefix.len() + 21 <= 128, "{}", memory.key_prefix);
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
