//! The records that the files already contain.

mod contents;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use self::contents::Contents;
use super::csv_line;
use crate::config::FileFormat;
use crate::record::Record;

/// The records of the last files, as far as they may be sent again.
///
/// The daemon sends the verdicts of a run in the order of their sequences, so the highest sequence of a run shows which
/// of its verdicts the files contain. A verdict of a run that no file contains is new, whatever its sequence: another
/// journal begins with sequence 1 again. Older files are read only if the run may be in them.
#[derive(Debug)]
pub struct Ledger {
    contents: Contents,
    /// The files that were not read, the newest last.
    unread: Vec<PathBuf>,
    format: FileFormat,
}

/// The fields of a line that matter here.
#[derive(Debug, Default, Deserialize)]
struct Line {
    r#type: String,
    id: String,
    #[serde(default)]
    sequence: u64,
    #[serde(default)]
    run_id: String,
    #[serde(default)]
    reason: String,
}

impl Line {
    fn of(record: &Record) -> Self {
        match record {
            Record::Verdict(record) => Self {
                r#type: "verdict".to_owned(),
                id: record.id.clone(),
                sequence: record.verdict.sequence,
                run_id: record.verdict.run_id.clone(),
                reason: String::new(),
            },
            Record::Gap(record) => Self {
                r#type: "gap".to_owned(),
                id: record.id.clone(),
                reason: record.gap.reason().to_owned(),
                ..Self::default()
            },
        }
    }

    /// Whether it is a verdict with a sequence.
    fn is_numbered(&self) -> bool {
        self.r#type == "verdict" && self.sequence > 0
    }

    /// Whether later verdicts may have sequences of earlier ones.
    fn restarts(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "sequences_restarted" | "position_lost"
        )
    }
}

impl Ledger {
    /// Reads the newest of the files, the oldest first in `files`, until the sequence of the last verdict is known.
    pub fn read(files: Vec<PathBuf>, format: FileFormat) -> io::Result<Self> {
        let mut ledger = Self {
            contents: Contents::default(),
            unread: files,
            format,
        };
        while ledger.contents.last_sequence() == 0 && ledger.read_older()? {}
        Ok(ledger)
    }

    /// Records that a record is written. Returns false if the files have it already.
    ///
    /// # Errors
    /// If an older file must be read and cannot be. The files must then be opened again.
    pub fn add(&mut self, record: &Record) -> io::Result<bool> {
        let line = Line::of(record);
        // A higher sequence than the last one is new in any case.
        if line.is_numbered() && line.sequence <= self.contents.last_sequence() {
            while !self.contents.has_run(&line.run_id) && self.read_older()? {}
        }
        Ok(self.contents.take(line))
    }

    /// Reads the newest of the files that were not read. Returns false if there is none.
    fn read_older(&mut self) -> io::Result<bool> {
        let Some(path) = self.unread.pop() else {
            return Ok(false);
        };
        let older = match self.format {
            FileFormat::Jsonl => read_jsonl(&path)?,
            FileFormat::Csv => read_csv(&path)?,
        };
        if older.has_restarted() {
            // Verdicts before the gap may be sent again, and are written again.
            self.unread.clear();
        }
        self.contents.precede_with(older);
        Ok(true)
    }
}

fn read_jsonl(path: &Path) -> io::Result<Contents> {
    let mut contents = Contents::default();
    let file = BufReader::new(File::open(path)?);
    for (place, line) in io::BufRead::lines(file).enumerate() {
        let line: Line =
            serde_json::from_str(&line?).map_err(|error| damaged(path, place + 1, &error))?;
        contents.take(line);
    }
    Ok(contents)
}

fn read_csv(path: &Path) -> io::Result<Contents> {
    let mut contents = Contents::default();
    let mut reader = csv::Reader::from_path(path)?;
    for (place, row) in reader.records().enumerate() {
        let row = row.map_err(|error| damaged(path, place + 2, &error))?;
        let field = |place: usize| row.get(place).unwrap_or_default().to_owned();
        contents.take(Line {
            r#type: field(csv_line::TYPE),
            id: field(csv_line::ID),
            sequence: field(csv_line::SEQUENCE).parse().unwrap_or(0),
            run_id: field(csv_line::RUN_ID),
            reason: field(csv_line::REASON),
        });
    }
    Ok(contents)
}

fn damaged(path: &Path, line: usize, error: &dyn std::fmt::Display) -> io::Error {
    let message = format!("{}: line {line} cannot be read: {error}", path.display());
    io::Error::new(io::ErrorKind::InvalidData, message)
}
