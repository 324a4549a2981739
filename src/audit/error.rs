//! Errors of the audit log.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::chain::ChainBreak;
use super::entry::LONGEST_TEXT;
use super::hash::Hash;

/// Why an entry was not recorded, or the log cannot be read.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The file cannot be opened.
    #[error("{}: cannot be opened: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        reason: io::Error,
    },
    /// A later version of this program wrote the file.
    #[error(
        "{}: audit log version {version} of a later version of inspectd; must be {supported}",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Version of the file.
        version: i32,
        /// The version that this program knows.
        supported: i32,
    },
    /// The file is not an audit log.
    #[error("{}: is not an audit log of inspectd", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file system does not support a write-ahead log (shared memory, locks).
    #[error("{}: its file system does not support a write-ahead log", path.display())]
    NoWal {
        /// The file.
        path: PathBuf,
    },
    /// Error of SQLite: the disk is full, the file is locked, read-only or damaged.
    #[error("{}: {reason}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Error of SQLite.
        reason: rusqlite::Error,
    },
    /// A text of an entry is too long.
    #[error("{field} has {bytes} bytes, must have at most {LONGEST_TEXT}")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length in bytes.
        bytes: usize,
    },
    /// The last entry cannot be read, so that no entry can follow it.
    #[error("{}: nothing can be appended: {broken}", path.display())]
    Tail {
        /// The file.
        path: PathBuf,
        /// What is wrong with the last entry.
        broken: ChainBreak,
    },
}

/// Why a log does not verify.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// An entry is broken.
    #[error("{}: broken at {broken}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The first broken entry.
        broken: ChainBreak,
    },
    /// The chain is intact, but does not contain the expected hash.
    #[error(
        "{}: none of its {entries} entries has the hash {head}: its end was removed, or it is another log",
        path.display()
    )]
    Head {
        /// The file.
        path: PathBuf,
        /// Number of entries.
        entries: u64,
        /// The expected hash.
        head: Hash,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] AuditError),
}
