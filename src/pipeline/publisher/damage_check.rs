//! The thread that reads the whole journal from time to time, because damage beyond the pages in use is not noticed
//! otherwise.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing::{error, info, warn};

use super::commit_queue::CommitQueue;
use crate::journal::repair::{Depth, confirmed_damage};
use crate::journal::{JournalError, wal_bytes};
use crate::on_panic::OnPanic;

/// How often it is looked whether the journal was opened, or may be damaged.
const POLL: Duration = Duration::from_millis(100);

/// Time between two checks because the journal may be damaged, and after a check that did not come to its end.
const PAUSE: Duration = Duration::from_secs(5);

/// Checks in a row that did not come to their end after which that is an error.
const FAILURES: u32 = 6;

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
                let mut failures = 0;
                while let Some(depth) = own.next(&queue, pause, wait) {
                    let checked = own.check(&path, &queue, depth);
                    (pause, wait) = (PAUSE, next_wait(&checked, interval));
                    failures = own.note(checked, failures);
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

    /// Makes a check, and reports the damage that it finds.
    ///
    /// # Errors
    /// When it did not come to its end. What it was made for is then still to be checked.
    fn check(
        self: &Arc<Self>,
        path: &Path,
        queue: &CommitQueue,
        depth: Depth,
    ) -> Result<(), JournalError> {
        let generation = queue.generation();
        let (shared, journal) = (Arc::clone(self), path.to_owned());
        let ends = move || *shared.stopped.lock() || wal_bytes(&journal) > WAL_LIMIT;
        match confirmed_damage(path, depth, ends) {
            Ok(None) => info!("the journal was checked: it is intact"),
            Ok(Some(finding)) => queue.report_damage(generation, &finding),
            Err(error) => {
                if depth == Depth::Indexes && generation == queue.generation() {
                    queue.suspect_damage();
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Logs why a check did not come to its end: the first time, and as an error once that has happened often. Returns how
    /// many in a row did not.
    fn note(&self, checked: Result<(), JournalError>, failures: u32) -> u32 {
        let Err(error) = checked else { return 0 };
        if *self.stopped.lock() {
            return failures;
        }
        let failures = failures.saturating_add(1);
        match failures {
            1 => warn!(%error, "the journal cannot be checked for damage; it is tried again"),
            FAILURES => error!(
                %error,
                failures,
                "the journal cannot be checked for damage again and again: damage is found only where verdicts are read"
            ),
            _ => {}
        }
        failures
    }
}

/// Time until the next regular check.
fn next_wait(checked: &Result<(), JournalError>, interval: Duration) -> Duration {
    match checked {
        Ok(()) => interval,
        Err(_) => PAUSE.min(interval),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use tempfile::TempDir;
    use uuid::Uuid;

    use super::*;
    use crate::clock::SystemClock;
    use crate::journal::{Store, file};

    #[test]
    fn check_that_ends_because_of_a_large_log_is_made_again_soon_and_keeps_the_suspicion() {
        let folder = TempDir::new().expect("a folder");
        let path = file(folder.path());
        let (mut store, _) = Store::open(folder.path(), Uuid::from_u128(1), 0).expect("opened");
        let queue = CommitQueue::new(PAUSE, Arc::new(SystemClock));
        let shared = Arc::<Shared>::default();
        // A reader keeps the log from being emptied.
        let reader = Connection::open(&path).expect("the file");
        let read = "BEGIN; SELECT count(*) FROM verdicts";
        reader.execute_batch(read).expect("a snapshot");
        let other = Connection::open(&path).expect("the file");
        let grow = "CREATE TABLE grown (bytes BLOB);
            INSERT INTO grown WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 16000)
                SELECT zeroblob(4000) FROM n";
        other.execute_batch(grow).expect("written");
        assert!(wal_bytes(&path) > WAL_LIMIT);

        let interval = Duration::from_hours(24);
        let checked = shared.check(&path, &queue, Depth::Indexes);
        assert!(checked.is_err(), "it ends");
        assert_eq!(next_wait(&checked, interval), PAUSE);
        assert_eq!(shared.note(checked, 0), 1);
        assert!(queue.take_suspicion(), "it is still to be checked");

        drop((reader, other));
        store.checkpoint().expect("emptied");
        let checked = shared.check(&path, &queue, Depth::Indexes);
        assert_eq!(next_wait(&checked, interval), interval);
        assert_eq!(shared.note(checked, FAILURES), 0);
        assert!(!queue.take_suspicion());
    }
}
