//! Tells when a file of the configuration changes.
//!
//! Folders are watched rather than files, as editors write a new file and rename it over the old one,
//! and Kubernetes swaps a link (`..data`) that all files of a ConfigMap lead through.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::sources::{FOLDER, is_ours};

/// A change is told once nothing has changed for so long: files are rarely written in one go.
const QUIET: Duration = Duration::from_millis(300);

/// A change is told after so long even if files keep changing.
const PATIENCE: Duration = Duration::from_secs(3);

/// A watch over the files; it ends when dropped, after a call that may be under way.
#[derive(Debug)]
pub struct Watch {
    stopped: Arc<AtomicBool>,
    wake: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // A full channel wakes the thread as well.
        let _ = self.wake.try_send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Calls `changed`, on a thread of its own, whenever `file` or a file of `conf.d` beside it has
/// changed, come or gone. It must not drop the watch.
///
/// # Errors
/// When the system gives no watch: the folder does not exist, or there are too many watches.
pub fn watch(file: &Path, mut changed: impl FnMut() + Send + 'static) -> notify::Result<Watch> {
    let file = std::path::absolute(file)?;
    let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
    let further = folder.join(FOLDER);
    // One place: a wake-up that waits stands for any number of changes.
    let (wake, woken) = sync_channel(1);
    let mut watcher = watcher(file, further.clone(), wake.clone())?;
    watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    watch_further(&mut watcher, &further);
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    let thread = thread::Builder::new()
        .name("config-watch".to_owned())
        .spawn(move || {
            while woken.recv().is_ok() && settle(&woken, &stop) {
                // It may be new.
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
        // An error may have swallowed a change.
        if event.is_ok_and(|event| !concerns(&event, &file, &further)) {
            return;
        }
        let _ = wake.try_send(());
    })
}

/// Watches `conf.d` if there is one; it may come later, and then the main folder tells.
fn watch_further(watcher: &mut RecommendedWatcher, further: &Path) {
    let _ = watcher.watch(further, RecursiveMode::NonRecursive);
}

/// Waits until nothing changes; false if the watch has ended.
fn settle(woken: &Receiver<()>, stop: &AtomicBool) -> bool {
    let begin = Instant::now();
    loop {
        if stop.load(Ordering::Acquire) {
            return false;
        }
        match woken.recv_timeout(QUIET) {
            Ok(()) if begin.elapsed() < PATIENCE => {}
            Ok(()) | Err(RecvTimeoutError::Timeout) => return !stop.load(Ordering::Acquire),
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// Whether an event may be a change of the configuration. Reading is none: a reload does that.
fn concerns(event: &Event, file: &Path, further: &Path) -> bool {
    let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
    if matches!(event.kind, EventKind::Access(_)) && event.kind != written {
        return false;
    }
    let ours = |path: &PathBuf| {
        path == file
            || path == further
            || path.file_name().is_some_and(|name| name == "..data")
            || (path.parent() == Some(further) && is_ours(path))
    };
    event.need_rescan() || event.paths.iter().any(ours)
}
