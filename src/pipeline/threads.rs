//! The pipeline's threads: their start, and joining them under a deadline.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::answers::Shared;
use super::local_engine::LocalEngine;
use super::worker::Worker;
use super::{inspector, judge};
use crate::clock::Clock;
use crate::on_panic::OnPanic;

/// How often a wait checks whether the threads have ended.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The pipeline's threads, in the order in which they end.
pub(super) struct Threads {
    pub(super) judges: Vec<JoinHandle<()>>,
    pub(super) timekeeper: Vec<JoinHandle<()>>,
    pub(super) writers: Vec<JoinHandle<()>>,
}

/// Starts the inspector, on the worker's thread, and the judge. Where a server may run the model, the worker's thread is that of
/// the local engine, and the inspector has its own.
pub(super) fn start_judging(
    shared: &Arc<Shared>,
    worker: Worker,
    failed: Arc<dyn Fn() + Send + Sync>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let (to_judge, inspected) = sync_channel(inspector::JUDGE_QUEUE);
    let has_server = !shared.active().settings.engine.remote.is_unset();
    let local = has_server.then(|| {
        let guard = OnPanic(Arc::clone(&failed));
        LocalEngine::start(&worker, Arc::clone(&shared.clock), guard)
    });
    let inspect = {
        let (shared, guard) = (Arc::clone(shared), OnPanic(Arc::clone(&failed)));
        move || {
            let _guard = guard;
            inspector::inspect(&shared, local.as_ref(), &to_judge);
        }
    };
    let mut threads = Vec::new();
    if has_server {
        let builder = thread::Builder::new().name("inspector".to_owned());
        threads.push(builder.spawn(inspect)?);
    } else {
        worker.give(inspect);
    }
    threads.push(worker.finish());
    let judge = {
        let (shared, guard) = (Arc::clone(shared), OnPanic(failed));
        let builder = thread::Builder::new().name("judge".to_owned());
        builder.spawn(move || {
            let _guard = guard;
            judge::judge_all(&shared, &inspected);
        })?
    };
    threads.push(judge);
    Ok(threads)
}

/// Joins all threads if they end before the deadline. Returns whether they did.
pub(super) fn join(
    threads: &mut Vec<JoinHandle<()>>,
    deadline: Instant,
    clock: &dyn Clock,
) -> bool {
    let ended = wait_for(threads, deadline, clock);
    if ended {
        for thread in threads.drain(..) {
            // A panic was logged when it happened.
            let _ = thread.join();
        }
    }
    ended
}

/// Waits until all threads have ended, or until the deadline. Returns whether they have ended.
pub(super) fn wait_for(threads: &[JoinHandle<()>], deadline: Instant, clock: &dyn Clock) -> bool {
    while !threads.iter().all(JoinHandle::is_finished) {
        if clock.now().monotonic >= deadline {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
    true
}
