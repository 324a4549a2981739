//! The tables, and how a file of them is opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::JournalError;

/// Version of the tables, in the file's `user_version`.
const VERSION: i64 = 1;

/// Times are nanoseconds since 1970 (UTC), durations nanoseconds. `sequence` is never used twice, even
/// once its row is gone: that is what AUTOINCREMENT is for.
const TABLES: &str = "
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE stamps (
    id INTEGER PRIMARY KEY,
    model_name TEXT NOT NULL,
    model_version TEXT NOT NULL,
    model_sha256 TEXT NOT NULL,
    config_hash TEXT NOT NULL,
    provider TEXT NOT NULL,
    recipe TEXT NOT NULL,
    recipe_version TEXT NOT NULL,
    recipe_sha256 TEXT NOT NULL,
    UNIQUE (model_sha256, model_name, model_version, config_hash, provider,
            recipe, recipe_version, recipe_sha256)
) STRICT;
CREATE TABLE verdicts (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES runs,
    stamp INTEGER NOT NULL REFERENCES stamps,
    recorded INTEGER NOT NULL,
    captured INTEGER NOT NULL,
    since_start INTEGER NOT NULL,
    camera TEXT NOT NULL,
    part_group TEXT NOT NULL,
    frame_id INTEGER NOT NULL,
    decision INTEGER NOT NULL,
    score REAL,
    structural REAL,
    logical REAL,
    threshold REAL,
    review_from REAL,
    fault TEXT,
    message TEXT,
    part_id TEXT NOT NULL,
    trigger TEXT,
    client_data BLOB,
    idempotency_key TEXT,
    simulated INTEGER NOT NULL,
    evidence INTEGER NOT NULL,
    width INTEGER,
    height INTEGER,
    batch_size INTEGER NOT NULL,
    item TEXT NOT NULL,
    truth TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT;
CREATE INDEX verdicts_by_camera ON verdicts (camera, decision);
CREATE INDEX verdicts_by_decision ON verdicts (decision);
CREATE INDEX verdicts_by_part ON verdicts (part_id) WHERE part_id <> '';
CREATE INDEX verdicts_by_key ON verdicts (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE TABLE consumers (
    name TEXT PRIMARY KEY,
    acknowledged INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Pages of the write-ahead log before it is merged into the file: 16 MiB. A merge takes some
/// milliseconds, in which verdicts wait.
const CHECKPOINT_PAGES: i64 = 4096;

/// The page cache of a connection, KiB.
const CACHE_KIB: i64 = 16 * 1024;

/// Opens the file for writing, and makes it if it is not there.
///
/// # Errors
/// When it cannot be opened or written, or is of a later version.
pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(1))?;
    // Before the first table, or not at all.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // The log is flushed with each commit: what is committed outlives a loss of power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    match connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? {
        0 => {
            let transaction = connection.transaction()?;
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.commit()?;
        }
        VERSION => {}
        version => return Err(JournalError::Version { version }),
    }
    Ok(connection)
}

/// Opens the file for reading.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn open_reader(path: &Path) -> Result<Connection, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(1))?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(connection)
}
