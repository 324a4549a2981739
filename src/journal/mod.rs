//! The journal: every verdict in a SQLite file, durable before anybody sees it.
//!
//! One [`Store`] writes, many [`Readers`] read beside it. The line decides what is written and when
//! (`line/publisher`); this decides how it is kept.

mod query;
mod row;
mod schema;
mod store;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use thiserror::Error;

pub use query::{Filter, Order, Page, Readers};
pub use store::{Batch, Consumer, Limits, Opened, Store};

/// Name of the file within the journal's folder.
const FILE: &str = "journal.sqlite";

/// Why something could not be written or read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// SQLite says why.
    #[error("journal: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// Another daemon writes its journal there.
    #[error("journal.folder: {folder}: another daemon writes its journal here")]
    Taken {
        /// The folder.
        folder: String,
    },
    /// The folder cannot be made, or written.
    #[error("journal.folder: {folder}: {reason}")]
    Folder {
        /// The folder.
        folder: String,
        /// Why not.
        reason: String,
    },
    /// The file is of a later version of this program.
    #[error(
        "journal: the file has version {version} of the tables, this program knows version 1 alone"
    )]
    Version {
        /// What the file says.
        version: i64,
    },
    /// A row does not say what a row must.
    #[error("journal: verdict {sequence}: {what}")]
    Row {
        /// Its sequence.
        sequence: u64,
        /// What is wrong.
        what: String,
    },
}

impl JournalError {
    /// Whether it is of no use to try again: somebody has to look.
    pub fn lasts(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Sqlite(error) => {
                matches!(
                    error.sqlite_error_code(),
                    Some(DatabaseCorrupt | NotADatabase)
                )
            }
            Self::Taken { .. } | Self::Version { .. } | Self::Row { .. } => true,
            Self::Folder { .. } => false,
        }
    }
}

/// The file within `folder`.
pub fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}
