//! The file and its table.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::entry::Numbered;
use super::error::AuditError;
use super::rows::{self, SELECT};

/// The longest text of an entry, in bytes: as much as a file of the configuration may have.
pub(super) const LONGEST_TEXT: usize = 1 << 20;
/// The longest row that is read, in bytes: more than seven texts. It bounds the memory that a damaged
/// or forged file can take.
const LONGEST_ROW: i32 = 8 << 20;
/// How long a writer waits for another one (a backup, a second daemon) before the change is refused.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// "insp": what SQLite's header says the file is for.
const APPLICATION: i32 = 0x696e_7370;
/// The version of the table and of the encoding that is hashed.
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

/// Without a bound, for [`Store::each`].
pub(super) const ALL: i64 = -1;

/// A connection to the file.
#[derive(Debug)]
pub(super) struct Store {
    pub path: PathBuf,
    pub connection: Connection,
}

impl Store {
    /// Opens the file to append to it; it is made where there is none.
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

    /// Opens the file to read it: that of a running daemon, or a copy.
    pub(super) fn open_read_only(path: &Path) -> Result<Self, AuditError> {
        let unopened = |reason| AuditError::Open {
            path: path.to_owned(),
            reason,
        };
        File::open(path).map_err(unopened)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let store = if beside(path, "-wal").exists() {
            Self::connect(path, path, flags)?
        } else {
            // Nobody has it open: SQLite need not write its lock's file beside it, which it could not
            // on a medium that is read-only.
            let name = std::path::absolute(path).map_err(unopened)?;
            let uri = format!("file:{}?immutable=1", escaped(&name));
            Self::connect(path, Path::new(&uri), flags | OpenFlags::SQLITE_OPEN_URI)?
        };
        store.expect_ours()?;
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

    /// Makes the table, all of it or nothing, where the file is new. Another program's file is left as
    /// it is.
    fn prepare(&mut self) -> Result<(), AuditError> {
        let tables = table_count(&self.connection);
        if self.recognised(tables)? > 0 {
            self.expect_ours()?;
        }
        let mode = self.pragma_text("journal_mode = WAL")?;
        if mode != "wal" {
            let path = self.path.clone();
            return Err(AuditError::NoWal { path });
        }
        // An entry is on the disk before its change is in force.
        let set = self.connection.execute_batch("PRAGMA synchronous = FULL");
        self.told(set)?;
        let made = self.make_table();
        self.told(made)?;
        self.expect_ours()
    }

    fn make_table(&mut self) -> rusqlite::Result<()> {
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

    fn expect_ours(&self) -> Result<(), AuditError> {
        let number = |name| {
            self.connection
                .pragma_query_value(None, name, |row| row.get::<_, i32>(0))
        };
        let found = number("application_id").and_then(|id| Ok((id, number("user_version")?)));
        match self.recognised(found)? {
            (APPLICATION, VERSION) => Ok(()),
            _ => Err(self.foreign()),
        }
    }

    /// What was read first, or that there is nothing of SQLite's to read.
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
        self.told(text)
    }

    /// SQLite's error, with the file's name.
    pub(super) fn error(&self, reason: rusqlite::Error) -> AuditError {
        let path = self.path.clone();
        AuditError::Sqlite { path, reason }
    }

    /// As [`Store::error`].
    pub(super) fn told<T>(&self, result: rusqlite::Result<T>) -> Result<T, AuditError> {
        result.map_err(|reason| self.error(reason))
    }

    /// Up to `limit` entries after one, by number, as far as they can be read: a row that cannot ends
    /// it. One entry is in memory at a time.
    pub(super) fn each<E: From<AuditError>>(
        &self,
        after: i64,
        limit: i64,
        mut take: impl FnMut(rusqlite::Result<Numbered>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self.told(self.connection.prepare_cached(SELECT))?;
        let mut found = self.told(statement.query([after, limit]))?;
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

/// The file, if it is not there: readable for the group (that may verify it), writable for the daemon
/// alone. SQLite gives its other files the same rights.
fn create(path: &Path) -> std::io::Result<()> {
    let there = path.try_exists()?;
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)?;
    if !there {
        // What was acknowledged must not go because the folder never heard of the file.
        let folder = std::path::absolute(path)?;
        File::open(folder.parent().unwrap_or(Path::new("/")))?.sync_all()?;
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A path within a URI.
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
