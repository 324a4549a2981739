//! Damaged journals: finding damage, setting a damaged file aside, and reading from it what can be read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use inspectd_core::atomic_file;
use rusqlite::Connection;

use super::known::{self, Known};
use super::schema::{self, CURRENT};
use super::{FILE, JournalError, file};

/// Verdicts that are copied at a time. After an error they are copied one by one.
const CHUNK: i64 = 1000;

/// Empty chunks in a row after which nothing more is expected beyond the damage.
const EMPTY_CHUNKS: u32 = 1000;

/// Ending of the name of a file that was set aside, before its number.
const ASIDE: &str = ".damaged-";

/// Steps of SQLite between two questions whether a check is to end.
const STEPS: i32 = 10_000;

/// Pause before damage is confirmed by a second check.
const CONFIRM_PAUSE: Duration = Duration::from_secs(1);

/// A check of a journal for damage.
#[derive(Debug)]
pub struct Check {
    connection: Connection,
}

/// How much a check reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every page.
    Pages,
    /// Also whether the indexes agree with the rows, which takes several times as long.
    Indexes,
}

impl Check {
    /// Opens the journal `path` for reading.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let connection = schema::open_reader(path)?;
        Ok(Self { connection })
    }

    /// Reads the whole file. Returns what is damaged, at most `limit` findings; nothing if it is intact.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn run(&self, depth: Depth, limit: u32) -> Result<Vec<String>, JournalError> {
        let pragma = match depth {
            Depth::Pages => "quick_check",
            Depth::Indexes => "integrity_check",
        };
        let findings = || -> rusqlite::Result<Vec<String>> {
            let mut check = self
                .connection
                .prepare(&format!("PRAGMA {pragma}({limit})"))?;
            let rows = check.query_map([], |row| row.get::<_, String>(0))?;
            rows.collect()
        };
        match findings() {
            Ok(lines) => match lines.iter().find(|line| is_unreadable(line)) {
                Some(line) => Err(JournalError::Unreadable(line.clone())),
                None => Ok(lines.into_iter().filter(|line| line != "ok").collect()),
            },
            Err(error) => {
                let error = JournalError::from(error);
                if error.is_damage() {
                    return Ok(vec![error.to_string()]);
                }
                Err(error)
            }
        }
    }

    /// As [`Self::run`]; asks again and again whether to end.
    fn run_until(
        &self,
        depth: Depth,
        ends: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Vec<String>, JournalError> {
        self.connection.progress_handler(STEPS, Some(ends))?;
        self.run(depth, 1)
    }

    /// Number of verdicts that can be counted, and the first and the last sequence.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn summary(&self) -> Result<(u64, Option<(u64, u64)>), JournalError> {
        let select = "SELECT count(*), min(sequence), max(sequence) FROM verdicts";
        let read = |row: &rusqlite::Row<'_>| {
            let ends = row
                .get::<_, Option<i64>>(1)?
                .zip(row.get::<_, Option<i64>>(2)?);
            let ends = ends.map(|(first, last)| (first as u64, last as u64));
            Ok((row.get::<_, i64>(0)? as u64, ends))
        };
        Ok(self.connection.query_row(select, [], read)?)
    }
}

/// Checks the journal `path`, and once more after a pause if something was found: a disk that fails for a moment can make an
/// intact file look damaged. Returns what was found both times. Asks again and again whether to end.
///
/// # Errors
/// When it cannot be read, or was ended.
pub fn confirmed_damage(
    path: &Path,
    depth: Depth,
    ends: impl FnMut() -> bool + Clone + Send + 'static,
) -> Result<Option<String>, JournalError> {
    let find = || match Check::open(path) {
        Ok(check) => Ok(check.run_until(depth, ends.clone())?.pop()),
        Err(error) if error.is_damage() => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    };
    if find()?.is_none() {
        return Ok(None);
    }
    thread::sleep(CONFIRM_PAUSE);
    find()
}

/// Whether a finding of SQLite's check is an error of the disk and no damage: it reports both alike.
fn is_unreadable(finding: &str) -> bool {
    if finding.contains("failed to get page") {
        return true;
    }
    let code = finding.split_once("error code=");
    let code = code.and_then(|(_, code)| code.trim().parse::<i32>().ok());
    // The lowest byte is the kind of error.
    code.is_some_and(|code| code & 0xff != rusqlite::ffi::SQLITE_CORRUPT)
}

/// What can be read of the consumers and counters of a damaged journal.
pub fn rescue(path: &Path) -> Known {
    let known = schema::open_reader(path).and_then(|connection| Ok(known::known(&connection)?));
    known.unwrap_or_default()
}

/// Renames a damaged journal and its write-ahead log. Returns its new path.
///
/// # Errors
/// When a file cannot be renamed.
pub fn set_aside(folder: &Path) -> io::Result<PathBuf> {
    let free = |number: &u32| !folder.join(format!("{FILE}{ASIDE}{number}")).exists();
    let number = (1..u32::MAX).find(free).unwrap_or(u32::MAX);
    for ending in ["", "-wal", "-shm"] {
        let from = folder.join(format!("{FILE}{ending}"));
        let to = folder.join(format!("{FILE}{ASIDE}{number}{ending}"));
        match atomic_file::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(folder.join(format!("{FILE}{ASIDE}{number}")))
}

/// The damaged journals that were set aside in `folder`.
pub fn aside(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_aside = |name: &str| {
        let number = name
            .strip_prefix(FILE)
            .and_then(|rest| rest.strip_prefix(ASIDE));
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_aside))
        .map(|entry| entry.path())
        .collect();
    // By number.
    found.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    found
}

/// What [`salvage`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Verdicts that were copied.
    pub copied: u64,
    /// Sequences between the first and the last one that were not read.
    pub lost: u64,
    /// First and last sequence that were copied.
    pub range: Option<(u64, u64)>,
    /// Consumers that were copied.
    pub consumers: u64,
}

/// Copies what can be read of the damaged journal `damaged` into a new journal in the folder `out`, which must not have
/// one. `progress` is called with the number of verdicts so far.
///
/// # Errors
/// When the new journal cannot be written, or nothing can be read.
pub fn salvage(
    damaged: &Path,
    out: &Path,
    mut progress: impl FnMut(u64),
) -> Result<Salvaged, JournalError> {
    let folder = |source| JournalError::Folder {
        folder: out.to_owned(),
        source,
    };
    // Opening it would create an empty one.
    fs::File::open(damaged).map_err(folder)?;
    fs::create_dir_all(out).map_err(folder)?;
    let path = file(out);
    if path.exists() {
        let message = format!("{} exists already", path.display());
        return Err(folder(io::Error::new(
            io::ErrorKind::AlreadyExists,
            message,
        )));
    }
    let connection = CURRENT.open(&path)?;
    connection.execute("ATTACH ?1 AS damaged", [damaged.to_string_lossy()])?;
    let stamps = "id, model_name, model_version, model_sha256, config_hash, provider, recipe, recipe_version, recipe_sha256";
    for (table, columns) in [("runs", "*"), ("stamps", stamps), ("counters", "*")] {
        // Without a row of one of these, its verdicts cannot be read later.
        let names = match columns {
            "*" => String::new(),
            _ => format!("({columns})"),
        };
        connection.execute(
            &format!(
                "INSERT OR IGNORE INTO main.{table} {names} SELECT {columns} FROM damaged.{table}"
            ),
            [],
        )?;
    }
    // A journal before version 4 does not have them: its models are in f32.
    let precisions = "UPDATE main.stamps SET model_precision = damaged.stamps.model_precision
        FROM damaged.stamps WHERE main.stamps.id = damaged.stamps.id";
    let _ = connection.execute(precisions, []);
    let consumers = "INSERT OR IGNORE INTO main.consumers (name, acknowledged, changed)
        SELECT name, acknowledged, changed FROM damaged.consumers";
    // A journal of version 1 does not have them.
    let clients = "UPDATE main.consumers SET client = damaged.consumers.client
        FROM damaged.consumers WHERE main.consumers.name = damaged.consumers.name";
    let mut salvaged = Salvaged {
        consumers: connection.execute(consumers, []).unwrap_or(0) as u64,
        ..Salvaged::default()
    };
    let _ = connection.execute(clients, []);
    // The same. Labels that cannot be read are lost.
    let labels = "INSERT OR IGNORE INTO main.labels SELECT * FROM damaged.labels";
    let _ = connection.execute(labels, []);
    let last = last_sequence(&connection);
    let mut from = 1;
    let mut empty = 0;
    while last.map_or(empty < EMPTY_CHUNKS, |last| from <= last) {
        let to = from + CHUNK - 1;
        let copied = match copy(&connection, from, to) {
            Ok(copied) => copied,
            Err(_) => (from..=to)
                .map(|sequence| copy(&connection, sequence, sequence).unwrap_or(0))
                .sum(),
        };
        salvaged.copied += copied as u64;
        empty = if copied == 0 { empty + 1 } else { 0 };
        progress(salvaged.copied);
        from = to + 1;
    }
    let ends = "SELECT min(sequence), max(sequence) FROM main.verdicts";
    let ends: (Option<i64>, Option<i64>) =
        connection.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    salvaged.range = ends
        .0
        .zip(ends.1)
        .map(|(first, last)| (first as u64, last as u64));
    if let Some((first, last)) = salvaged.range {
        salvaged.lost = last - first + 1 - salvaged.copied;
    }
    connection.execute("DETACH damaged", [])?;
    Ok(salvaged)
}

/// The last sequence that the damaged journal used, if that can be read.
fn last_sequence(connection: &Connection) -> Option<i64> {
    let used = "SELECT seq FROM damaged.sqlite_sequence WHERE name = 'verdicts'";
    connection.query_row(used, [], |row| row.get(0)).ok()
}

fn copy(connection: &Connection, from: i64, to: i64) -> rusqlite::Result<usize> {
    connection.execute(
        "INSERT OR IGNORE INTO main.verdicts SELECT * FROM damaged.verdicts WHERE sequence BETWEEN ?1 AND ?2",
        [from, to],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_of_the_disk_is_not_taken_for_damage() {
        for (finding, unreadable) in [
            (
                "Tree 7 page 12: unable to get the page. error code=266",
                true,
            ),
            ("Freelist: failed to get page 9", true),
            (
                "Tree 7 page 12: unable to get the page. error code=11",
                false,
            ),
            (
                "Tree 7 page 12: btreeInitPage() returns error code 11",
                false,
            ),
            ("Tree 7 page 12: Rowid 5 out of order", false),
            ("ok", false),
        ] {
            assert_eq!(is_unreadable(finding), unreadable, "{finding}");
        }
    }
}
