//! The writer's side of the journal: commits, acknowledgements, retention.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use inspectd_core::record::{Stamp, Verdict};
use rusqlite::{Connection, OptionalExtension, ToSql, params};
use uuid::Uuid;

use super::known::{Consumer, Known, known, put_consumer};
use super::label::{self, Label};
use super::mark::{self, Continuation, Mark};
use super::row::{self, nanoseconds, time};
use super::schema::{self, CURRENT};
use super::{EPOCH, JournalError, LOST, OPENING, file};

/// Name of the lock file. The daemon that writes in the folder holds its lock.
pub(super) const LOCK: &str = "lock";

/// Rows that one call of [`Store::trim`] removes at most. It takes about 20 ms, in which verdicts wait.
const TRIM_ROWS: i64 = 2000;

/// Changes that are committed in one transaction.
#[derive(Debug, Default)]
pub struct Batch {
    /// Verdicts, by ascending sequence.
    pub verdicts: Vec<Arc<Verdict>>,
    /// New states of consumers; `None` removes the consumer.
    pub consumers: BTreeMap<String, Option<Consumer>>,
    /// New values of counters.
    pub counters: BTreeMap<String, u64>,
    /// New labels of verdicts; `None` removes the label.
    pub labels: BTreeMap<u64, Option<Label>>,
    /// Sequences up to this one count as used, whether rows have them or not.
    pub used: u64,
}

impl Batch {
    /// Whether nothing has to be written.
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty()
            && self.consumers.is_empty()
            && self.counters.is_empty()
            && self.labels.is_empty()
    }
}

/// Limits of retention.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Verdicts recorded before this time are removed; `None`: age does not count.
    pub before: Option<SystemTime>,
    /// Maximum of used bytes in the file. When there are more, the oldest verdicts are removed.
    pub bytes: u64,
    /// Verdicts from this sequence on are held: they are removed only to keep `held_bytes`.
    pub hold_from: Option<u64>,
    /// Maximum of used bytes with verdicts that are held; `None`: they are never removed.
    pub held_bytes: Option<u64>,
}

/// What [`Store::trim`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// The first sequence that stays; `None` if nothing was removed.
    pub kept_from: Option<u64>,
    /// Verdicts beyond the limits were kept because they are held.
    pub held: bool,
    /// Used bytes before the removal.
    pub bytes: u64,
}

/// State of a journal when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The highest sequence that was ever used; 0 if none was.
    pub sequence: u64,
    /// When the newest stored verdict was recorded.
    pub recorded: Option<SystemTime>,
    /// The lowest stored sequence.
    pub oldest: Option<u64>,
    /// Consumers by name.
    pub consumers: BTreeMap<String, Consumer>,
    /// Counters by name.
    pub counters: BTreeMap<String, u64>,
    /// Number of the journal: 1 for the first of this folder, one more after each replacement.
    pub epoch: u64,
    /// Whether the journal is another one than before: it was moved away, set aside, or restored from a backup.
    pub replaced: bool,
    /// The first and the last sequence of the verdicts that were lost with journals that were replaced.
    pub lost: Option<(u64, u64)>,
}

/// The only writer of a journal.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    folder: PathBuf,
    mark: Mark,
    run: i64,
    stamps: HashMap<Arc<Stamp>, i64>,
    /// Unlocked when dropped.
    _lock: File,
}

impl Store {
    /// Opens the journal in `folder` for the run `run`. Creates the folder and the file if they do not
    /// exist, migrates a file of an earlier version. If the file is a new one in place of another, that had the verdicts
    /// from `lost_from` on.
    ///
    /// # Errors
    /// When the folder cannot be written or is locked by another daemon, or the file is not a journal that
    /// this program knows.
    pub fn open(folder: &Path, run: Uuid, lost_from: u64) -> Result<(Self, Opened), JournalError> {
        let lock = lock(folder)?;
        let path = file(folder);
        let mut connection = CURRENT.open(&path)?;
        connection.execute(
            "INSERT OR IGNORE INTO runs (uuid) VALUES (?1)",
            [run.to_string()],
        )?;
        let select = "SELECT id FROM runs WHERE uuid = ?1";
        let run = connection.query_row(select, [run.to_string()], |row| row.get(0))?;
        let mut opened = opened(&connection)?;
        let mark = open_mark(folder, &mut connection, &mut opened, lost_from)?;
        let store = Self {
            connection,
            path,
            folder: folder.to_owned(),
            mark,
            run,
            stamps: HashMap::new(),
            _lock: lock,
        };
        Ok((store, opened))
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Commits all of `batch`, durably, or nothing. Replaces a verdict whose sequence is already stored.
    ///
    /// # Errors
    /// When the file cannot be written. Whether the batch was committed is then known only after the journal
    /// was opened again.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), JournalError> {
        let known = self.stamps.len();
        if let Some(last) = batch.verdicts.last().map(|last| last.sequence)
            && last > self.mark.reserved
        {
            let mark = Mark {
                reserved: last + mark::BLOCK,
                ..self.mark
            };
            mark.write(&self.folder).map_err(JournalError::Mark)?;
            self.mark = mark;
        }
        let committed = self.try_commit(batch);
        if committed.is_err() && self.stamps.len() > known {
            // The rows of the new stamps were rolled back.
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
                    let id = stamp_id(&transaction, stamp)?;
                    self.stamps.insert(Arc::clone(stamp), id);
                    id
                };
                row::insert(&mut insert, verdict, self.run, stamp)?;
            }
            for (name, consumer) in &batch.consumers {
                put_consumer(&transaction, name, consumer.as_ref())?;
            }
            for (sequence, label) in &batch.labels {
                label::put(&transaction, *sequence, label.as_ref())?;
            }
            let mut counter =
                transaction.prepare_cached("INSERT OR REPLACE INTO counters VALUES (?1, ?2)")?;
            for (name, value) in &batch.counters {
                counter.execute(params![name, *value as i64])?;
            }
            if batch.used > 0 {
                raise_used(&transaction, batch.used)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Removes some of the verdicts beyond the limits, oldest first. Calls `before_removal` with the first
    /// sequence that stays, then removes all below it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn trim(
        &mut self,
        limits: Limits,
        before_removal: impl FnOnce(u64),
    ) -> Result<Trimmed, JournalError> {
        let bytes = self.used_bytes()?;
        let mut trimmed = Trimmed {
            bytes,
            ..Trimmed::default()
        };
        let Some(oldest) = oldest(&self.connection)? else {
            return Ok(trimmed);
        };
        let old = match limits.before {
            Some(before) => self.recorded(oldest)? < nanoseconds(before),
            None => false,
        };
        let before = if bytes > limits.bytes {
            i64::MAX
        } else if let Some(before) = limits.before.filter(|_| old) {
            nanoseconds(before)
        } else {
            return Ok(trimmed);
        };
        let mut kept = self.first_kept(before)?;
        let overflows = limits.held_bytes.is_some_and(|most| bytes > most);
        if let Some(held) = limits.hold_from.filter(|_| !overflows) {
            trimmed.held = kept > held;
            kept = kept.min(held);
        }
        if kept <= oldest {
            return Ok(trimmed);
        }
        before_removal(kept);
        for table in ["verdicts", "labels"] {
            let delete = format!("DELETE FROM {table} WHERE sequence < ?1");
            self.connection.execute(&delete, [kept as i64])?;
        }
        // Returns free pages to the file system, a limited number at a time.
        let mut vacuum = self
            .connection
            .prepare_cached("PRAGMA incremental_vacuum(2000)")?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        drop(rows);
        trimmed.kept_from = Some(kept);
        Ok(trimmed)
    }

    /// Moves the write-ahead log into the file and empties it, unless a reader needs it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn checkpoint(&mut self) -> Result<(), JournalError> {
        // A reader is not waited for: the log is then checkpointed as far as possible.
        self.connection.busy_timeout(Duration::ZERO)?;
        let done = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.connection.busy_timeout(schema::BUSY_TIMEOUT)?;
        Ok(done?)
    }

    /// Size of the write-ahead log, bytes; 0 if there is none.
    pub fn wal_bytes(&self) -> u64 {
        wal_bytes(&self.path)
    }

    /// Marks the verdicts from `first` on as not confirmed: the process was killed before it knew that they were
    /// published as they are stored.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn mark_unconfirmed(&mut self, first: u64) -> Result<usize, JournalError> {
        let update =
            "UPDATE verdicts SET details = json_set(details, '$.unconfirmed', json('true'))
            WHERE sequence >= ?1";
        Ok(self.connection.execute(update, [first as i64])?)
    }

    /// The first sequence that stays when at most [`TRIM_ROWS`] verdicts recorded before `before` are
    /// removed.
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

/// Creates the folder if it does not exist, and locks it.
pub(super) fn lock(folder: &Path) -> Result<File, JournalError> {
    let refused = |source| JournalError::Folder {
        folder: folder.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(refused)?;
    let lock = File::create(folder.join(LOCK)).map_err(refused)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(refused(error)),
    }
}

/// Compares the journal with the high-water mark in its folder, and brings both up to date: the journal first, in one
/// transaction.
fn open_mark(
    folder: &Path,
    connection: &mut Connection,
    opened: &mut Opened,
    lost_from: u64,
) -> Result<Mark, JournalError> {
    let found = Mark::read(folder).map_err(JournalError::Mark)?;
    let content = mark::Content {
        epoch: opened.counters.get(EPOCH).copied(),
        used: opened.sequence,
        opening: opened.counters.get(OPENING).copied().unwrap_or(0),
    };
    let evidence = mark::newest_evidence(folder);
    let Continuation {
        epoch,
        sequence,
        replaced,
    } = mark::continuation(found, content, evidence);
    let opening = found.map_or(0, |mark| mark.opening).max(content.opening) + 1;
    let mut changed = BTreeMap::from([(OPENING.to_owned(), opening)]);
    if content.epoch != Some(epoch) {
        changed.insert(EPOCH.to_owned(), epoch);
    }
    if replaced {
        // Those behind its last row, or all of those before a new file.
        let own = opened.sequence + 1;
        let from = if own > 1 { own } else { lost_from.max(1) };
        changed.extend(LOST.map(str::to_owned).into_iter().zip([from, sequence]));
    }
    let transaction = connection.transaction()?;
    raise_used(&transaction, sequence)?;
    for (name, value) in &changed {
        let insert = "INSERT OR REPLACE INTO counters VALUES (?1, ?2)";
        transaction.execute(insert, params![name, *value as i64])?;
    }
    transaction.commit()?;
    opened.counters.extend(changed);
    let reserved = found.filter(|mark| mark.epoch == epoch && sequence <= mark.reserved);
    let mark = Mark {
        epoch,
        reserved: reserved.map_or(sequence + mark::BLOCK, |mark| mark.reserved),
        opening,
    };
    mark.write(folder).map_err(JournalError::Mark)?;
    opened.epoch = epoch;
    opened.replaced = replaced;
    opened.sequence = sequence;
    let [from, to] = LOST.map(|name| opened.counters.get(name).copied());
    opened.lost = from.zip(to).filter(|(from, to)| from <= to);
    Ok(mark)
}

/// Sequences up to `used` count as used: the next row has a larger one.
fn raise_used(connection: &Connection, used: u64) -> rusqlite::Result<()> {
    if last_used(connection)? < used {
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'verdicts'", [])?;
        let insert = "INSERT INTO sqlite_sequence (name, seq) VALUES ('verdicts', ?1)";
        connection.execute(insert, [used as i64])?;
    }
    Ok(())
}

/// The row number of a stamp, which is inserted if it is new.
fn stamp_id(connection: &Connection, stamp: &Stamp) -> rusqlite::Result<i64> {
    let (recipe, version, sha256) = match &stamp.recipe {
        Some(recipe) => (&*recipe.id, &*recipe.version, &*recipe.sha256),
        None => ("", "", ""),
    };
    let precision = stamp.model.precision.name();
    let values: [&dyn ToSql; 9] = [
        &stamp.model.name,
        &stamp.model.version,
        &stamp.model.sha256,
        &stamp.config_hash,
        &stamp.provider,
        &recipe,
        &version,
        &sha256,
        &precision,
    ];
    connection.execute(
        "INSERT OR IGNORE INTO stamps (model_name, model_version, model_sha256, config_hash, provider,
            recipe, recipe_version, recipe_sha256, model_precision)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        &values[..],
    )?;
    // The hash determines the precision; rows before version 4 of the schema have that of the column's default.
    connection.query_row(
        "SELECT id FROM stamps WHERE model_name = ?1 AND model_version = ?2 AND model_sha256 = ?3
            AND config_hash = ?4 AND provider = ?5 AND recipe = ?6 AND recipe_version = ?7
            AND recipe_sha256 = ?8",
        &values[..8],
        |row| row.get(0),
    )
}

fn oldest(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    let least: Option<i64> =
        connection.query_row("SELECT min(sequence) FROM verdicts", [], |row| row.get(0))?;
    Ok(least.map(|sequence| sequence as u64))
}

pub(super) fn last_used(connection: &Connection) -> rusqlite::Result<u64> {
    let select = "SELECT seq FROM sqlite_sequence WHERE name = 'verdicts'";
    let last = connection.query_row(select, [], |row| row.get::<_, i64>(0));
    Ok(last.optional()?.unwrap_or(0) as u64)
}

fn opened(connection: &Connection) -> rusqlite::Result<Opened> {
    let newest = "SELECT recorded FROM verdicts ORDER BY sequence DESC LIMIT 1";
    let recorded = connection
        .query_row(newest, [], |row| row.get(0))
        .optional()?;
    let Known {
        consumers,
        counters,
    } = known(connection)?;
    Ok(Opened {
        sequence: last_used(connection)?,
        recorded: recorded.map(time),
        oldest: oldest(connection)?,
        consumers,
        counters,
        epoch: 1,
        replaced: false,
        lost: None,
    })
}

/// Size of the write-ahead log of the journal `path`, bytes; 0 if there is none.
pub fn wal_bytes(path: &Path) -> u64 {
    let mut path = path.to_owned().into_os_string();
    path.push("-wal");
    fs::metadata(path).map_or(0, |file| file.len())
}
