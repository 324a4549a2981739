//! Queries of the journal: pages of verdicts, and their numbers.

mod counts;
mod sql;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use inspectd_core::decision::Decision;
use inspectd_core::id::{CameraId, RecipeId};
use inspectd_core::precision::Precision;
use inspectd_core::record::{ModelId, RecipeTag, Stamp, Verdict};
use parking_lot::Mutex;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use uuid::Uuid;

use super::label::{self, Label};
use super::order::Order;
use super::row::{self, nanoseconds};
use super::{JournalError, STEP_BACK, schema};

pub use counts::CameraCount;

/// Idle connections that stay open; more are closed after use.
const KEPT_CONNECTIONS: usize = 4;

/// Selects verdicts. An empty list selects all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Cameras.
    pub cameras: Vec<CameraId>,
    /// Decisions.
    pub decisions: Vec<Decision>,
    /// The part's id.
    pub part_id: Option<String>,
    /// The recipe.
    pub recipe: Option<RecipeId>,
    /// The lowest score; verdicts without a score are not selected then.
    pub least_score: Option<f32>,
}

impl Filter {
    /// Whether the filter selects a verdict.
    pub fn matches(&self, verdict: &Verdict) -> bool {
        let camera = verdict.subject.camera.as_ref();
        let tag = verdict.subject.tag.as_ref();
        let recipe = verdict.subject.stamp.recipe.as_ref();
        let judgement = verdict.outcome.judgement();
        let score = judgement.map(|judgement| judgement.score.score);
        (self.cameras.is_empty() || camera.is_some_and(|id| self.cameras.contains(id)))
            && (self.decisions.is_empty() || self.decisions.contains(&verdict.decision()))
            && self
                .part_id
                .as_ref()
                .is_none_or(|part| tag.is_some_and(|tag| tag.part_id == *part))
            && self
                .recipe
                .as_ref()
                .is_none_or(|id| recipe.is_some_and(|recipe| recipe.id == id.as_str()))
            && self
                .least_score
                .is_none_or(|least| score.is_some_and(|score| score >= least))
    }
}

/// A query for one page of verdicts.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Selects verdicts.
    pub filter: Filter,
    /// Lowest sequence.
    pub from: u64,
    /// Highest sequence.
    pub to: u64,
    /// The order.
    pub order: Order,
    /// Maximum number of verdicts.
    pub limit: usize,
}

/// Read access to a journal, also while the store writes. It can be shared by threads: each call uses a
/// connection of its own.
#[derive(Debug)]
pub struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
    /// Incremented when the file was replaced.
    generation: AtomicU64,
}

impl Readers {
    /// Reads this file. It is opened by the first call.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// Closes all connections: the file was replaced.
    pub fn reset(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.idle.lock().clear();
    }

    fn with<T>(
        &self,
        read: impl FnOnce(&mut Reader) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let generation = self.generation.load(Ordering::Acquire);
        let idle = self.idle.lock().pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => Reader::open(&self.path)?,
        };
        // After an error the connection is closed.
        let result = read(&mut reader)?;
        let mut idle = self.idle.lock();
        let same_file = generation == self.generation.load(Ordering::Acquire);
        if same_file && idle.len() < KEPT_CONNECTIONS {
            idle.push(reader);
        }
        Ok(result)
    }

    /// Reads a page. Every filter uses an index: the time depends on the length of the page, not of the
    /// journal.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn page(&self, page: &Page) -> Result<Vec<Verdict>, JournalError> {
        self.with(|reader| reader.page(page))
    }

    /// Reads one verdict; `None` if it is not stored.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&self, sequence: u64) -> Result<Option<Verdict>, JournalError> {
        let page = Page {
            filter: Filter::default(),
            from: sequence,
            to: sequence,
            order: Order::Ascending,
            limit: 1,
        };
        Ok(self.page(&page)?.pop())
    }

    /// The labels of the verdicts `from` to `to`, by sequence, at most `limit`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn labels(
        &self,
        from: u64,
        to: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Label)>, JournalError> {
        self.with(|reader| label::page(&reader.connection, from, to, Order::Ascending, limit))
    }

    /// Reads these verdicts, in this order; `None` for each that is not stored.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get_all(&self, sequences: &[u64]) -> Result<Vec<Option<Verdict>>, JournalError> {
        sequences.iter().map(|one| self.get(*one)).collect()
    }

    /// The newest labels of the verdicts `from` to `to`, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest_labels(
        &self,
        from: u64,
        to: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Label)>, JournalError> {
        self.with(|reader| label::page(&reader.connection, from, to, Order::Descending, limit))
    }

    /// The labels of these verdicts, as far as they have one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn labels_of(&self, sequences: &[u64]) -> Result<Vec<(u64, Label)>, JournalError> {
        self.with(|reader| {
            let labels = sequences.iter();
            let labels = labels.map(|sequence| label::get(&reader.connection, *sequence));
            Ok(labels
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .flatten()
                .collect())
        })
    }

    /// The first stored sequence that was recorded at or after `time`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn first_since(&self, time: SystemTime) -> Result<Option<u64>, JournalError> {
        self.with(|reader| reader.first_since(nanoseconds(time)))
    }

    /// Counts the verdicts before the sequence `before` that were recorded from `from` on and before `to`, by camera and
    /// decision. The time depends on their number, not on that of all verdicts.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn counts(
        &self,
        from: SystemTime,
        to: SystemTime,
        before: u64,
    ) -> Result<Vec<CameraCount>, JournalError> {
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        // Once, at the start: no connection is kept for it.
        Reader::open(&self.path)?.counts(nanoseconds(from), nanoseconds(to), before)
    }

    /// The verdicts of requests with this idempotency key, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of_key(&self, key: &str, limit: usize) -> Result<Vec<Verdict>, JournalError> {
        self.with(|reader| {
            let select =
                "SELECT * FROM verdicts WHERE idempotency_key = ?1 ORDER BY sequence LIMIT ?2";
            reader.verdicts(
                select,
                [Value::from(key.to_owned()), Value::from(limit as i64)],
            )
        })
    }
}

/// A connection with a cache of `runs` and `stamps`. Rows of these tables never change, and each run or
/// change of settings adds only one.
#[derive(Debug)]
struct Reader {
    connection: Connection,
    runs: HashMap<i64, Uuid>,
    stamps: HashMap<i64, Arc<Stamp>>,
}

impl Reader {
    fn open(path: &Path) -> Result<Self, JournalError> {
        Ok(Self {
            connection: schema::open_reader(path)?,
            runs: HashMap::new(),
            stamps: HashMap::new(),
        })
    }

    fn page(&mut self, page: &Page) -> Result<Vec<Verdict>, JournalError> {
        let (select, values) = sql::select(page);
        self.verdicts(&select, values)
    }

    fn verdicts(
        &mut self,
        select: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Verdict>, JournalError> {
        let Self {
            connection,
            runs,
            stamps,
        } = self;
        let mut statement = connection.prepare_cached(select)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut verdicts = Vec::new();
        while let Some(row) = rows.next()? {
            let run = match runs.get(&row.get("run")?) {
                Some(run) => *run,
                None => look_up_run(connection, row, runs)?,
            };
            let stamp = match stamps.get(&row.get("stamp")?) {
                Some(stamp) => Arc::clone(stamp),
                None => look_up_stamp(connection, row, stamps)?,
            };
            verdicts.push(row::verdict(row, run, stamp)?);
        }
        Ok(verdicts)
    }

    /// Binary search. `recorded` never decreases from one sequence to the next, except where the wall clock was set back:
    /// the search is in the last stretch between two of these places that begins at or before `time`.
    fn first_since(&mut self, time: i64) -> Result<Option<u64>, JournalError> {
        // Two subqueries: one query with min and max would scan all rows.
        let ends =
            "SELECT (SELECT min(sequence) FROM verdicts), (SELECT max(sequence) FROM verdicts)";
        let (first, last): (Option<i64>, Option<i64>) =
            self.connection
                .query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (Some(mut low), Some(last)) = (first, last) else {
            return Ok(None);
        };
        let mut high = last + 1;
        let mut steps = self.connection.prepare_cached(
            "SELECT sequence, recorded FROM verdicts
            WHERE sequence IN (SELECT value FROM counters WHERE name GLOB ?1) ORDER BY sequence",
        )?;
        let steps = steps.query_map([format!("{STEP_BACK}*")], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
        let steps: Vec<(i64, i64)> = steps.collect::<Result<_, _>>()?;
        let begun = steps.iter().rposition(|&(_, recorded)| recorded <= time);
        low = begun.map_or(low, |index| steps[index].0);
        let next = steps.get(begun.map_or(0, |index| index + 1));
        high = next.map_or(high, |&(sequence, _)| sequence);
        let mut at = self.connection.prepare_cached(
            "SELECT sequence, recorded FROM verdicts WHERE sequence >= ?1 ORDER BY sequence LIMIT 1",
        )?;
        while low < high {
            let middle = low + (high - low) / 2;
            let found = at
                .query_row([middle], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            match found {
                Some((sequence, recorded)) if i64::lt(&recorded, &time) => {
                    low = i64::max(sequence, middle) + 1;
                }
                _ => high = middle,
            }
        }
        // `low` may be in a gap between sequences.
        let found = at.query_row([low], |row| row.get::<_, i64>(0)).optional()?;
        Ok(found.map(|sequence| sequence as u64))
    }
}

fn look_up_run(
    connection: &Connection,
    row: &Row<'_>,
    known: &mut HashMap<i64, Uuid>,
) -> Result<Uuid, JournalError> {
    let id = row.get("run")?;
    let text: String =
        connection.query_row("SELECT uuid FROM runs WHERE id = ?1", [id], |row| {
            row.get(0)
        })?;
    let run = row::uuid("run", text).map_err(|source| JournalError::Row {
        sequence: row.get::<_, i64>("sequence").unwrap_or_default() as u64,
        source,
    })?;
    known.insert(id, run);
    Ok(run)
}

/// The precision of the model in a row of `stamps`. A file before version 4 of the schema does not have it: its models are in
/// f32.
fn stored_precision(row: &Row<'_>) -> rusqlite::Result<Precision> {
    let Ok(column) = row.as_ref().column_index("model_precision") else {
        return Ok(Precision::F32);
    };
    let name: String = row.get(column)?;
    Precision::from_name(&name).ok_or_else(|| {
        let unknown = format!("unknown precision {name:?}").into();
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, unknown)
    })
}

fn look_up_stamp(
    connection: &Connection,
    row: &Row<'_>,
    known: &mut HashMap<i64, Arc<Stamp>>,
) -> Result<Arc<Stamp>, JournalError> {
    let id: i64 = row.get("stamp")?;
    let stamp = connection.query_row("SELECT * FROM stamps WHERE id = ?1", [id], |row| {
        let recipe: String = row.get("recipe")?;
        Ok(Stamp {
            model: ModelId {
                name: row.get("model_name")?,
                version: row.get("model_version")?,
                sha256: row.get("model_sha256")?,
                precision: stored_precision(row)?,
            },
            config_hash: row.get("config_hash")?,
            provider: row.get("provider")?,
            recipe: match recipe.as_str() {
                "" => None,
                _ => Some(RecipeTag {
                    version: row.get("recipe_version")?,
                    sha256: row.get("recipe_sha256")?,
                    id: recipe,
                }),
            },
        })
    })?;
    let stamp = Arc::new(stamp);
    known.insert(id, Arc::clone(&stamp));
    Ok(stamp)
}
