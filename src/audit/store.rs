//! The file and its table.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::entry::StoredEntry;
use super::error::AuditError;
use super::rows::{self, SELECT};

/// Maximum length of a row, in bytes: more than seven texts. It limits the memory that a damaged or forged
/// file can use.
const LONGEST_ROW: i32 = 8 << 20;
/// How long a writer waits for another process (a backup, a second daemon) before the change is refused.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// "insp": the `application_id` in the header of the file.
const APPLICATION: i32 = 0x696e_7370;
/// Version of the table and of the hashed encoding, in `user_version`.
const VERSION: i32 = 1;

const TABLE: &str = "
    CREATE TABLE entries (
        number INTEGER PRIMARY KEY,
        time_ns INTEGER NOT NULL,
        who TEXT NOT NULL,
        role TEXT NOT NULL,
        origin TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        previous_hash BLOB NOT NULL,
        hash BLOB NOT NULL
    ) STRICT";

/// No limit, for [`Store::each`].
pub(super) const ALL: i64 = -1;

/// A connection to the file.
#[derive(Debug)]
pub(super) struct Store {
    pub path: PathBuf,
    pub connection: Connection,
}

impl Store {
    /// Opens the file for appending. Creates it if it does not exist.
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        create(path).map_err(|reason| AuditError::Open {
            path: path.to_owned(),
            reason,
        })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut store = Self::connect(path, path, flags)?;
        store.prepare()?;
        Ok(store)
    }

    /// Opens the file for reading: that of a running daemon, or a copy.
    pub(super) fn open_read_only(path: &Path) -> Result<Self, AuditError> {
        let unopened = |reason| AuditError::Open {
            path: path.to_owned(),
            reason,
        };
        File::open(path).map_err(unopened)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let store = if sibling(path, "-wal").exists() {
            Self::connect(path, path, flags)?
        } else {
            // No process has it open. `immutable` keeps SQLite from creating its lock file, which would fail
            // on a read-only medium.
            let name = std::path::absolute(path).map_err(unopened)?;
            let uri = format!("file:{}?immutable=1", escaped(&name));
            Self::connect(path, Path::new(&uri), flags | OpenFlags::SQLITE_OPEN_URI)?
        };
        store.check_version()?;
        Ok(store)
    }

    fn connect(path: &Path, name: &Path, flags: OpenFlags) -> Result<Self, AuditError> {
        let connected = Connection::open_with_flags(name, flags).and_then(|connection| {
            connection.busy_timeout(LOCK_TIMEOUT)?;
            connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_ROW)?;
            Ok(connection)
        });
        let path = path.to_owned();
        match connected {
            Ok(connection) => Ok(Self { path, connection }),
            Err(reason) => Err(AuditError::Sqlite { path, reason }),
        }
    }

    /// Creates the table if the file is new. A file of another program or a later version stays unchanged.
    fn prepare(&mut self) -> Result<(), AuditError> {
        let tables = table_count(&self.connection);
        if self.recognised(tables)? > 0 {
            self.check_version()?;
        }
        let mode = self.pragma_text("journal_mode = WAL")?;
        if mode != "wal" {
            let path = self.path.clone();
            return Err(AuditError::NoWal { path });
        }
        // An entry is durable before its change is applied.
        let set = self.connection.execute_batch("PRAGMA synchronous = FULL");
        self.with_path(set)?;
        let created = self.create_table();
        self.with_path(created)?;
        self.check_version()
    }

    fn create_table(&mut self) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        if table_count(&transaction)? == 0 {
            transaction.execute_batch(TABLE)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        transaction.commit()
    }

    /// Refuses a file of another program or a later version.
    fn check_version(&self) -> Result<(), AuditError> {
        let number = |name| {
            self.connection
                .pragma_query_value(None, name, |row| row.get::<_, i32>(0))
        };
        let found = number("application_id").and_then(|id| Ok((id, number("user_version")?)));
        match self.recognised(found)? {
            (APPLICATION, VERSION) => Ok(()),
            (APPLICATION, version) if version > VERSION => Err(AuditError::Version {
                path: self.path.clone(),
                version,
                supported: VERSION,
            }),
            _ => Err(self.foreign()),
        }
    }

    /// The result of the first read, which shows whether the file is a SQLite database.
    fn recognised<T>(&self, result: rusqlite::Result<T>) -> Result<T, AuditError> {
        result.map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => self.foreign(),
            _ => self.error(error),
        })
    }

    fn foreign(&self) -> AuditError {
        let path = self.path.clone();
        AuditError::Foreign { path }
    }

    fn pragma_text(&self, pragma: &str) -> Result<String, AuditError> {
        let text = self
            .connection
            .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0));
        self.with_path(text)
    }

    /// Adds the path to an error of SQLite.
    pub(super) fn error(&self, reason: rusqlite::Error) -> AuditError {
        let path = self.path.clone();
        AuditError::Sqlite { path, reason }
    }

    /// Adds the path to an error of SQLite.
    pub(super) fn with_path<T>(&self, result: rusqlite::Result<T>) -> Result<T, AuditError> {
        result.map_err(|reason| self.error(reason))
    }

    /// Passes up to `limit` entries with numbers above `after` to `take`, in order, one at a time. Stops
    /// after the first row that cannot be read.
    pub(super) fn each<E: From<AuditError>>(
        &self,
        after: i64,
        limit: i64,
        mut take: impl FnMut(rusqlite::Result<StoredEntry>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self.with_path(self.connection.prepare_cached(SELECT))?;
        let mut found = self.with_path(statement.query([after, limit]))?;
        loop {
            match found.next() {
                Ok(Some(row)) => take(rows::entry(row))?,
                Ok(None) => return Ok(()),
                Err(error) => return take(Err(error)),
            }
        }
    }
}

fn table_count(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
}

/// Creates the file if it does not exist: readable for the group (for verification), writable only for the
/// daemon. SQLite gives its other files the same permissions.
fn create(path: &Path) -> std::io::Result<()> {
    let exists = path.try_exists()?;
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)?;
    if !exists {
        // Acknowledged entries must not be lost because the entry of the folder was not flushed.
        let folder = std::path::absolute(path)?;
        File::open(folder.parent().unwrap_or(Path::new("/")))?.sync_all()?;
    }
    Ok(())
}

/// The path with a suffix.
fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Percent-encodes a path for a URI.
fn escaped(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes
        .map(|&byte| match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
