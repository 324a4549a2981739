//! The thread that counts the verdicts of the present shift that are in the journal from before this run.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing::warn;

use super::broadcaster::Broadcaster;
use super::commit_queue::CommitQueue;
use crate::journal::Readers;
use crate::on_panic::OnPanic;

/// Time between two attempts to read the journal.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Starts the thread; `failed` is called if it panics. It ends once the broadcaster is closed. Nothing waits for it: a read on a
/// disk that hangs ends with the process.
pub(super) fn start(
    broadcaster: Arc<Broadcaster>,
    readers: Arc<Readers>,
    queue: Arc<CommitQueue>,
    failed: Arc<dyn Fn() + Send + Sync>,
) -> io::Result<()> {
    let builder = thread::Builder::new().name("shift-count".to_owned());
    builder.spawn(move || {
        let _guard = OnPanic(failed);
        run(&broadcaster, &readers, &queue);
    })?;
    Ok(())
}

fn run(broadcaster: &Broadcaster, readers: &Readers, queue: &CommitQueue) {
    let mut pause = Duration::ZERO;
    let mut reported = None;
    while let Some(request) = broadcaster.next_count(pause) {
        match readers.counts(request.shift.start, request.shift.end, request.before) {
            Ok(counts) => {
                broadcaster.add_earlier(request, &counts);
                pause = Duration::ZERO;
            }
            Err(error) => {
                if reported.replace(request) != Some(request) {
                    warn!(%error, "the verdicts of the shift cannot be counted in the journal; retrying");
                }
                if error.is_damage() {
                    queue.suspect_damage();
                }
                pause = RETRY_INTERVAL;
            }
        }
    }
}
