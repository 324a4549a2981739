//! The file in which a sink stores which journal it reads.

use std::io;
use std::path::{Path, PathBuf};

use inspectd_core::atomic_file;

use crate::continuation::Memory;

/// The folder below the state folder.
const FOLDER: &str = "sinks";

/// The file of one sink.
#[derive(Debug)]
pub struct MemoryFile(PathBuf);

impl MemoryFile {
    /// The file of `sink` below the state folder.
    pub fn new(state_folder: &Path, sink: &str) -> Self {
        Self(state_folder.join(FOLDER).join(format!("{sink}.json")))
    }

    /// Reads the file; `None` if there is none yet.
    ///
    /// # Errors
    /// If it cannot be read, or has another content.
    pub fn load(&self) -> io::Result<Option<Memory>> {
        let text = match std::fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.named(&error)),
        };
        let memory = serde_json::from_slice(&text).map_err(io::Error::other);
        memory.map(Some).map_err(|error| self.named(&error))
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// If it cannot be written; the old file is then unchanged.
    pub fn save(&self, memory: Memory) -> io::Result<()> {
        let text = serde_json::to_vec(&memory).map_err(io::Error::other)?;
        let folder = self.0.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(|error| self.named(&error))?;
        atomic_file::write(&self.0, text).map_err(|error| self.named(&error))
    }

    fn named(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = MemoryFile::new(folder.path(), "mes");
        assert_eq!(file.load().expect("no file"), None);
        for epoch in [1, 2] {
            file.save(Memory { epoch }).expect("written");
            assert_eq!(file.load().expect("a file"), Some(Memory { epoch }));
        }
    }

    #[test]
    fn other_content_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = MemoryFile::new(folder.path(), "mes");
        file.save(Memory { epoch: 1 }).expect("written");
        std::fs::write(folder.path().join("sinks/mes.json"), "{}").expect("written");
        let error = file.load().expect_err("no epoch").to_string();
        assert!(
            error.contains("sinks/mes.json: missing field `epoch`"),
            "{error}"
        );
    }
}
