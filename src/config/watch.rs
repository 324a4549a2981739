//! Watching the files of the configuration for changes.
//!
//! Folders are watched rather than files: editors write a new file and rename it over the old one, and
//! Kubernetes replaces a link (`..data`) that is part of the path of all files of a ConfigMap.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::sources::{FOLDER, is_configuration_file};
use crate::clock::{Clock, SharedClock, SystemClock};
use crate::on_panic::{Failed, OnPanic};

/// When a change is reported. Files are rarely written in one operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Debounce {
    /// Time without changes after which a change is reported.
    pub quiet: Duration,
    /// Time after which a change is reported even if files keep changing.
    pub limit: Duration,
}

impl Default for Debounce {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(300),
            limit: Duration::from_secs(3),
        }
    }
}

/// A watch over the files. Dropping it waits for a running callback and stops the watch.
#[derive(Debug)]
pub struct Watch {
    stopped: Arc<AtomicBool>,
    wake: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // A full channel wakes the thread, too.
        let _ = self.wake.try_send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Calls `changed`, on a thread of its own, whenever `file` or a file of `conf.d` next to it was changed,
/// created or removed. `changed` must not drop the watch. `failed` is called if the thread panics.
///
/// # Errors
/// When the operating system refuses the watch: the folder does not exist, or there are too many watches.
pub fn watch(
    file: &Path,
    failed: Failed,
    changed: impl FnMut() + Send + 'static,
) -> notify::Result<Watch> {
    let clock = Arc::new(SystemClock);
    watch_debounced(file, Debounce::default(), clock, failed, changed)
}

/// As [`watch`], with another debounce and clock.
pub(super) fn watch_debounced(
    file: &Path,
    debounce: Debounce,
    clock: SharedClock,
    failed: Failed,
    mut changed: impl FnMut() + Send + 'static,
) -> notify::Result<Watch> {
    let file = std::path::absolute(file)?;
    let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
    let further = folder.join(FOLDER);
    // One waiting wake-up represents any number of changes.
    let (wake, woken) = sync_channel(1);
    let mut watcher = watcher(file, further.clone(), wake.clone())?;
    watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    watch_further(&mut watcher, &further);
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    let thread = thread::Builder::new()
        .name("config-watch".to_owned())
        .spawn(move || {
            let _guard = OnPanic(failed);
            while woken.recv().is_ok() && settle(&woken, &stop, debounce, &*clock) {
                // The folder may be new.
                watch_further(&mut watcher, &further);
                changed();
            }
        })?;
    Ok(Watch {
        stopped,
        wake,
        thread: Some(thread),
    })
}

fn watcher(
    file: PathBuf,
    further: PathBuf,
    wake: SyncSender<()>,
) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<Event>| {
        // A change may be lost with an error.
        if event.is_ok_and(|event| !concerns(&event, &file, &further)) {
            return;
        }
        let _ = wake.try_send(());
    })
}

/// Watches `conf.d` if it exists. The watch over the main folder reports when it is created later.
fn watch_further(watcher: &mut RecommendedWatcher, further: &Path) {
    let _ = watcher.watch(further, RecursiveMode::NonRecursive);
}

/// Waits until nothing changes or the limit is reached. Returns false if the watch has stopped.
pub(super) fn settle(
    woken: &Receiver<()>,
    stop: &AtomicBool,
    debounce: Debounce,
    clock: &dyn Clock,
) -> bool {
    let begin = clock.now().monotonic;
    loop {
        if stop.load(Ordering::Acquire) {
            return false;
        }
        match woken.recv_timeout(debounce.quiet) {
            Ok(()) if clock.now().monotonic - begin < debounce.limit => {}
            Ok(()) | Err(RecvTimeoutError::Timeout) => return !stop.load(Ordering::Acquire),
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// Whether an event may be a change of the configuration. Reading is not one: a reload reads the files.
fn concerns(event: &Event, file: &Path, further: &Path) -> bool {
    let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
    if matches!(event.kind, EventKind::Access(_)) && event.kind != written {
        return false;
    }
    let relevant = |path: &PathBuf| {
        path == file
            || path == further
            || path.file_name().is_some_and(|name| name == "..data")
            || (path.parent() == Some(further) && is_configuration_file(path))
    };
    event.need_rescan() || event.paths.iter().any(relevant)
}
