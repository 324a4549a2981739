//! What a journal has, in numbers, for support. The file is only read, and everything ends in time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags, Row};
use serde::Serialize;

use super::known::{Known, known};
use super::row::{nanoseconds, time};
use super::store::LOCK;
use super::{JournalError, schema, wal_bytes};
use crate::clock::{Clock, SystemClock};

/// Steps of SQLite between two looks at the clock.
const STEPS: i32 = 10_000;

/// The newest verdicts of which decisions are counted.
const COUNTED_VERDICTS: i64 = 500_000;

/// Nanoseconds of a day.
const DAY_NS: i64 = 86_400_000_000_000;

/// The version of SQLite.
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// Whether a daemon writes in `folder`, by the locks that the kernel lists: taking the lock, however short, could keep a daemon
/// from starting. Yes if that is not known.
pub fn is_in_use(folder: &Path) -> bool {
    let Ok(lock) = fs::metadata(folder.join(LOCK)) else {
        return false;
    };
    let Ok(locks) = fs::read_to_string("/proc/locks") else {
        return true;
    };
    // Some file systems give another device there.
    let inode = format!(":{}", lock.ino());
    let mut words = locks.lines().flat_map(str::split_whitespace);
    words.any(|word| word.ends_with(&inode))
}

/// A journal, open for statistics.
#[derive(Debug)]
pub struct Statistics {
    connection: Connection,
    limit: Duration,
}

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileStatistics {
    /// Version of the schema.
    pub schema_version: i64,
    /// Size of the file, bytes.
    pub bytes: u64,
    /// Size of the write-ahead log, bytes.
    pub wal_bytes: u64,
    /// Size of a page, bytes.
    pub page_bytes: u64,
    /// Pages.
    pub pages: u64,
    /// Pages that are not used.
    pub free_pages: u64,
}

/// The verdicts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerdictStatistics {
    /// Number of verdicts.
    pub verdicts: u64,
    /// The first sequence; 0 if there is none.
    pub first: u64,
    /// The last sequence; 0 if there is none.
    pub last: u64,
    /// The last sequence that was used.
    pub used: u64,
    /// Number of labels.
    pub labels: u64,
}

/// Decisions of a day, of a camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayCount {
    /// The day (UTC), days since 1970.
    pub day: i64,
    /// The camera; empty for parts and images of clients.
    pub camera: String,
    /// The decision: 1 PASS, 2 REJECT, 3 REVIEW, 4 FAULT.
    pub decision: i64,
    /// The reason of a fault; empty without one.
    pub fault: String,
    /// Number of verdicts.
    pub verdicts: u64,
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFault {
    /// The sequence.
    pub sequence: u64,
    /// When it was recorded.
    pub recorded: SystemTime,
    /// The camera; empty for a part.
    pub camera: String,
    /// The decision: 1 PASS, 2 REJECT, 3 REVIEW, 4 FAULT.
    pub decision: i64,
    /// The reason.
    pub reason: String,
    /// The explanation.
    pub message: String,
}

impl Statistics {
    /// Opens the journal `path`, which must exist. Each of the other calls ends after `limit`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path, limit: Duration) -> Result<Self, JournalError> {
        // A journal that was closed has no write-ahead log. One that is open, or was when its daemon was killed, has.
        let log = ["-wal", "-shm"].map(|ending| {
            let mut path = path.to_owned().into_os_string();
            path.push(ending);
            PathBuf::from(path).exists()
        });
        let connection = if log.contains(&true) {
            schema::open_reader(path)?
        } else {
            open_unused(path)?
        };
        Ok(Self { connection, limit })
    }

    /// The file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file(&self, path: &Path) -> Result<FileStatistics, JournalError> {
        self.within(|connection| {
            let pragma = |name: &str| -> rusqlite::Result<i64> {
                connection.pragma_query_value(None, name, |row| row.get(0))
            };
            Ok(FileStatistics {
                schema_version: pragma("user_version")?,
                bytes: fs::metadata(path).map_or(0, |file| file.len()),
                wal_bytes: wal_bytes(path),
                page_bytes: pragma("page_size")?.cast_unsigned(),
                pages: pragma("page_count")?.cast_unsigned(),
                free_pages: pragma("freelist_count")?.cast_unsigned(),
            })
        })
    }

    /// The verdicts.
    ///
    /// # Errors
    /// When they cannot be read in time.
    pub fn verdicts(&self) -> Result<VerdictStatistics, JournalError> {
        self.within(|connection| {
            let number = |select: &str| -> rusqlite::Result<u64> {
                let number: Option<i64> = connection.query_row(select, [], |row| row.get(0))?;
                Ok(number.unwrap_or(0).cast_unsigned())
            };
            Ok(VerdictStatistics {
                verdicts: number("SELECT count(*) FROM verdicts")?,
                first: number("SELECT min(sequence) FROM verdicts")?,
                last: number("SELECT max(sequence) FROM verdicts")?,
                used: number("SELECT max(seq) FROM sqlite_sequence WHERE name = 'verdicts'")?,
                labels: number("SELECT count(*) FROM labels")?,
            })
        })
    }

    /// Consumers and counters.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn known(&self) -> Result<Known, JournalError> {
        self.within(known)
    }

    /// The models, configurations and recipes of stored verdicts, as texts.
    ///
    /// # Errors
    /// When they cannot be read in time.
    pub fn stamps(&self) -> Result<Vec<BTreeMap<String, String>>, JournalError> {
        self.within(|connection| {
            let mut select =
                connection.prepare("SELECT * FROM stamps ORDER BY id DESC LIMIT 100")?;
            let names: Vec<String> = select
                .column_names()
                .iter()
                .map(ToString::to_string)
                .collect();
            let stamps = select.query_map([], |row| {
                let text = |(index, name): (usize, &String)| {
                    let value: rusqlite::types::Value = row.get(index)?;
                    let text = match value {
                        rusqlite::types::Value::Text(text) => text,
                        rusqlite::types::Value::Integer(number) => number.to_string(),
                        _ => String::new(),
                    };
                    Ok((name.clone(), text))
                };
                names.iter().enumerate().map(text).collect()
            })?;
            stamps.collect()
        })
    }

    /// Decisions and reasons of faults of the days since `since`, of the newest 500,000 verdicts.
    ///
    /// # Errors
    /// When they cannot be read in time.
    pub fn days(&self, since: SystemTime) -> Result<Vec<DayCount>, JournalError> {
        self.within(|connection| {
            let newest = "SELECT max(sequence) FROM verdicts";
            let newest: Option<i64> = connection.query_row(newest, [], |row| row.get(0))?;
            let first = newest.unwrap_or(0) - COUNTED_VERDICTS;
            let select = "SELECT recorded / ?1, camera, decision, coalesce(fault, ''), count(*) FROM verdicts
                WHERE sequence > ?2 AND recorded >= ?3 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";
            let mut select = connection.prepare(select)?;
            let days = select.query_map([DAY_NS, first, nanoseconds(since)], |row| {
                Ok(DayCount {
                    day: row.get(0)?,
                    camera: row.get(1)?,
                    decision: row.get(2)?,
                    fault: row.get(3)?,
                    verdicts: row.get::<_, i64>(4)?.cast_unsigned(),
                })
            })?;
            days.collect()
        })
    }

    /// The newest faults, the newest first.
    ///
    /// # Errors
    /// When they cannot be read in time.
    pub fn faults(&self, count: u32) -> Result<Vec<StoredFault>, JournalError> {
        let select = "SELECT sequence, recorded, camera, decision, fault, coalesce(message, '') FROM verdicts
            WHERE fault IS NOT NULL ORDER BY sequence DESC LIMIT ?1";
        let read = |row: &Row<'_>| {
            Ok(StoredFault {
                sequence: row.get::<_, i64>(0)?.cast_unsigned(),
                recorded: time(row.get(1)?),
                camera: row.get(2)?,
                decision: row.get(3)?,
                reason: row.get(4)?,
                message: row.get(5)?,
            })
        };
        self.within(|connection| {
            let mut select = connection.prepare(select)?;
            let faults = select.query_map([count], read)?;
            faults.collect()
        })
    }

    /// The result of SQLite's `quick_check`: findings, or `ok`.
    ///
    /// # Errors
    /// When the file cannot be read in time.
    pub fn quick_check(&self) -> Result<Vec<String>, JournalError> {
        self.within(|connection| {
            let mut check = connection.prepare("PRAGMA quick_check(20)")?;
            let lines = check.query_map([], |row| row.get(0))?;
            lines.collect()
        })
    }

    /// Reads, for at most the limit.
    fn within<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let begun = SystemClock.now().monotonic;
        let limit = self.limit;
        let ends = move || SystemClock.now().monotonic.duration_since(begun) > limit;
        self.connection.progress_handler(STEPS, Some(ends))?;
        Ok(read(&self.connection)?)
    }
}

/// Opens a file that no process has open, without creating anything next to it.
fn open_unused(path: &Path) -> Result<Connection, JournalError> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            byte => {
                let _ = write!(uri, "%{byte:02x}");
            }
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(uri, flags)?)
}
