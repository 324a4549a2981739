//! What the journal's folder has: statistics of verdicts and evidence, the state of the audit log. Files are only read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Context, Parts, at, rfc3339};
use crate::audit;
use crate::journal::statistics::{DayCount, Statistics, is_in_use};
use crate::journal::{self, JournalError};

/// How long a query may take.
const QUERY_LIMIT: Duration = Duration::from_secs(30);

/// How long the check of the file may take.
const CHECK_LIMIT: Duration = Duration::from_mins(3);

/// Days of which decisions are counted.
const DAYS: u64 = 14;

/// Faults that are listed.
const FAULTS: u32 = 100;

/// Text files of the journal's folder that are included.
const TEXTS: [(&str, &str); 2] = [
    ("sequences.toml", "the high-water mark of sequences"),
    ("state.toml", "the active recipe, pauses and the lock"),
];

/// The audit log.
const AUDIT: &str = "audit.sqlite";

/// Most bytes of such a text file.
const LARGEST_TEXT: u64 = 4 << 20;

/// Names of decisions by their number in the journal.
const DECISIONS: [&str; 5] = ["?", "PASS", "REJECT", "REVIEW", "FAULT"];

pub(super) fn collect(context: &Context<'_>, parts: &mut Parts) {
    let folder = context.journal();
    let journal = folder
        .clone()
        .and_then(|folder| statistics(context, &folder));
    parts.add(
        "journal.txt",
        "statistics of the journal, consumers, decisions per day, check for damage",
        journal,
    );
    let faults = folder.clone().and_then(|folder| faults(&folder));
    parts.add("faults.txt", "the last faults in the journal", faults);
    for (name, about) in TEXTS {
        let text = folder.clone().and_then(|folder| {
            let path = folder.join(name);
            // The daemon writes them when it needs them.
            if folder.is_dir() && !path.exists() {
                return Ok("the file does not exist\n".to_owned());
            }
            read_text(&path)
        });
        parts.add(&format!("journal/{name}"), about, text);
    }
    let audit = folder.clone().and_then(|folder| verified(&folder));
    parts.add(
        "audit.txt",
        "verification of the audit log, without its entries",
        audit,
    );
    let evidence = folder.and_then(|folder| evidence(context, &folder.join("evidence"), parts));
    parts.add(
        "evidence.txt",
        "number and size of evidence files",
        evidence,
    );
}

fn failed(error: &JournalError) -> String {
    error.to_string()
}

fn open(folder: &Path, limit: Duration) -> Result<Statistics, String> {
    let path = journal::file(folder);
    if let Err(error) = fs::metadata(&path) {
        return Err(at(&path, &error));
    }
    Statistics::open(&path, limit).map_err(|error| failed(&error))
}

/// Each query on its own: a damaged page spoils only those that read it.
fn statistics(context: &Context<'_>, folder: &Path) -> Result<String, String> {
    let path = journal::file(folder);
    let mut out = format!("{}\nin use: {}\n", path.display(), is_in_use(folder));
    for aside in journal::repair::aside(folder) {
        let _ = writeln!(
            out,
            "damaged journal that was set aside: {}",
            aside.display()
        );
    }
    let statistics = open(folder, QUERY_LIMIT)?;
    let mut section = |title: &str, text: Result<String, JournalError>| {
        let text = text.unwrap_or_else(|error| format!("not read: {error}"));
        let _ = write!(out, "\n{title}\n{}\n", text.trim_end());
    };
    let json = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
    section(
        "file",
        statistics
            .file(&path)
            .map(|file| json(serde_json::to_string_pretty(&file))),
    );
    section(
        "verdicts",
        statistics
            .verdicts()
            .map(|verdicts| json(serde_json::to_string_pretty(&verdicts))),
    );
    section(
        "consumers and counters",
        statistics.known().map(|known| {
            let consumers = known.consumers.iter().map(|(name, consumer)| {
                let client = consumer.client.as_deref().unwrap_or("-");
                let (acknowledged, changed) = (consumer.acknowledged, rfc3339(consumer.changed));
                format!(
                    "consumer {name}: acknowledged {acknowledged} at {changed}, client {client}\n"
                )
            });
            let counters = known
                .counters
                .iter()
                .map(|(name, value)| format!("counter {name}: {value}\n"));
            consumers.chain(counters).collect()
        }),
    );
    section(
        "models, configurations and recipes of stored verdicts",
        statistics
            .stamps()
            .map(|stamps| json(serde_json::to_string_pretty(&stamps))),
    );
    let since = context.options.now - Duration::from_hours(24 * DAYS);
    section(
        "verdicts of the last 14 days (UTC), of the newest 500,000",
        statistics
            .days(since)
            .map(|days| days.iter().map(day_line).collect()),
    );
    let check =
        Statistics::open(&path, CHECK_LIMIT).and_then(|statistics| statistics.quick_check());
    section(
        "check for damage (quick_check)",
        check.map(|lines| lines.join("\n")),
    );
    Ok(out)
}

fn day_line(count: &DayCount) -> String {
    let time = std::time::UNIX_EPOCH + Duration::from_hours(24 * count.day.unsigned_abs());
    let day = rfc3339(time);
    let camera = if count.camera.is_empty() {
        "-"
    } else {
        &count.camera
    };
    let decision = decision(count.decision);
    let DayCount {
        fault, verdicts, ..
    } = count;
    format!("{} {camera} {decision} {fault} {verdicts}\n", &day[..10])
}

fn decision(number: i64) -> &'static str {
    let known = usize::try_from(number)
        .ok()
        .and_then(|number| DECISIONS.get(number));
    known.copied().unwrap_or(DECISIONS[0])
}

fn faults(folder: &Path) -> Result<String, String> {
    let faults = open(folder, QUERY_LIMIT)?.faults(FAULTS);
    let faults = faults.map_err(|error| failed(&error))?;
    let line = |fault: &crate::journal::statistics::StoredFault| {
        let message = fault.message.replace('\n', " ");
        let camera = if fault.camera.is_empty() {
            "-"
        } else {
            &fault.camera
        };
        format!(
            "{} {} {camera} {} {}: {message}\n",
            fault.sequence,
            rfc3339(fault.recorded),
            decision(fault.decision),
            fault.reason
        )
    };
    Ok(faults.iter().map(line).collect())
}

/// The audit log of the folder. One that no daemon has open is copied, because SQLite would create files next to it.
fn verified(folder: &Path) -> Result<String, String> {
    let path = folder.join(AUDIT);
    if let Err(error) = fs::metadata(&path) {
        return Err(at(&path, &error));
    }
    if is_in_use(folder) {
        return Ok(verification(&path));
    }
    let copy = std::env::temp_dir().join(format!("inspectd-support-{}", std::process::id()));
    let copied = || -> std::io::Result<String> {
        DirBuilder::new().mode(0o700).create(&copy)?;
        fs::copy(&path, copy.join(AUDIT))?;
        let log = folder.join(format!("{AUDIT}-wal"));
        if log.exists() {
            fs::copy(&log, copy.join(format!("{AUDIT}-wal")))?;
        }
        Ok(verification(&copy.join(AUDIT)))
    };
    let result = copied().map_err(|error| at(&copy, &error));
    // It is in the folder for temporary files: what cannot be removed now is removed with it.
    let _ = fs::remove_dir_all(&copy);
    result
}

fn verification(path: &Path) -> String {
    match audit::verify(path, None) {
        Ok(verified) => format!(
            "{} entries, none changed\nhead: {}\n",
            verified.entries, verified.head
        ),
        Err(error) => format!("not intact: {error}\n"),
    }
}

/// A small text file.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let length = fs::metadata(path).map_err(|error| at(path, &error))?.len();
    if length > LARGEST_TEXT {
        return Err(format!(
            "{}: has {length} bytes, at most {LARGEST_TEXT} are included",
            path.display()
        ));
    }
    fs::read_to_string(path).map_err(|error| at(path, &error))
}

/// Statistics of the evidence files. Adds pictures if they are wanted.
fn evidence(context: &Context<'_>, folder: &Path, parts: &mut Parts) -> Result<String, String> {
    let folders = fs::read_dir(folder).map_err(|error| at(folder, &error))?;
    let mut files: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
    let mut bytes = 0;
    for folder in folders.flatten().map(|entry| entry.path()) {
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            let sequence = name
                .split('.')
                .next()
                .and_then(|number| number.parse().ok());
            let Some(sequence) = sequence else { continue };
            bytes += file.metadata().map_or(0, |file| file.len());
            files.entry(sequence).or_default().push(file.path());
        }
    }
    let ends = files.first_key_value().zip(files.last_key_value());
    let ends = ends.map_or_else(String::new, |((first, _), (last, _))| {
        format!(", {first} to {last}")
    });
    let newest = files.iter().rev().take(context.options.evidence);
    let mut pictures: Vec<&PathBuf> = newest
        .flat_map(|(_, files)| files)
        .filter(|path| path.extension().is_some_and(|extension| extension == "jpg"))
        .collect();
    pictures.sort();
    for path in pictures {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Ok(picture) = fs::read(path) {
            parts.add_bytes(format!("evidence/{name}"), "a picture of a part", picture);
        }
    }
    Ok(format!(
        "{} verdicts with files{ends}, {bytes} bytes\n",
        files.len()
    ))
}
