//! What a shadow has decided: counts, and the list of disagreements, on the disk.
//!
//! ```text
//! shadow/record.json     counts and list
//! shadow/000123.jpg      the shadow's map over the frame of verdict 123
//! ```

use std::collections::VecDeque;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use inspectd_core::atomic_file;
use inspectd_core::decision::Decision;
use serde::{Deserialize, Serialize};

use super::record_path;

/// Disagreements that are listed.
const MOST_LISTED: usize = 1000;

const FILE: &str = "record.json";
const HEATMAP_ENDING: &str = "jpg";

/// What is compared. Counts of one comparison mean nothing for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Compared {
    /// SHA-256 of the manifests of the active model and of the shadow's.
    pub(super) models: [String; 2],
    /// SHA-256 of the active recipe and of the shadow's; empty without one.
    pub(super) recipes: [String; 2],
}

/// A verdict that the shadow decides otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disagreement {
    /// Sequence of the verdict.
    pub sequence: u64,
    /// The camera.
    pub camera: String,
    /// Time of the capture.
    pub captured: SystemTime,
    /// Id of the part; empty if it is not known.
    pub part_id: String,
    /// The decision of the verdict.
    pub active: Side,
    /// The decision of the shadow.
    pub shadow: Side,
    /// The region of the shadow's recipe that decided; empty for the rest of the frame.
    pub region: String,
}

/// One of the two decisions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Index of the decision in [`Decision::ALL`].
    decision: u8,
    /// Score.
    pub score: f32,
    /// Threshold of this score.
    pub threshold: f32,
}

impl Side {
    /// A decision with its score.
    pub fn new(decision: Decision, score: f32, threshold: f32) -> Self {
        Self {
            decision: index(decision) as u8,
            score,
            threshold,
        }
    }

    /// The decision.
    pub fn decision(&self) -> Decision {
        let known = Decision::ALL.get(usize::from(self.decision));
        known.copied().unwrap_or(Decision::Fault)
    }
}

/// Counts and list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) compared: Option<Compared>,
    pub(super) since: Option<SystemTime>,
    pub(super) skipped: u64,
    pub(super) failed: u64,
    /// Judged frames by the decision of the verdict and that of the shadow.
    counts: [[u64; 4]; 4],
    /// The oldest first.
    pub(super) disagreements: VecDeque<Disagreement>,
}

fn index(decision: Decision) -> usize {
    let position = Decision::ALL.iter().position(|one| *one == decision);
    position.expect("all decisions are listed")
}

impl Record {
    /// A record without frames.
    pub(super) fn new(compared: Option<Compared>, since: Option<SystemTime>) -> Self {
        Self {
            compared,
            since,
            ..Self::default()
        }
    }

    /// Counts a frame with the decisions of the verdict and of the shadow.
    pub(super) fn count(&mut self, (active, shadow): (Decision, Decision), now: SystemTime) {
        self.since.get_or_insert(now);
        self.counts[index(active)][index(shadow)] += 1;
    }

    /// Lists a disagreement. Returns the oldest one if there are too many.
    pub(super) fn list(&mut self, disagreement: Disagreement) -> Option<Disagreement> {
        self.disagreements.push_back(disagreement);
        if self.disagreements.len() > MOST_LISTED {
            return self.disagreements.pop_front();
        }
        None
    }

    /// The numbers that are not zero.
    pub(super) fn pairs(&self) -> Vec<(Decision, Decision, u64)> {
        let all = Decision::ALL;
        let pairs = all
            .iter()
            .flat_map(|active| all.iter().map(|shadow| (*active, *shadow)));
        pairs
            .map(|(active, shadow)| (active, shadow, self.counts[index(active)][index(shadow)]))
            .filter(|(_, _, count)| *count > 0)
            .collect()
    }

    pub(super) fn judged(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    pub(super) fn disagreed(&self) -> u64 {
        let pairs = self.pairs().into_iter();
        let different = pairs.filter(|(active, shadow, _)| active != shadow);
        different.map(|(_, _, count)| count).sum()
    }
}

/// The files of a record.
#[derive(Debug)]
pub(super) struct RecordFile {
    folder: PathBuf,
}

impl RecordFile {
    /// The files in the journal's folder.
    pub(super) fn new(journal: &Path) -> Self {
        Self {
            folder: record_path(journal),
        }
    }

    /// Reads the record that was written last; an empty one if there is none.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a record.
    pub(super) fn read(&self) -> io::Result<Record> {
        match fs::read(self.folder.join(FILE)) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Record::default()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the record.
    ///
    /// # Errors
    /// When it cannot be written; then the previous one is unchanged.
    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        atomic_file::write(&self.folder.join(FILE), serde_json::to_vec(record)?)
    }

    fn heatmap_path(&self, sequence: u64) -> PathBuf {
        self.folder.join(format!("{sequence:06}.{HEATMAP_ENDING}"))
    }

    pub(super) fn heatmap(&self, sequence: u64) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.heatmap_path(sequence)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write_heatmap(&self, sequence: u64, jpeg: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        atomic_file::write(&self.heatmap_path(sequence), jpeg)
    }

    pub(super) fn remove_heatmap(&self, sequence: u64) -> io::Result<()> {
        match fs::remove_file(self.heatmap_path(sequence)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn remove_heatmaps(&self) -> io::Result<()> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let file = entry?.path();
            if file
                .extension()
                .is_some_and(|ending| ending == HEATMAP_ENDING)
            {
                fs::remove_file(file)?;
            }
        }
        Ok(())
    }
}
