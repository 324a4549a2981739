//! Errors of the journal.

use std::io;
use std::path::PathBuf;

use inspectd_core::id::CameraIdError;
use thiserror::Error;

/// Why the journal cannot be opened, written or read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Error of SQLite.
    #[error("journal: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// Another process holds the lock of the folder.
    #[error("journal.folder: {}: another daemon writes its journal here", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder cannot be created, or its lock file not be written.
    #[error("journal.folder: {}: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// A later version of this program wrote the file.
    #[error(
        "journal: {}: schema version {version} of a later version of inspectd; must be at most {supported}",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Version of the file.
        version: i64,
        /// Highest version that this program can open.
        supported: i64,
    },
    /// The high-water mark of sequences cannot be read or written.
    #[error("journal.folder: {0}")]
    Mark(io::Error),
    /// The disk does not deliver a page, so that nothing is known about damage.
    #[error("journal: the disk cannot be read: {0}")]
    Unreadable(String),
    /// A journal that seemed damaged was read without an error.
    #[error("journal: {0}; a check of the whole file found no damage")]
    NotDamaged(String),
    /// A damaged journal cannot be renamed.
    #[error("journal.folder: the damaged journal cannot be set aside: {0}")]
    Aside(io::Error),
    /// The file is a SQLite database of another program.
    #[error("journal: {}: is a SQLite database, but not a journal of inspectd", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// A migration failed. The file still has the old version.
    #[error(
        "journal: {}: cannot be migrated from schema version {from} to {to}: {source}; the file is unchanged",
        path.display(), to = from + 1
    )]
    Migration {
        /// The file.
        path: PathBuf,
        /// Version of the file.
        from: i64,
        /// Error of SQLite.
        source: rusqlite::Error,
    },
    /// A stored verdict cannot be read.
    #[error("journal: verdict {sequence}: {source}")]
    Row {
        /// Its sequence.
        sequence: u64,
        /// What is wrong.
        source: RowError,
    },
}

/// What is wrong with a stored verdict.
#[derive(Debug, Error)]
pub enum RowError {
    /// The JSON in the column `details` does not have the expected form.
    #[error("details: {0}")]
    Details(serde_json::Error),
    /// A camera's id is not valid.
    #[error("camera {id:?}: {source}")]
    Camera {
        /// The stored id.
        id: String,
        /// What is wrong with it.
        source: CameraIdError,
    },
    /// A decision has a number that this program does not know.
    #[error("unknown decision {0}")]
    Decision(i64),
    /// The run or the trigger is not a UUID.
    #[error("{column} {text:?}: {source}")]
    Uuid {
        /// `run` or `trigger`.
        column: &'static str,
        /// The stored text.
        text: String,
        /// What is wrong with it.
        source: uuid::Error,
    },
}

impl JournalError {
    /// Whether the file is damaged: its pages contradict each other, or its first one is not that of a database.
    pub fn is_damage(&self) -> bool {
        self.is_foreign() || self.has_code(rusqlite::ErrorCode::DatabaseCorrupt)
    }

    /// Whether the first page of the file is not that of a database.
    pub fn is_foreign(&self) -> bool {
        self.has_code(rusqlite::ErrorCode::NotADatabase)
    }

    fn has_code(&self, code: rusqlite::ErrorCode) -> bool {
        match self {
            Self::Sqlite(error) | Self::Migration { source: error, .. } => {
                error.sqlite_error_code() == Some(code)
            }
            _ => false,
        }
    }

    /// Whether a retry cannot succeed: someone has to look.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Sqlite(_) | Self::Migration { .. } => self.is_damage(),
            Self::Locked { .. }
            | Self::Version { .. }
            | Self::NotAJournal { .. }
            | Self::Row { .. } => true,
            Self::Folder { .. }
            | Self::Mark(_)
            | Self::Aside(_)
            | Self::Unreadable(_)
            | Self::NotDamaged(_) => false,
        }
    }
}
