//! The writer's side of the journal: commits, acknowledgements, retention.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::row::{self, nanoseconds, time};
use super::{JournalError, file, schema};
use inspectd_core::record::{Stamp, Verdict};

/// Held while a daemon writes here.
const LOCK: &str = "lock";

/// Rows that one call of [`Store::trim`] removes at most: some 20 ms, in which verdicts wait.
const TRIM_ROWS: i64 = 2000;

/// A client that acknowledges verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// All verdicts up to this sequence have arrived.
    pub acknowledged: u64,
    /// When it said so.
    pub changed: SystemTime,
}

/// What becomes durable together.
#[derive(Debug, Default)]
pub struct Batch {
    /// Verdicts, in the order of their sequences.
    pub verdicts: Vec<Arc<Verdict>>,
    /// Consumers that acknowledged; nothing for one that is to be forgotten.
    pub consumers: BTreeMap<String, Option<Consumer>>,
    /// Counters and their values.
    pub counters: BTreeMap<String, u64>,
}

impl Batch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty() && self.consumers.is_empty() && self.counters.is_empty()
    }
}

/// What is kept at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// What was recorded before goes; nothing for its age if unset.
    pub before: Option<SystemTime>,
    /// Bytes of the file in use.
    pub bytes: u64,
}

/// What an opened journal holds.
#[derive(Debug)]
pub struct Opened {
    /// The largest sequence that was ever used; 0 if none was.
    pub sequence: u64,
    /// The time of the last verdict that is kept.
    pub recorded: Option<SystemTime>,
    /// The first sequence that is kept; nothing if none is.
    pub oldest: Option<u64>,
    /// Consumers by name.
    pub consumers: BTreeMap<String, Consumer>,
    /// Counters by name.
    pub counters: BTreeMap<String, u64>,
}

/// The one writer of a journal.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    run: i64,
    stamps: HashMap<Arc<Stamp>, i64>,
    /// Unlocked when dropped.
    _lock: File,
}

impl Store {
    /// Opens the journal in `folder`, which is made if it is not there, for the run `run`.
    ///
    /// # Errors
    /// When the folder cannot be written, is another daemon's, or the file is not a journal.
    pub fn open(folder: &Path, run: Uuid) -> Result<(Self, Opened), JournalError> {
        let refused = |reason: String| JournalError::Folder {
            folder: folder.display().to_string(),
            reason,
        };
        fs::create_dir_all(folder).map_err(|error| refused(error.to_string()))?;
        let lock = File::create(folder.join(LOCK)).map_err(|error| refused(error.to_string()))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => JournalError::Taken {
                folder: folder.display().to_string(),
            },
            TryLockError::Error(error) => refused(error.to_string()),
        })?;
        let path = file(folder);
        let connection = schema::open(&path)?;
        connection.execute(
            "INSERT OR IGNORE INTO runs (uuid) VALUES (?1)",
            [run.to_string()],
        )?;
        let select = "SELECT id FROM runs WHERE uuid = ?1";
        let run = connection.query_row(select, [run.to_string()], |row| row.get(0))?;
        let opened = opened(&connection)?;
        let store = Self {
            connection,
            path,
            run,
            stamps: HashMap::new(),
            _lock: lock,
        };
        Ok((store, opened))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes all of `batch` durable, or nothing of it. A sequence that is there already is written anew.
    ///
    /// # Errors
    /// When the disk refuses. Whether the batch is there is then known once the journal is opened anew.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), JournalError> {
        let known = self.stamps.len();
        let committed = self.try_commit(batch);
        if committed.is_err() && self.stamps.len() > known {
            // Their rows were rolled back.
            self.stamps.clear();
        }
        committed
    }

    fn try_commit(&mut self, batch: &Batch) -> Result<(), JournalError> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(row::INSERT)?;
            for verdict in &batch.verdicts {
                let stamp = &verdict.subject.stamp;
                let stamp = if let Some(&id) = self.stamps.get(stamp) {
                    id
                } else {
                    let id = stamp_row(&transaction, stamp)?;
                    self.stamps.insert(Arc::clone(stamp), id);
                    id
                };
                row::insert(&mut insert, verdict, self.run, stamp)?;
            }
            for (name, consumer) in &batch.consumers {
                put_consumer(&transaction, name, consumer.as_ref())?;
            }
            let mut counter =
                transaction.prepare_cached("INSERT OR REPLACE INTO counters VALUES (?1, ?2)")?;
            for (name, value) in &batch.counters {
                counter.execute(params![name, *value as i64])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Removes some of what is beyond the limits, the oldest first. Tells the first sequence that is
    /// kept before it removes what is below, and gives it back if anything was removed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn trim(
        &mut self,
        limits: Limits,
        going: impl FnOnce(u64),
    ) -> Result<Option<u64>, JournalError> {
        let Some(oldest) = oldest(&self.connection)? else {
            return Ok(None);
        };
        let old = match limits.before {
            Some(before) => self.recorded(oldest)? < nanoseconds(before),
            None => false,
        };
        let before = if self.used_bytes()? > limits.bytes {
            i64::MAX
        } else if let Some(before) = limits.before.filter(|_| old) {
            nanoseconds(before)
        } else {
            return Ok(None);
        };
        let kept = self.first_kept(before)?;
        if kept <= oldest {
            return Ok(None);
        }
        going(kept);
        let delete = "DELETE FROM verdicts WHERE sequence < ?1";
        self.connection.execute(delete, [kept as i64])?;
        // Some of the room goes back to the file system, a little at a time.
        let mut vacuum = self
            .connection
            .prepare_cached("PRAGMA incremental_vacuum(2000)")?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        drop(rows);
        Ok(Some(kept))
    }

    /// The first sequence that stays where at most [`TRIM_ROWS`] go, all recorded before `before`.
    fn first_kept(&self, before: i64) -> rusqlite::Result<u64> {
        let beyond = "SELECT sequence FROM verdicts ORDER BY sequence LIMIT 1 OFFSET ?1";
        let beyond: Option<i64> = self
            .connection
            .query_row(beyond, [TRIM_ROWS], |row| row.get(0))
            .optional()?;
        let younger = "SELECT min(sequence) FROM
            (SELECT sequence, recorded FROM verdicts ORDER BY sequence LIMIT ?1) WHERE recorded >= ?2";
        let younger: Option<i64> =
            self.connection
                .query_row(younger, params![TRIM_ROWS, before], |row| row.get(0))?;
        match younger.or(beyond) {
            Some(sequence) => Ok(sequence as u64),
            None => Ok(last_used(&self.connection)? + 1),
        }
    }

    fn recorded(&self, sequence: u64) -> rusqlite::Result<i64> {
        let select = "SELECT recorded FROM verdicts WHERE sequence = ?1";
        let mut statement = self.connection.prepare_cached(select)?;
        statement.query_row([sequence as i64], |row| row.get(0))
    }

    fn used_bytes(&self) -> rusqlite::Result<u64> {
        let pragma = |name: &str| -> rusqlite::Result<i64> {
            self.connection
                .pragma_query_value(None, name, |row| row.get(0))
        };
        let pages = pragma("page_count")? - pragma("freelist_count")?;
        Ok((pages * pragma("page_size")?) as u64)
    }
}

fn stamp_row(connection: &Connection, stamp: &Stamp) -> rusqlite::Result<i64> {
    let (recipe, version, sha256) = match &stamp.recipe {
        Some(recipe) => (&*recipe.id, &*recipe.version, &*recipe.sha256),
        None => ("", "", ""),
    };
    let values = params![
        stamp.model.name,
        stamp.model.version,
        stamp.model.sha256,
        stamp.config_hash,
        stamp.provider,
        recipe,
        version,
        sha256,
    ];
    connection.execute(
        "INSERT OR IGNORE INTO stamps (model_name, model_version, model_sha256, config_hash, provider,
            recipe, recipe_version, recipe_sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        values,
    )?;
    connection.query_row(
        "SELECT id FROM stamps WHERE model_name = ?1 AND model_version = ?2 AND model_sha256 = ?3
            AND config_hash = ?4 AND provider = ?5 AND recipe = ?6 AND recipe_version = ?7
            AND recipe_sha256 = ?8",
        values,
        |row| row.get(0),
    )
}

fn put_consumer(
    connection: &Connection,
    name: &str,
    consumer: Option<&Consumer>,
) -> rusqlite::Result<()> {
    let changed = match consumer {
        Some(consumer) => connection.execute(
            "INSERT OR REPLACE INTO consumers VALUES (?1, ?2, ?3)",
            params![
                name,
                consumer.acknowledged as i64,
                nanoseconds(consumer.changed)
            ],
        ),
        None => connection.execute("DELETE FROM consumers WHERE name = ?1", [name]),
    };
    changed.map(drop)
}

fn oldest(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    let least: Option<i64> =
        connection.query_row("SELECT min(sequence) FROM verdicts", [], |row| row.get(0))?;
    Ok(least.map(|sequence| sequence as u64))
}

fn last_used(connection: &Connection) -> rusqlite::Result<u64> {
    let select = "SELECT seq FROM sqlite_sequence WHERE name = 'verdicts'";
    let last = connection.query_row(select, [], |row| row.get::<_, i64>(0));
    Ok(last.optional()?.unwrap_or(0) as u64)
}

fn opened(connection: &Connection) -> rusqlite::Result<Opened> {
    let newest = "SELECT recorded FROM verdicts ORDER BY sequence DESC LIMIT 1";
    let recorded = connection
        .query_row(newest, [], |row| row.get(0))
        .optional()?;
    let mut consumers = BTreeMap::new();
    let mut statement = connection.prepare("SELECT name, acknowledged, changed FROM consumers")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let consumer = Consumer {
            acknowledged: row.get::<_, i64>(1)? as u64,
            changed: time(row.get(2)?),
        };
        consumers.insert(row.get(0)?, consumer);
    }
    let mut counters = BTreeMap::new();
    let mut statement = connection.prepare("SELECT name, value FROM counters")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        counters.insert(row.get(0)?, row.get::<_, i64>(1)? as u64);
    }
    Ok(Opened {
        sequence: last_used(connection)?,
        recorded: recorded.map(time),
        oldest: oldest(connection)?,
        consumers,
        counters,
    })
}
