//! The schema of the journal's file, its migrations, and how a file is opened.
//!
//! The version of the schema is in the file, in `PRAGMA user_version`. The rules for a new version, and
//! the steps, are in `docs/schema-migrations.md`.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tracing::info;

use super::JournalError;

/// A schema: the tables of a new file, and the way to them from each earlier version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schema<'a> {
    /// SQL that creates the tables in an empty file.
    pub tables: &'a str,
    /// SQL that migrates a file to the next version: entry n - 1 migrates version n to n + 1. A released
    /// entry never changes.
    pub migrations: &'a [&'a str],
}

/// The schema of this program.
pub(super) const CURRENT: Schema<'static> = Schema {
    tables: TABLES,
    migrations: &[TO_2, TO_3, TO_4],
};

/// Version 2: the client that a consumer belongs to, and labels.
const TO_2: &str = "
ALTER TABLE consumers ADD COLUMN client TEXT;
CREATE TABLE labels (
    sequence INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    defect_class TEXT NOT NULL,
    author TEXT NOT NULL,
    labelled INTEGER NOT NULL
) STRICT;
";

/// Version 3: outlines of labels, as JSON.
const TO_3: &str = "ALTER TABLE labels ADD COLUMN outlines TEXT NOT NULL DEFAULT '[]';";

/// Version 4: the precision of a model. Earlier versions ran only graphs in f32.
const TO_4: &str = "ALTER TABLE stamps ADD COLUMN model_precision TEXT NOT NULL DEFAULT 'f32';";

/// Times are nanoseconds since 1970 (UTC), durations nanoseconds. AUTOINCREMENT: a `sequence` is never
/// used twice, even after its row was removed.
pub(super) const TABLES: &str = "
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
    model_precision TEXT NOT NULL DEFAULT 'f32',
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
    changed INTEGER NOT NULL,
    client TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE labels (
    sequence INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    defect_class TEXT NOT NULL,
    author TEXT NOT NULL,
    labelled INTEGER NOT NULL,
    outlines TEXT NOT NULL DEFAULT '[]'
) STRICT;
";

/// Pages of the write-ahead log before a checkpoint: 16 MiB. A checkpoint takes some milliseconds, in
/// which verdicts wait.
const CHECKPOINT_PAGES: i64 = 4096;

/// How long a connection waits for a lock of the file.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// The page cache of the connection that writes, KiB.
const WRITER_CACHE_KIB: i64 = 16 * 1024;

/// The page cache of a connection that reads, KiB. It fills while the file grows, once for each reader; pages that it does not
/// hold come from the page cache of the kernel.
const READER_CACHE_KIB: i64 = 2 * 1024;

impl Schema<'_> {
    /// The version of the schema.
    pub fn version(&self) -> i64 {
        1 + self.migrations.len() as i64
    }

    /// Opens the file for writing. Creates it if it does not exist, migrates it if it has an earlier version.
    ///
    /// # Errors
    /// When the file cannot be opened or written, has a later version, or is not a journal.
    pub fn open(&self, path: &Path) -> Result<Connection, JournalError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Before anything is written: a refused file stays unchanged.
        let version = self.checked_version(&connection, path)?;
        // Has an effect only before the first table is created.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Each commit flushes the log: a committed row survives a loss of power.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        match version {
            0 => step(&mut connection, self.tables, self.version())?,
            version => self.migrate(&mut connection, path, version)?,
        }
        Ok(connection)
    }

    /// The version of the file; 0 if the file is empty.
    fn checked_version(&self, connection: &Connection, path: &Path) -> Result<i64, JournalError> {
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let objects: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if version > self.version() {
            return Err(JournalError::Version {
                path: path.to_owned(),
                version,
                supported: self.version(),
            });
        }
        match (version, objects) {
            (0, 0) | (1.., 1..) => Ok(version),
            _ => Err(JournalError::NotAJournal {
                path: path.to_owned(),
            }),
        }
    }

    /// Runs the migrations that a file of this version lacks.
    fn migrate(
        &self,
        connection: &mut Connection,
        path: &Path,
        version: i64,
    ) -> Result<(), JournalError> {
        for (from, sql) in (1..).zip(self.migrations) {
            if from < version {
                continue;
            }
            step(connection, sql, from + 1).map_err(|source| JournalError::Migration {
                path: path.to_owned(),
                from,
                source,
            })?;
            info!(path = %path.display(), from, to = from + 1, "the journal was migrated");
        }
        Ok(())
    }
}

/// Runs `sql` and sets the version, in one transaction.
fn step(connection: &mut Connection, sql: &str, version: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}

/// Opens the file for reading.
///
/// # Errors
/// When the file cannot be opened.
pub(super) fn open_reader(path: &Path) -> Result<Connection, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(connection)
}
