//! The line: takes captures in, has them judged, publishes what came of them, and knows how it is.

mod active;
pub mod camera_stats;
pub mod heartbeat;
mod inspector;
pub mod intake;
pub mod job;
mod lanes;
pub mod model;
mod observer;
mod parts;
pub mod publisher;
mod rate;
mod requests;
mod response_slot;
mod shared;
mod timekeeper;
mod trigger;
pub mod worker;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use uuid::Uuid;

use camera_stats::Facts;
use heartbeat::Heartbeat;
use inspectd_core::record::{Fault, FaultReason, Verdict};
use intake::{Intake, Policy, Pushed};
use job::Job;
use lanes::{groups, lane, last_part, policy};
use parts::Parts;
use publisher::{Journal, Publisher, Totals};
use requests::Book;
use response_slot::ResponseSlot;
use shared::{Lane, Shared};
use timekeeper::{Notice, keep_time};
use worker::Worker;

pub use active::Active;
pub use observer::Observer;
pub use requests::{
    Accepted, Awaited, CLIENT_DATA_LIMIT, NAME_LIMIT, Target, Trigger, TriggerError,
};

use crate::camera::{Sink, State};
use crate::journal::{Opened, Store};
use inspectd_core::id::CameraId;
use inspectd_core::moment::Moment;

/// How many images of clients may wait; the next is refused.
pub const ON_DEMAND_QUEUE: usize = 8;

/// What the line looks like at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Since the start.
    pub uptime: Duration,
    /// What is in force.
    pub active: Arc<Active>,
    /// Each camera, and how many of its frames wait.
    pub cameras: BTreeMap<CameraId, (Facts, usize)>,
    /// What was announced.
    pub totals: Totals,
    /// Views that came after their part was decided.
    pub late_views: u64,
    /// What is known of the journal, if there is one.
    pub journal: Option<JournalFacts>,
    /// Runs of the model that failed.
    pub engine_failures: u64,
    /// Whether the last one did.
    pub engine_failing: bool,
}

impl Snapshot {
    /// Verdicts of this run that should be in the journal, and are not.
    pub fn unjournalled(&self) -> u64 {
        self.totals.unjournalled
    }

    /// Whether every camera's first opening came to something, good or bad.
    pub fn all_attempted(&self) -> bool {
        self.cameras.values().all(|(facts, _)| facts.attempted)
    }

    /// Whether no camera has anything more to give, and all that they gave was judged.
    pub fn all_ended(&self) -> bool {
        let ended = |facts: &Facts| facts.state == State::Ended && facts.frames.under_way() == 0;
        self.cameras.values().all(|(facts, _)| ended(facts))
    }

    /// Whether something does not work: the engine, the journal, or a camera that neither delivers nor has ended.
    pub fn degraded(&self) -> bool {
        let works = |facts: &Facts| matches!(facts.state, State::Running | State::Ended);
        let journal = self.journal.as_ref();
        let journalling = journal.is_none_or(|journal| journal.trouble.is_none());
        self.engine_failing || !journalling || !self.cameras.values().all(|(facts, _)| works(facts))
    }
}

/// What is known of the journal.
#[derive(Clone, Debug)]
pub struct JournalFacts {
    /// Why verdicts are not journalled; nothing if they are.
    pub trouble: Option<publisher::Trouble>,
    /// The consumers, by name.
    pub consumers: BTreeMap<String, crate::journal::Consumer>,
    /// Amount of evidence on disk; `None` without a disk store.
    pub evidence: Option<crate::evidence::EvidenceCounts>,
}

/// The line. Dropping it does not end it: [`Line::finish`] does.
pub struct Line {
    shared: Arc<Shared>,
    run_id: Uuid,
    threads: Mutex<Threads>,
}

/// The line's threads, in the order in which they end.
struct Threads {
    judges: Vec<JoinHandle<()>>,
    keeper: Vec<JoinHandle<()>>,
    writers: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}

/// Why a client's image gets no verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// Too many wait.
    #[error("{ON_DEMAND_QUEUE} images wait already")]
    Busy,
    /// The line is ending.
    #[error("the line is stopping")]
    Stopping,
    /// It names a camera that there is not.
    #[error("there is no camera {0}")]
    NoCamera(CameraId),
    /// Its size cannot be inspected.
    #[error("{0}")]
    Size(String),
}

impl Line {
    /// Starts the line's threads; `worker`, which has loaded the model, becomes the inspector. `journal`
    /// is what [`publisher::open_journal`] gives for these settings and this run. `failed` is called if
    /// one of the threads that judge ends before its time.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        active: Active,
        worker: Worker,
        run_id: Uuid,
        journal: Option<(Store, Opened)>,
        observer: Arc<dyn Observer>,
        failed: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let start = Moment::now();
        let (notices, noticed) = sync_channel(timekeeper::QUEUE);
        let made = notices.clone();
        let observe = Arc::clone(&observer);
        // Comes from the thread that the journal waits for: it must not wait. A part lacks a view then.
        let made = move |verdict: &Arc<Verdict>| {
            observe.published(verdict);
            if verdict.subject.group.is_some() && verdict.subject.tag.is_some() {
                let _ = made.try_send(Notice::Made(Arc::clone(verdict)));
            }
        };
        let settings = &active.settings;
        let (publisher, writers) =
            Publisher::start(start, run_id, settings, Box::new(made), journal)?;
        let parts = Parts::new(
            groups(settings),
            settings.parts.window,
            settings.parts.missing_view,
        );
        let cameras = settings.cameras.iter();
        let policies = cameras.clone().map(|(_, camera)| policy(camera));
        let lanes = cameras.enumerate().map(|(index, (id, camera))| {
            let last_part = last_part(id, settings, publisher.journal());
            (id.clone(), lane(index, id, camera, last_part))
        });
        let lanes = lanes.collect();
        let shared = Arc::new(Shared {
            start,
            intake: Intake::new(policies.chain([Policy::Queue(ON_DEMAND_QUEUE)])),
            lanes,
            publisher,
            observer,
            notices,
            book: Book::default(),
            active: ArcSwap::from_pointee(active),
            inspector_heartbeat: Heartbeat::new(),
            judge_heartbeat: Heartbeat::new(),
            engine_failures: AtomicU64::new(0),
            engine_failing: AtomicBool::new(false),
            late_views: AtomicU64::new(0),
            told: Mutex::default(),
        });
        let keeper = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("timekeeper".to_owned())
                .spawn(move || keep_time(&shared, parts, &noticed))?
        };
        let threads = start_threads(&shared, worker, Arc::new(failed))?;
        Ok(Self {
            shared,
            run_id,
            threads: Mutex::new(Threads {
                judges: threads,
                keeper: vec![keeper],
                writers,
            }),
        })
    }

    /// Where cameras put what they capture.
    pub fn sink(&self) -> Arc<dyn Sink> {
        Arc::<Shared>::clone(&self.shared)
    }

    /// Names this run of the daemon.
    pub fn run_id(&self) -> Uuid {
        self.run_id
    }

    /// When it started.
    pub fn started(&self) -> SystemTime {
        self.shared.start.utc
    }

    /// What is in force.
    pub fn active(&self) -> Arc<Active> {
        self.shared.active()
    }

    /// Brings other settings or another model into force, from the next run on. What the lanes are
    /// made of (the cameras and their modes) must be as before.
    pub fn activate(&self, active: Active) {
        self.shared.publisher.apply(&active.settings);
        let before = self.shared.active.swap(Arc::new(active));
        self.shared.observer.replaced(&before);
    }

    /// Gets all verdicts from now on, and what was announced until now.
    pub fn subscribe(&self) -> (tokio::sync::broadcast::Receiver<Arc<Verdict>>, Totals) {
        self.shared.publisher.subscribe()
    }

    /// What a recent verdict was made of.
    pub fn evidence(&self, sequence: u64) -> Option<crate::evidence::Evidence> {
        self.shared.publisher.evidence(sequence)
    }

    /// The evidence on the disk, if there is any.
    pub fn disk_store(&self) -> Option<&crate::evidence::DiskStore> {
        self.shared.publisher.disk_store()
    }

    /// The journal, if there is one.
    pub fn journal(&self) -> Option<&Journal> {
        self.shared.publisher.journal()
    }

    /// What was announced.
    pub fn totals(&self) -> Totals {
        self.shared.publisher.totals()
    }

    /// What the line looks like now.
    pub fn snapshot(&self) -> Snapshot {
        let shared = &self.shared;
        let camera = |(id, lane): (&CameraId, &Lane)| {
            (
                id.clone(),
                (lane.board.facts(), shared.intake.queued(lane.index)),
            )
        };
        let cameras = shared.lanes.iter().map(camera).collect();
        let journal = shared.publisher.journal().map(|journal| JournalFacts {
            trouble: journal.trouble(),
            consumers: journal.consumers(),
            evidence: self.disk_store().map(crate::evidence::DiskStore::counts),
        });
        Snapshot {
            uptime: shared.start.monotonic.elapsed(),
            active: self.active(),
            cameras,
            totals: shared.publisher.totals(),
            late_views: shared.late_views.load(Ordering::Relaxed),
            journal,
            engine_failures: shared.engine_failures.load(Ordering::Relaxed),
            engine_failing: shared.engine_failing.load(Ordering::Relaxed),
        }
    }

    /// How long the slower of the two threads that judge is at its present piece of work.
    pub fn busy_for(&self) -> Option<Duration> {
        let beats = [
            &self.shared.inspector_heartbeat,
            &self.shared.judge_heartbeat,
        ];
        beats.iter().filter_map(|beat| beat.busy_for()).max()
    }

    /// Has a client's image judged; `reply` gets the verdict.
    ///
    /// # Errors
    /// Why there will be none.
    pub fn inspect(
        &self,
        frame: inspectd_core::frame::Frame,
        camera: Option<CameraId>,
        reply: job::Reply,
    ) -> Result<(), InspectError> {
        let shared = &self.shared;
        let active = self.active();
        let view = match &camera {
            None => Arc::default(),
            Some(id) if shared.lanes.contains_key(id) => active.view(id),
            Some(id) => return Err(InspectError::NoCamera(id.clone())),
        };
        let size = [frame.width(), frame.height()];
        view.inspected_size(size, active.model.input)
            .map_err(InspectError::Size)?;
        let job = Job {
            camera: None,
            thresholds_of: camera,
            view,
            frame_id: 0,
            moment: Moment::now(),
            frame,
            simulated: false,
            item: String::new(),
            truth: String::new(),
            group: None,
            tag: None,
            active,
            claim: ResponseSlot::new(Some(reply)),
        };
        match shared.intake.push(shared.lanes.len(), job) {
            Pushed::Queued | Pushed::Replaced(_) => Ok(()),
            Pushed::Full(_) => Err(InspectError::Busy),
            Pushed::Closed(_) => Err(InspectError::Stopping),
        }
    }

    /// Takes nothing in any more, and judges what waits for most of the time until the deadline; what
    /// waits then ends as FAULT, and what is under way has the rest of the time. Gives back whether all
    /// threads have ended.
    pub fn finish(&self, deadline: Instant) -> bool {
        let shared = &self.shared;
        shared.intake.close();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        wait_for(
            &threads.judges,
            deadline.checked_sub(left / 4).unwrap_or(deadline),
        );
        for job in shared.intake.drain() {
            let fault = Fault::new(
                FaultReason::Shutdown,
                "the daemon stopped before the frame was judged",
            );
            shared.refuse(job, fault);
        }
        let mut ended = join(&mut threads.judges, deadline);
        // Parts wait for the verdicts of their views, which the journal still has to take.
        shared.publisher.flush(deadline);
        shared.notice(Notice::End);
        ended &= join(&mut threads.keeper, deadline);
        shared.publisher.close();
        ended &= join(&mut threads.writers, deadline);
        ended
    }
}

/// Joins all threads if they end before the deadline; gives back whether they have.
fn join(threads: &mut Vec<JoinHandle<()>>, deadline: Instant) -> bool {
    let ended = wait_for(threads, deadline);
    if ended {
        for thread in threads.drain(..) {
            // A panic was told when it happened.
            let _ = thread.join();
        }
    }
    ended
}

/// Waits until all threads have ended, or until the deadline; gives back whether they have.
fn wait_for(threads: &[JoinHandle<()>], deadline: Instant) -> bool {
    while !threads.iter().all(JoinHandle::is_finished) {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Calls `failed` if the thread that holds it panics.
struct OnPanic(Arc<dyn Fn() + Send + Sync>);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.0)();
        }
    }
}

fn start_threads(
    shared: &Arc<Shared>,
    worker: Worker,
    failed: Arc<dyn Fn() + Send + Sync>,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    let (to_judge, inspected) = sync_channel(inspector::JUDGE_QUEUE);
    let inspector = {
        let (shared, guard) = (Arc::clone(shared), OnPanic(Arc::clone(&failed)));
        worker.give(move || {
            let _guard = guard;
            inspector::inspect(&shared, &to_judge);
        });
        worker.finish()
    };
    let judge = {
        let (shared, guard) = (Arc::clone(shared), OnPanic(failed));
        thread::Builder::new()
            .name("judge".to_owned())
            .spawn(move || {
                let _guard = guard;
                inspector::judge_all(&shared, &inspected);
            })?
    };
    Ok(vec![inspector, judge])
}
