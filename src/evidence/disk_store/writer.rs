//! The thread that writes and removes evidence files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use inspectd_core::atomic_file;
use inspectd_core::frame::Frame;
use tracing::{error, warn};

use super::{Counters, FRAME, HEATMAP, MAP, Task, file_name, folder_of, map_file, path};
use crate::evidence::{Encoding, Evidence, encode, overlay};

/// Allocation unit of a file system: a file occupies whole blocks.
const BLOCK: u64 = 4096;

/// Suffix of unfinished files of earlier versions.
const FORMER_SUFFIX: &str = ".tmp";

/// The state of the thread.
pub(super) struct Writer {
    folder: PathBuf,
    /// The quota in bytes.
    limit: u64,
    /// Bytes of all files, in whole blocks.
    bytes: u64,
    /// Bytes of each verdict's files, by sequence.
    kept: BTreeMap<u64, u64>,
    counters: Arc<Counters>,
}

impl Writer {
    pub(super) fn new(folder: PathBuf, limit: u64, counters: Arc<Counters>) -> Self {
        Self {
            folder,
            limit,
            bytes: 0,
            kept: BTreeMap::new(),
            counters,
        }
    }

    /// Runs tasks until their sender is dropped.
    pub(super) fn run(mut self, tasks: &Receiver<Task>) {
        if let Err(error) = self.scan() {
            error!(%error, folder = %self.folder.display(), "evidence files cannot be listed");
        }
        self.make_room(0);
        self.update_counters();
        for task in tasks {
            match task {
                Task::Keep(evidence) => self.keep(&evidence),
                Task::ForgetBefore(sequence) => self.forget_before(sequence),
            }
            self.update_counters();
        }
    }

    fn update_counters(&self) {
        self.counters.bytes.store(self.bytes, Ordering::Relaxed);
        self.counters
            .kept
            .store(self.kept.len() as u64, Ordering::Relaxed);
    }

    /// Counts the existing files, and removes those that a killed process left incomplete.
    fn scan(&mut self) -> io::Result<()> {
        let folders = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            folders => folders?,
        };
        for folder in folders {
            let folder = folder?.path();
            if folder.is_dir() {
                self.scan_folder(&folder)?;
            }
        }
        Ok(())
    }

    fn scan_folder(&mut self, folder: &Path) -> io::Result<()> {
        atomic_file::remove_leftovers(folder)?;
        let (mut found, mut complete) = (BTreeSet::new(), BTreeSet::new());
        for file in fs::read_dir(folder)? {
            let file = file?;
            let name = file.file_name();
            let Some((sequence, kind)) = name.to_str().and_then(|name| name.split_once('.')) else {
                continue;
            };
            if kind.ends_with(FORMER_SUFFIX) {
                fs::remove_file(file.path())?;
            } else if let Ok(sequence) = sequence.parse() {
                let blocks = blocks(file.metadata()?.len());
                *self.kept.entry(sequence).or_default() += blocks;
                self.bytes += blocks;
                found.insert(sequence);
                if kind == FRAME {
                    complete.insert(sequence);
                }
            }
        }
        for sequence in found.difference(&complete) {
            self.remove(*sequence);
        }
        Ok(())
    }

    fn keep(&mut self, evidence: &Evidence) {
        let sequence = evidence.verdict.sequence;
        let written = files(evidence).and_then(|files| self.write(sequence, files));
        if let Err(error) = written {
            self.counters.missed.fetch_add(1, Ordering::Relaxed);
            warn!(sequence, %error, "evidence was not stored");
        }
    }

    fn write(&mut self, sequence: u64, files: Vec<(&str, Vec<u8>)>) -> io::Result<()> {
        let size = files
            .iter()
            .map(|(_, bytes)| blocks(bytes.len() as u64))
            .sum();
        if size > self.limit {
            return Err(io::Error::other(format!(
                "it has {size} bytes, more than evidence.disk_mib"
            )));
        }
        self.make_room(size);
        // Counted before it is written: a write that fails may have used the space.
        self.kept.insert(sequence, size);
        self.bytes += size;
        let folder = folder_of(&self.folder, sequence);
        let named = |(kind, bytes)| (file_name(sequence, kind), bytes);
        let files: Vec<_> = files.into_iter().map(named).collect();
        let written =
            fs::create_dir_all(&folder).and_then(|()| atomic_file::write_files(&folder, &files));
        if written.is_err() {
            self.remove(sequence);
        }
        written
    }

    /// Removes the oldest evidence until `size` more bytes are within the quota.
    fn make_room(&mut self, size: u64) {
        while self.bytes + size > self.limit
            && let Some((&oldest, _)) = self.kept.first_key_value()
        {
            self.remove(oldest);
        }
    }

    fn forget_before(&mut self, sequence: u64) {
        while let Some((&oldest, _)) = self.kept.first_key_value()
            && oldest < sequence
        {
            self.remove(oldest);
        }
    }

    fn remove(&mut self, sequence: u64) {
        let Some(size) = self.kept.remove(&sequence) else {
            return;
        };
        for name in [FRAME, HEATMAP, MAP] {
            match fs::remove_file(path(&self.folder, sequence, name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    warn!(sequence, %error, "an evidence file cannot be removed");
                }
                Ok(()) | Err(_) => {}
            }
        }
        self.bytes -= size;
        // Fails while the folder has files of other verdicts.
        let _ = fs::remove_dir(folder_of(&self.folder, sequence));
    }
}

/// Size on disk of a file with this number of bytes.
fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK) * BLOCK
}

/// The encoded files of `evidence`. The frame is last: if it exists, all files exist.
fn files(evidence: &Evidence) -> io::Result<Vec<(&'static str, Vec<u8>)>> {
    let jpeg = |frame: &Frame| encode(frame, Encoding::Jpeg).map_err(io::Error::other);
    let frame = evidence.frame.inspected();
    let mut files = Vec::new();
    let judgement = evidence.verdict.outcome.judgement();
    if let (Some(map), Some(judgement)) = (&evidence.anomaly_map, judgement) {
        let heatmap = overlay(&frame, map, judgement.thresholds.reject_above);
        files.push((HEATMAP, jpeg(&heatmap)?));
        files.push((MAP, map_file::encode(map)));
    }
    files.push((FRAME, jpeg(&frame)?));
    Ok(files)
}
