//! Why the audit log cannot be used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::chain::{Broken, Hash};
use super::store::LONGEST_TEXT;

/// Why something was not recorded, or cannot be read.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The file system says no.
    #[error("{}: cannot be opened: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What it says.
        reason: io::Error,
    },
    /// A file of another kind, or of a later version.
    #[error("{}: is no audit log of this version of inspectd", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file system does not give what a write-ahead log needs.
    #[error("{}: its file system allows no write-ahead log", path.display())]
    NoWal {
        /// The file.
        path: PathBuf,
    },
    /// What SQLite says: the disk is full, the file is locked, read-only or damaged.
    #[error("{}: {reason}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Its words.
        reason: rusqlite::Error,
    },
    /// A text that is longer than any that a change has.
    #[error("{field} has {bytes} bytes, must have at most {LONGEST_TEXT}")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// The last entry cannot be read: nothing can follow it.
    #[error("{}: nothing can be appended: {broken}", path.display())]
    Tail {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        broken: Broken,
    },
}

/// Why a log does not verify.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The chain breaks.
    #[error("{}: broken at {broken}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Where, and how.
        broken: Broken,
    },
    /// The chain is whole, but not the one that the expected hash was taken from.
    #[error(
        "{}: none of its {entries} entries has the hash {head}: its end was cut off, or it is another log",
        path.display()
    )]
    Head {
        /// The file.
        path: PathBuf,
        /// How many entries there are.
        entries: u64,
        /// The expected hash.
        head: Hash,
    },
    /// It could not be found out.
    #[error(transparent)]
    Read(#[from] AuditError),
}
