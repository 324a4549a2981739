//! Backups of the journal: made while a daemon writes it, and put back while none does.
//!
//! A backup has an earlier state, so that its next sequences were used already, for other verdicts. A restored journal is
//! therefore always another epoch: [`restore`] raises the high-water mark before it puts the file in place.

mod restore;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use inspectd_core::atomic_file;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use thiserror::Error;

use super::mark;
use super::repair::{Check, Depth};
use super::schema::{self, CURRENT};
use super::{JournalError, wal_bytes};

pub use restore::{RestoreOptions, Restored, restore};

/// Pages that are copied at a time: 4 MiB.
const STEP_PAGES: i32 = if cfg!(test) { 4 } else { 1024 };

/// Pause while the file is locked.
const LOCKED_PAUSE: Duration = Duration::from_millis(50);

/// A backup may hold the ids of parts: only its owner reads it.
const MODE: u32 = 0o600;

/// Why a backup is not made or not restored.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The journal or the backup cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The backup exists.
    #[error("{}: exists already; a backup does not replace a file", .0.display())]
    Exists(PathBuf),
    /// The copy is damaged, and so is the journal or the disk.
    #[error("{}: the copy is damaged: {finding}; check the journal: inspectd journal check {}", journal.display(), journal.display())]
    Damaged {
        /// The journal or the backup that was copied.
        journal: PathBuf,
        /// The first finding.
        finding: String,
    },
    /// The copy does not have the verdicts of the journal.
    #[error("the copy has {found:?}, the journal {expected:?} (verdicts, first and last sequence)")]
    Differs {
        /// Number of verdicts and ends of the copy.
        found: (u64, Option<(u64, u64)>),
        /// Those of the journal.
        expected: (u64, Option<(u64, u64)>),
    },
    /// The write-ahead log grew while the journal was copied.
    #[error(
        "the write-ahead log of the journal has {mib} MiB, because it cannot be emptied while the journal is copied; \
         the copy ended, so that verdicts are still journalled. Copy to a faster disk, or when the line makes fewer verdicts"
    )]
    WalGrows {
        /// Its size, MiB.
        mib: u64,
    },
    /// The backup has a write-ahead log.
    #[error(
        "{}: has a write-ahead log next to it, so it is a journal that is in use or was copied while it was; \
         make backups by inspectd journal backup", .0.display()
    )]
    HasWal(PathBuf),
    /// The journal in the folder has verdicts that the backup lacks.
    #[error(
        "{}: has {count} verdicts that the backup lacks, {first} to {last}; --set-aside keeps it under another name, \
         and the verdicts are reported as lost", journal.display()
    )]
    Newer {
        /// The journal.
        journal: PathBuf,
        /// Number of these verdicts.
        count: u64,
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The journal in the folder cannot be read.
    #[error(
        "{}: cannot be read, so that it is not known which of its verdicts the backup lacks: {source}; \
         inspectd journal salvage copies what can be read; --set-aside keeps it under another name", journal.display()
    )]
    Unreadable {
        /// The journal.
        journal: PathBuf,
        /// What is wrong.
        source: JournalError,
    },
    /// The folder has no high-water mark.
    #[error(
        "{}: has no {}, so that it is not known which sequences were used after the backup was made: give --after with a \
         sequence that is at least as high as any that a client received; the backup ends with {used}",
        folder.display(), mark::FILE
    )]
    NoMark {
        /// The folder.
        folder: PathBuf,
        /// The last sequence that the backup used.
        used: u64,
    },
    /// The given sequence is below those of the backup.
    #[error("--after {after}: must be at least {used}, the last sequence that the backup used")]
    After {
        /// The given sequence.
        after: u64,
        /// The last sequence that the backup used.
        used: u64,
    },
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Copied and all bytes.
    Copied(u64, u64),
    /// The copy is verified.
    Verifying,
}

/// What a backup has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Number of verdicts.
    pub verdicts: u64,
    /// The first and the last sequence.
    pub range: Option<(u64, u64)>,
    /// Size, bytes.
    pub bytes: u64,
}

/// Copies the journal `journal`, which may be in use, to the new file `to`: one consistent state of it, verified, and written
/// as a whole or not at all. Ends if the write-ahead log grows beyond `wal_limit` bytes, because it cannot be emptied meanwhile.
///
/// # Errors
/// When the journal cannot be read or is damaged, or the file exists or cannot be written.
pub fn backup(
    journal: &Path,
    to: &Path,
    wal_limit: u64,
    mut progress: impl FnMut(Progress),
) -> Result<BackedUp, BackupError> {
    if to.try_exists()? {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let source = schema::open_reader(journal).map_err(BackupError::from)?;
    let mut content = (0, None);
    atomic_file::replace(to, |part| {
        // One state for the whole copy: without the transaction, it would begin again with each commit of the daemon.
        source.execute_batch("BEGIN").map_err(JournalError::from)?;
        checked_version(&source, journal)?;
        content = summary(&source)?;
        fs::set_permissions(part, Permissions::from_mode(MODE))?;
        copy(&source, journal, part, wal_limit, &mut progress)?;
        source.execute_batch("COMMIT").map_err(JournalError::from)?;
        progress(Progress::Verifying);
        verify(part, journal)?;
        let found = Check::open(part)?.summary()?;
        if found != content {
            return Err(BackupError::Differs {
                found,
                expected: content,
            });
        }
        Ok(())
    })?;
    let (verdicts, range) = content;
    let bytes = fs::metadata(to)?.len();
    Ok(BackedUp {
        verdicts,
        range,
        bytes,
    })
}

fn copy(
    source: &Connection,
    journal: &Path,
    part: &Path,
    wal_limit: u64,
    progress: &mut impl FnMut(Progress),
) -> Result<(), BackupError> {
    let sqlite = |error: rusqlite::Error| BackupError::from(JournalError::from(error));
    let mut target = Connection::open(part).map_err(sqlite)?;
    // The file is flushed as a whole at the end.
    target
        .pragma_update(None, "synchronous", "OFF")
        .map_err(sqlite)?;
    let page: i64 = source
        .pragma_query_value(None, "page_size", |row| row.get(0))
        .map_err(sqlite)?;
    {
        let backup = Backup::new(source, &mut target).map_err(sqlite)?;
        loop {
            let step = backup.step(STEP_PAGES).map_err(sqlite)?;
            let counts = backup.progress();
            let bytes = |pages: i32| i64::from(pages).cast_unsigned() * page.cast_unsigned();
            let copied = counts.pagecount - counts.remaining;
            progress(Progress::Copied(bytes(copied), bytes(counts.pagecount)));
            match step {
                StepResult::Done => break,
                StepResult::Busy | StepResult::Locked => thread::sleep(LOCKED_PAUSE),
                _ => {}
            }
            let wal = wal_bytes(journal);
            if wal > wal_limit {
                return Err(BackupError::WalGrows { mib: wal >> 20 });
            }
        }
    }
    single_file(&target).map_err(sqlite)
}

/// Makes the file one that needs no write-ahead log next to it. The daemon changes that when it opens it.
fn single_file(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
}

/// Reads the whole copy, with its indexes.
fn verify(part: &Path, journal: &Path) -> Result<(), BackupError> {
    match Check::open(part)?.run(Depth::Indexes, 1)?.pop() {
        None => Ok(()),
        Some(finding) => Err(BackupError::Damaged {
            journal: journal.to_owned(),
            finding,
        }),
    }
}

/// Checks that the file is a journal of this version or an earlier one.
fn checked_version(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables =
        "SELECT count(*) FROM sqlite_schema WHERE name IN ('verdicts', 'consumers', 'counters')";
    let tables: i64 = connection.query_row(tables, [], |row| row.get(0))?;
    let supported = CURRENT.version();
    if version > supported {
        return Err(JournalError::Version {
            path: path.to_owned(),
            version,
            supported,
        });
    }
    if version < 1 || tables < 3 {
        return Err(JournalError::NotAJournal {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Number of verdicts, and their first and last sequence.
fn summary(connection: &Connection) -> Result<(u64, Option<(u64, u64)>), JournalError> {
    let select = "SELECT count(*), min(sequence), max(sequence) FROM verdicts";
    Ok(connection.query_row(select, [], |row| {
        let ends: (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
        let ends = ends.0.zip(ends.1);
        let ends = ends.map(|(first, last)| (first as u64, last as u64));
        Ok((row.get::<_, i64>(0)? as u64, ends))
    })?)
}
