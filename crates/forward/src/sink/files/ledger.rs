//! What the files already have.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use serde::Deserialize;

use super::csv_line;
use crate::config::FileFormat;
use crate::record::Record;

/// The records of the last files, as far as they may come again.
///
/// The daemon sends verdicts in the order of their sequences, so the highest sequence says which ones are there. It begins
/// again after a gap after which sequences may begin again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    highest: u64,
    /// Ids of gaps, and of verdicts without a sequence.
    others: HashSet<String>,
}

/// The fields of a line that matter here.
#[derive(Debug, Deserialize)]
struct Line {
    r#type: String,
    id: String,
    #[serde(default)]
    sequence: u64,
    #[serde(default)]
    reason: String,
}

impl Line {
    /// Whether later verdicts may have sequences of earlier ones.
    fn restarts(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "sequences_restarted" | "position_lost"
        )
    }
}

impl Ledger {
    /// Reads files, the newest first, until the highest sequence is known.
    pub fn read<'a>(files: impl Iterator<Item = &'a Path>, format: FileFormat) -> io::Result<Self> {
        let mut others = HashSet::new();
        let mut highest = 0;
        for path in files {
            let mut ledger = Self::default();
            let restarts = match format {
                FileFormat::Jsonl => ledger.read_jsonl(path)?,
                FileFormat::Csv => ledger.read_csv(path)?,
            };
            others.extend(ledger.others);
            highest = ledger.highest;
            if highest > 0 || restarts {
                break;
            }
        }
        Ok(Self { highest, others })
    }

    /// Records that a record is written. Returns false if the files have it already.
    pub fn add(&mut self, record: &Record) -> bool {
        let line = match record {
            Record::Verdict(record) => Line {
                r#type: "verdict".to_owned(),
                id: record.id.clone(),
                sequence: record.verdict.sequence,
                reason: String::new(),
            },
            Record::Gap(record) => Line {
                r#type: "gap".to_owned(),
                id: record.id.clone(),
                sequence: 0,
                reason: record.gap.reason().to_owned(),
            },
        };
        if line.sequence > 0 && line.sequence <= self.highest {
            return false;
        }
        self.take(line)
    }

    /// Takes a line. Returns false if it was there.
    fn take(&mut self, line: Line) -> bool {
        if line.r#type == "verdict" && line.sequence > 0 {
            self.highest = line.sequence;
            return true;
        }
        let restarts = line.restarts();
        let added = self.others.insert(line.id);
        if added && restarts {
            self.highest = 0;
        }
        added
    }

    /// Returns whether sequences may have begun again within the file.
    fn read_jsonl(&mut self, path: &Path) -> io::Result<bool> {
        let mut restarts = false;
        let file = BufReader::new(File::open(path)?);
        for (place, line) in io::BufRead::lines(file).enumerate() {
            let line: Line =
                serde_json::from_str(&line?).map_err(|error| damaged(path, place + 1, &error))?;
            restarts |= self.take_read(line);
        }
        Ok(restarts)
    }

    fn read_csv(&mut self, path: &Path) -> io::Result<bool> {
        let mut restarts = false;
        let mut reader = csv::Reader::from_path(path)?;
        for (place, row) in reader.records().enumerate() {
            let row = row.map_err(|error| damaged(path, place + 2, &error))?;
            let field = |place: usize| row.get(place).unwrap_or_default().to_owned();
            restarts |= self.take_read(Line {
                r#type: field(csv_line::TYPE),
                id: field(csv_line::ID),
                sequence: field(csv_line::SEQUENCE).parse().unwrap_or(0),
                reason: field(csv_line::REASON),
            });
        }
        Ok(restarts)
    }

    fn take_read(&mut self, line: Line) -> bool {
        let restarts = line.restarts();
        self.take(line);
        restarts
    }
}

fn damaged(path: &Path, line: usize, error: &dyn std::fmt::Display) -> io::Error {
    let message = format!("{}: line {line} cannot be read: {error}", path.display());
    io::Error::new(io::ErrorKind::InvalidData, message)
}
