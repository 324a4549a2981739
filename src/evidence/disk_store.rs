//! Evidence on disk: the frame, heatmap and anomaly map of each kept verdict, within a quota.
//!
//! ```text
//! evidence/000123/000123456.frame.jpg     the inspected frame
//! evidence/000123/000123456.heatmap.jpg   the frame with the map over it; not for a FAULT
//! evidence/000123/000123456.map           the combined map, in the format of `map_file`
//! ```

mod map_file;
mod writer;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

use super::{AnomalyMap, Evidence};
use crate::config::settings;
use crate::on_panic::OnPanic;
use writer::Writer;

/// Verdicts whose files wait to be written. When the queue is full, a verdict has no files and is counted
/// as missed: the pipeline does not wait for files.
const QUEUE: usize = 32;

/// Verdicts that share a folder.
const PER_FOLDER: u64 = 1000;

const FRAME: &str = "frame.jpg";
const HEATMAP: &str = "heatmap.jpg";
const MAP: &str = "map";

enum Task {
    /// Store the evidence.
    Keep(Box<Evidence>),
    /// Remove the evidence of all verdicts below this sequence.
    ForgetBefore(u64),
}

/// The stored pictures of a verdict.
#[derive(Debug)]
pub struct Kept {
    /// The inspected frame, as a JPEG file.
    pub frame: Vec<u8>,
    /// The frame with the map over it, as a JPEG file.
    pub heatmap: Option<Vec<u8>>,
}

/// Amount of evidence on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvidenceCounts {
    /// Verdicts with files.
    pub kept: u64,
    /// Bytes that these files occupy on disk.
    pub bytes: u64,
    /// Verdicts since the start that should have files, but have none.
    pub missed: u64,
}

/// What the writer shares with the store.
#[derive(Debug, Default)]
struct Counters {
    /// Whether the writer has panicked.
    failed: AtomicBool,
    kept: AtomicU64,
    bytes: AtomicU64,
    missed: AtomicU64,
}

/// Evidence on disk. A thread of its own writes the files.
#[derive(Debug)]
pub struct DiskStore {
    folder: PathBuf,
    tasks: Mutex<Option<SyncSender<Task>>>,
    counters: Arc<Counters>,
}

impl DiskStore {
    /// Starts the thread that stores files in `folder`. The folder is created with the first file.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        folder: PathBuf,
        settings: &settings::Evidence,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (tasks, received) = sync_channel(QUEUE);
        let counters = Arc::new(Counters::default());
        let writer = Writer::new(folder.clone(), settings.disk_limit, Arc::clone(&counters));
        let guard = report_panic(&counters);
        let thread = thread::Builder::new()
            .name("evidence".to_owned())
            .spawn(move || {
                let _guard = guard;
                writer.run(&received);
            })?;
        let disk_store = Self {
            folder,
            tasks: Mutex::new(Some(tasks)),
            counters,
        };
        Ok((disk_store, thread))
    }

    /// Queues a task. Returns `false` if the queue is full or closed.
    fn queue(&self, task: Task) -> bool {
        let tasks = self.tasks.lock();
        tasks
            .as_ref()
            .is_some_and(|tasks| tasks.try_send(task).is_ok())
    }

    /// Queues the files of `evidence`. Counts the verdict as missed if the queue is full.
    pub fn keep(&self, evidence: Evidence) {
        if !self.queue(Task::Keep(Box::new(evidence))) {
            self.counters.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Queues the removal of all evidence below `sequence`. If the queue is full, the next call removes it.
    pub fn forget_before(&self, sequence: u64) {
        self.queue(Task::ForgetBefore(sequence));
    }

    /// Closes the queue. The thread stops after it has written what is queued.
    pub fn close(&self) {
        self.tasks.lock().take();
    }

    /// Whether the thread that writes the files has panicked. The daemon then exits for a restart.
    pub fn writer_failed(&self) -> bool {
        self.counters.failed.load(Ordering::Relaxed)
    }

    /// The amount of evidence on disk.
    pub fn counts(&self) -> EvidenceCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        EvidenceCounts {
            kept: read(&self.counters.kept),
            bytes: read(&self.counters.bytes),
            missed: read(&self.counters.missed),
        }
    }

    /// Reads the pictures of a verdict; `None` if there are none.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(&self, sequence: u64) -> io::Result<Option<Kept>> {
        let Some(frame) = self.file(sequence, FRAME)? else {
            return Ok(None);
        };
        let heatmap = self.file(sequence, HEATMAP)?;
        Ok(Some(Kept { frame, heatmap }))
    }

    /// Reads the combined map of a verdict; `None` if there is none.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a map.
    pub fn map(&self, sequence: u64) -> io::Result<Option<AnomalyMap>> {
        let bytes = self.file(sequence, MAP)?;
        bytes.map(|bytes| map_file::decode(&bytes)).transpose()
    }

    fn file(&self, sequence: u64, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(path(&self.folder, sequence, name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The guard of the writer's thread.
fn report_panic(counters: &Arc<Counters>) -> OnPanic {
    let counters = Arc::clone(counters);
    OnPanic(Arc::new(move || {
        counters.failed.store(true, Ordering::Relaxed);
    }))
}

fn folder_of(folder: &Path, sequence: u64) -> PathBuf {
    folder.join(format!("{:06}", sequence / PER_FOLDER))
}

fn file_name(sequence: u64, kind: &str) -> String {
    format!("{sequence:09}.{kind}")
}

fn path(folder: &Path, sequence: u64, kind: &str) -> PathBuf {
    folder_of(folder, sequence).join(file_name(sequence, kind))
}

#[cfg(test)]
mod tests;
