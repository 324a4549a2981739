//! The thread that runs the local engine where a server may run the model, so that an answer of the server does not wait for a
//! local run. It is the thread that created the first session: see [`worker`](super::worker).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use inspectd_core::frame::Frame;
use inspectd_engine::{EngineError, RawMaps};
use parking_lot::{Condvar, Mutex};

use super::active::Active;
use super::worker::Worker;
use crate::clock::SharedClock;

/// Takes the result of a run.
type Done = Box<dyn FnOnce(Result<RawMaps, EngineError>) + Send>;

/// A run for the thread.
struct LocalRun {
    active: Arc<Active>,
    frames: Vec<Arc<Frame>>,
    done: Done,
}

#[derive(Default)]
struct Queue {
    next: Option<LocalRun>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    /// One run. The next one replaces it: the only caller, the inspector, waits for one run at a time.
    queue: Mutex<Queue>,
    changed: Condvar,
    busy: AtomicBool,
}

/// The caller's side of the thread. Dropping it ends the thread after the run that is in progress.
pub(super) struct LocalEngine(Arc<Shared>);

impl Drop for LocalEngine {
    fn drop(&mut self) {
        self.0.queue.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl LocalEngine {
    /// Gives the worker's thread to the local engine. `guard` is dropped when the thread ends.
    pub(super) fn start(worker: &Worker, clock: SharedClock, guard: impl Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        worker.give(move || {
            let _guard = guard;
            serve(&of_thread, &clock);
        });
        Self(shared)
    }

    /// Runs the model; `done` is called with the result, by the thread.
    pub(super) fn run(&self, active: &Arc<Active>, frames: &[Arc<Frame>], done: Done) {
        self.0.queue.lock().next = Some(LocalRun {
            active: Arc::clone(active),
            frames: frames.to_vec(),
            done,
        });
        self.0.changed.notify_one();
    }

    /// Whether a run is in progress.
    pub(super) fn is_busy(&self) -> bool {
        self.0.busy.load(Ordering::Relaxed)
    }
}

fn serve(shared: &Shared, clock: &SharedClock) {
    loop {
        let mut queue = shared.queue.lock();
        shared.busy.store(false, Ordering::Relaxed);
        let run = loop {
            if queue.closed {
                return;
            }
            match queue.next.take() {
                Some(run) => break run,
                None => shared.changed.wait(&mut queue),
            }
        };
        shared.busy.store(true, Ordering::Relaxed);
        drop(queue);
        let began = clock.now().monotonic;
        let frames: Vec<&Frame> = run.frames.iter().map(AsRef::as_ref).collect();
        let model = &run.active.model;
        let maps = model.engine().run(&frames);
        let time = clock.now().monotonic.saturating_duration_since(began);
        model.note_local_run(frames.len(), time);
        (run.done)(maps);
    }
}
