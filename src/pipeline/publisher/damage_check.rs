//! The thread that reads the whole journal from time to time, because damage beyond the pages in use is not noticed
//! otherwise.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing::{info, warn};

use super::commit_queue::CommitQueue;
use crate::journal::repair::{Depth, confirmed_damage};
use crate::journal::wal_bytes;
use crate::on_panic::OnPanic;

/// How often it is looked whether the journal was opened, or may be damaged.
const POLL: Duration = Duration::from_millis(100);

/// Time between two checks because the journal may be damaged.
const PAUSE: Duration = Duration::from_secs(5);

/// Size of the write-ahead log at which a check ends. While it reads, the log cannot be emptied.
const WAL_LIMIT: u64 = 48 << 20;

#[derive(Default)]
struct Shared {
    stopped: Mutex<bool>,
    changed: Condvar,
}

/// Checks the journal at the start and then at an interval, and when it may be damaged.
pub(super) struct DamageCheck {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for DamageCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DamageCheck").finish_non_exhaustive()
    }
}

impl DamageCheck {
    /// Starts the thread for the journal `path`; `failed` is called if it panics.
    pub(super) fn start(
        path: PathBuf,
        interval: Duration,
        queue: Arc<CommitQueue>,
        failed: Arc<dyn Fn() + Send + Sync>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("journal-check".to_owned())
            .spawn(move || {
                let _guard = OnPanic(failed);
                let (mut pause, mut wait) = (Duration::ZERO, Duration::ZERO);
                while let Some(depth) = own.next(&queue, pause, wait) {
                    own.check(&path, &queue, depth);
                    (pause, wait) = (PAUSE, interval);
                }
            })?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Ends the thread, also within a check.
    pub(super) fn stop(&self) {
        *self.shared.stopped.lock() = true;
        self.shared.changed.notify_all();
        // A check on a disk that hangs is left behind.
        if let Some(thread) = self.thread.lock().take()
            && thread.is_finished()
        {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Waits for the next check: `interval` after the last one, once the journal was opened, or `pause` after it when the
    /// journal may be damaged. Returns `None` once the thread must end.
    fn next(&self, queue: &CommitQueue, pause: Duration, interval: Duration) -> Option<Depth> {
        let mut stopped = self.stopped.lock();
        let mut waited = Duration::ZERO;
        while !*stopped {
            if waited >= pause && queue.take_suspicion() {
                return Some(Depth::Indexes);
            }
            if waited >= interval && queue.was_opened() {
                return Some(Depth::Pages);
            }
            self.changed.wait_for(&mut stopped, POLL);
            waited += POLL;
        }
        None
    }

    fn check(self: &Arc<Self>, path: &Path, queue: &CommitQueue, depth: Depth) {
        let generation = queue.generation();
        let (shared, journal) = (Arc::clone(self), path.to_owned());
        let ends = move || *shared.stopped.lock() || wal_bytes(&journal) > WAL_LIMIT;
        match confirmed_damage(path, depth, ends) {
            Ok(None) => info!("the journal was checked: it is intact"),
            Ok(Some(finding)) => queue.report_damage(generation, &finding),
            Err(_) if *self.stopped.lock() => {}
            Err(error) => warn!(%error, "the journal cannot be checked for damage"),
        }
    }
}
