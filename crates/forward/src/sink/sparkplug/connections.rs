//! The number of the connection, `bdSeq`: it shows a host to which connection a death certificate belongs. It is stored
//! on the disk, so that two connections in a row never have the same number, whether or not the program was restarted
//! in between.

use std::io;
use std::path::{Path, PathBuf};

use inspectd_core::atomic_file;

use crate::sink::Failure;

/// The folder below the state folder.
const FOLDER: &str = "sinks";

/// The file with the number of the last connection of a sink.
#[derive(Debug)]
pub(super) struct Connections(PathBuf);

impl Connections {
    /// The file of `sink` below the state folder.
    pub fn new(state_folder: &Path, sink: &str) -> Self {
        Self(state_folder.join(FOLDER).join(format!("{sink}.bdseq")))
    }

    /// The number of the next connection: 0 first, and 0 after 255. It is on the disk when this returns.
    pub fn next(&self) -> Result<u8, Failure> {
        let named = |error: io::Error| Failure::transient(format!("{}: {error}", self.0.display()));
        let next = match std::fs::read_to_string(&self.0) {
            // A file with another content is treated as missing.
            Ok(text) => text
                .trim()
                .parse()
                .map_or(0, |last: u8| last.wrapping_add(1)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(named(error)),
        };
        let folder = self.0.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(named)?;
        atomic_file::write(&self.0, next.to_string()).map_err(named)?;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_each_other_and_begin_again_after_255() {
        let folder = tempfile::tempdir().expect("a folder");
        for expected in [0, 1, 2] {
            let connections = Connections::new(folder.path(), "line");
            assert_eq!(connections.next(), Ok(expected));
        }
        let connections = Connections::new(folder.path(), "line");
        for (content, expected) in [("254", 255), ("255", 0), ("x", 0), ("300", 0)] {
            std::fs::write(folder.path().join("sinks/line.bdseq"), content).expect("written");
            assert_eq!(connections.next(), Ok(expected), "{content}");
        }
    }

    #[test]
    fn folder_that_cannot_be_written_is_a_failure_that_may_pass() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("sinks"), "").expect("written");
        let failure = Connections::new(folder.path(), "line").next();
        assert!(
            matches!(failure, Err(Failure::Transient { .. })),
            "{failure:?}"
        );
    }
}
