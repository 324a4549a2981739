//! Evidence on the disk: a frame, its heatmap and its map for each kept verdict, within a quota that is
//! never overrun.
//!
//! ```text
//! evidence/000123/000123456.frame.jpg     the inspected frame
//! evidence/000123/000123456.heatmap.jpg   the frame with the map over it; not for a FAULT
//! evidence/000123/000123456.map           the combined map: side x side f32, little endian, row by row
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tracing::{error, warn};

use super::{AnomalyMap, Encoding, Evidence, encode, overlay};
use crate::config::settings;
use inspectd_core::frame::Frame;

/// Verdicts whose files wait to be written. One more goes without, and is counted: the line waits for no
/// file.
const QUEUE: usize = 32;

/// Verdicts that share a folder.
const PER_FOLDER: u64 = 1000;

/// What a file system gives out at least; files take whole blocks of it.
const BLOCK: u64 = 4096;

const FRAME: &str = "frame.jpg";
const HEATMAP: &str = "heatmap.jpg";
const MAP: &str = "map";

/// The suffix of a file that is not whole yet.
const UNFINISHED: &str = "tmp";

enum Task {
    Keep(Box<Evidence>),
    /// Everything below this sequence may go.
    Forget(u64),
}

/// What is kept of a verdict.
#[derive(Debug)]
pub struct Kept {
    /// The inspected frame, as a JPEG file.
    pub frame: Vec<u8>,
    /// The frame with the map over it, as a JPEG file.
    pub heatmap: Option<Vec<u8>>,
}

/// Counts that the disk_store's thread and others share.
#[derive(Debug, Default)]
struct Counts {
    missed: AtomicU64,
    bytes: AtomicU64,
    kept: AtomicU64,
}

/// Evidence on the disk. A thread of its own writes it.
#[derive(Debug)]
pub struct DiskStore {
    folder: PathBuf,
    tasks: Mutex<Option<SyncSender<Task>>>,
    counts: std::sync::Arc<Counts>,
}

impl DiskStore {
    /// Keeps files in `folder`, which is made when the first one is written.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        folder: PathBuf,
        settings: &settings::Evidence,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (tasks, received) = sync_channel(QUEUE);
        let counts = std::sync::Arc::new(Counts::default());
        let writer = Writer {
            folder: folder.clone(),
            limit: settings.disk_limit,
            bytes: 0,
            kept: BTreeMap::new(),
            counts: std::sync::Arc::clone(&counts),
        };
        let thread = thread::Builder::new()
            .name("evidence".to_owned())
            .spawn(move || writer.run(&received))?;
        let disk_store = Self {
            folder,
            tasks: Mutex::new(Some(tasks)),
            counts,
        };
        Ok((disk_store, thread))
    }

    fn give(&self, task: Task) -> bool {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        match tasks.as_ref().map(|tasks| tasks.try_send(task)) {
            Some(Ok(())) => true,
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) | None => false,
        }
    }

    /// Has files of `evidence` written, unless too many wait already.
    pub fn keep(&self, evidence: Evidence) {
        if !self.give(Task::Keep(Box::new(evidence))) {
            self.counts.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets everything below `sequence` go: its verdicts are gone. The next call does what one that
    /// finds no room does not.
    pub fn forget_before(&self, sequence: u64) {
        self.give(Task::Forget(sequence));
    }

    /// Takes no more; the thread ends once what waits is written.
    pub fn close(&self) {
        self.tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// How many verdicts have files, the bytes of these, and how many should have and do not.
    pub fn counts(&self) -> (u64, u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts {
            missed,
            bytes,
            kept,
        } = &*self.counts;
        (read(kept), read(bytes), read(missed))
    }

    /// The files of a verdict; nothing if there are none.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read(&self, sequence: u64) -> io::Result<Option<Kept>> {
        let Some(frame) = self.file(sequence, FRAME)? else {
            return Ok(None);
        };
        let heatmap = self.file(sequence, HEATMAP)?;
        Ok(Some(Kept { frame, heatmap }))
    }

    /// The combined map of a verdict; nothing if there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is no square map.
    pub fn map(&self, sequence: u64) -> io::Result<Option<AnomalyMap>> {
        let Some(bytes) = self.file(sequence, MAP)? else {
            return Ok(None);
        };
        let cells: Vec<f32> = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        let side = cells.len().isqrt();
        if side * side * 4 != bytes.len() {
            return Err(io::Error::other(format!(
                "{} bytes are no square map",
                bytes.len()
            )));
        }
        Ok(Some(AnomalyMap { cells, side }))
    }

    fn file(&self, sequence: u64, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(path(&self.folder, sequence, name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn folder_of(folder: &Path, sequence: u64) -> PathBuf {
    folder.join(format!("{:06}", sequence / PER_FOLDER))
}

fn path(folder: &Path, sequence: u64, name: &str) -> PathBuf {
    folder_of(folder, sequence).join(format!("{sequence:09}.{name}"))
}

/// The thread's own: the files that are there.
struct Writer {
    folder: PathBuf,
    limit: u64,
    bytes: u64,
    /// The blocks' bytes of each verdict's files.
    kept: BTreeMap<u64, u64>,
    counts: std::sync::Arc<Counts>,
}

impl Writer {
    fn run(mut self, tasks: &Receiver<Task>) {
        if let Err(error) = self.take_stock() {
            error!(%error, folder = %self.folder.display(), "evidence cannot be listed");
        }
        self.make_room(0);
        self.publish();
        for task in tasks {
            match task {
                Task::Keep(evidence) => self.keep(&evidence),
                Task::Forget(sequence) => self.forget_before(sequence),
            }
            self.publish();
        }
    }

    fn publish(&self) {
        self.counts.bytes.store(self.bytes, Ordering::Relaxed);
        self.counts
            .kept
            .store(self.kept.len() as u64, Ordering::Relaxed);
    }

    /// Counts what is there already, and removes what was left unfinished.
    fn take_stock(&mut self) -> io::Result<()> {
        let folders = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            folders => folders?,
        };
        for folder in folders {
            let folder = folder?.path();
            if !folder.is_dir() {
                continue;
            }
            let (mut found, mut whole) = (BTreeSet::new(), BTreeSet::new());
            for file in fs::read_dir(&folder)? {
                let file = file?;
                let name = file.file_name();
                let Some((sequence, kind)) = name.to_str().and_then(|name| name.split_once('.'))
                else {
                    continue;
                };
                if kind.ends_with(UNFINISHED) {
                    fs::remove_file(file.path())?;
                } else if let Ok(sequence) = sequence.parse() {
                    let blocks = blocks(file.metadata()?.len());
                    *self.kept.entry(sequence).or_default() += blocks;
                    self.bytes += blocks;
                    found.insert(sequence);
                    if kind == FRAME {
                        whole.insert(sequence);
                    }
                }
            }
            for sequence in found.difference(&whole) {
                self.remove(*sequence);
            }
        }
        Ok(())
    }

    fn keep(&mut self, evidence: &Evidence) {
        let sequence = evidence.verdict.sequence;
        let written = files(evidence).and_then(|files| self.write(sequence, &files));
        if let Err(error) = written {
            self.counts.missed.fetch_add(1, Ordering::Relaxed);
            warn!(sequence, %error, "evidence was not kept");
        }
    }

    fn write(&mut self, sequence: u64, files: &[(&str, Vec<u8>)]) -> io::Result<()> {
        let size = files
            .iter()
            .map(|(_, bytes)| blocks(bytes.len() as u64))
            .sum();
        if size > self.limit {
            return Err(io::Error::other(format!(
                "it takes {size} bytes, more than evidence.disk_mib"
            )));
        }
        self.make_room(size);
        // Counted before it is written: a file that fails half-way has its room all the same.
        self.kept.insert(sequence, size);
        self.bytes += size;
        let written = self.try_write(sequence, files);
        if written.is_err() {
            self.remove(sequence);
        }
        written
    }

    fn try_write(&self, sequence: u64, files: &[(&str, Vec<u8>)]) -> io::Result<()> {
        fs::create_dir_all(folder_of(&self.folder, sequence))?;
        for (name, bytes) in files {
            let whole = path(&self.folder, sequence, name);
            let unfinished = path(&self.folder, sequence, &format!("{name}.{UNFINISHED}"));
            fs::File::create(&unfinished)?.write_all(bytes)?;
            fs::rename(&unfinished, &whole)?;
        }
        Ok(())
    }

    /// The oldest go until `size` more bytes are within the quota.
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
            for name in [name.to_owned(), format!("{name}.{UNFINISHED}")] {
                match fs::remove_file(path(&self.folder, sequence, &name)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        warn!(sequence, %error, "evidence cannot be removed");
                    }
                    Ok(()) | Err(_) => {}
                }
            }
        }
        self.bytes -= size;
        // Succeeds with the last file of a folder alone.
        let _ = fs::remove_dir(folder_of(&self.folder, sequence));
    }
}

fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK) * BLOCK
}

/// The files of `evidence`, encoded. The frame comes last: where it is, all are.
fn files(evidence: &Evidence) -> io::Result<Vec<(&'static str, Vec<u8>)>> {
    let jpeg = |frame: &Frame| encode(frame, Encoding::Jpeg).map_err(io::Error::other);
    let frame = evidence.picture.inspected();
    let mut files = Vec::new();
    if let (Some(heat), Some(judgement)) = (&evidence.heat, evidence.verdict.outcome.judgement()) {
        let shown = overlay(&frame, heat, judgement.thresholds.reject_above);
        files.push((HEATMAP, jpeg(&shown)?));
        let cells = heat.cells.iter().flat_map(|cell| cell.to_le_bytes());
        files.push((MAP, cells.collect()));
    }
    files.push((FRAME, jpeg(&frame)?));
    Ok(files)
}
