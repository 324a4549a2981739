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
use crate::journal::JournalError;
use crate::journal::repair::{Check, Interrupt};

/// How often an unopened journal is looked for.
const OPEN_POLL: Duration = Duration::from_millis(100);

#[derive(Default)]
struct State {
    stopped: bool,
    running: Option<Interrupt>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    stopped: Condvar,
}

/// Checks the journal at the start and then at an interval.
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
    /// Starts the thread for the journal `path`.
    pub(super) fn start(
        path: PathBuf,
        interval: Duration,
        queue: Arc<CommitQueue>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("journal-check".to_owned())
            .spawn(move || {
                while !queue.was_opened() {
                    if !own.pause(OPEN_POLL) {
                        return;
                    }
                }
                loop {
                    own.check(&path, &queue);
                    if !own.pause(interval) {
                        return;
                    }
                }
            })?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Ends the thread, also within a check.
    pub(super) fn stop(&self) {
        {
            let mut state = self.shared.state.lock();
            state.stopped = true;
            if let Some(running) = &state.running {
                running.interrupt();
            }
        }
        self.shared.stopped.notify_all();
        // A check on a disk that hangs is left behind.
        if let Some(thread) = self.thread.lock().take()
            && thread.is_finished()
        {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Returns false once the thread must end.
    fn pause(&self, time: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.stopped {
            self.stopped.wait_for(&mut state, time);
        }
        !state.stopped
    }

    fn check(&self, path: &Path, queue: &CommitQueue) {
        match self.find(path) {
            Ok(findings) => match findings.first() {
                None => info!("the journal was checked: it is intact"),
                Some(finding) => queue.report_damage(finding),
            },
            Err(_) if self.state.lock().stopped => {}
            Err(error) => warn!(%error, "the journal cannot be checked for damage"),
        }
    }

    fn find(&self, path: &Path) -> Result<Vec<String>, JournalError> {
        let check = Check::open(path)?;
        {
            let mut state = self.state.lock();
            if state.stopped {
                return Ok(Vec::new());
            }
            state.running = Some(check.interrupt());
        }
        let findings = check.run(1);
        self.state.lock().running = None;
        findings
    }
}
