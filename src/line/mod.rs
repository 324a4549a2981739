//! The line: takes captures in, has them judged, publishes what came of them, and knows how it is.

pub mod beat;
pub mod board;
mod inspector;
pub mod intake;
pub mod job;
pub mod model;
pub mod publisher;
mod rate;
pub mod record;
mod shared;
pub mod worker;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use uuid::Uuid;

use beat::Beat;
use board::{Board, DecisionCounts, Facts};
use intake::{Intake, Policy, Pushed};
use job::{Job, View};
use model::Model;
use publisher::Publisher;
use record::{Fault, FaultReason, Stamp, Verdict};
use shared::{Lane, Shared};
use worker::Worker;

use crate::camera::{CameraId, Moment, Sink, State};
use crate::config::Settings;
use crate::config::settings::{Camera, Mode};
use crate::metrics;

/// How many images of clients may wait; the next is refused.
pub const ON_DEMAND_QUEUE: usize = 8;

/// What is in force: read once a run of the model, replaced as a whole.
#[derive(Debug)]
pub struct Active {
    /// The settings.
    pub settings: Settings,
    /// 1 at the start, one more with each change.
    pub generation: u64,
    /// When they came into force.
    pub since: SystemTime,
    /// The model.
    pub model: Arc<Model>,
    /// What verdicts say of all this.
    pub stamp: Arc<Stamp>,
}

impl Active {
    /// Settings and a model, in force from now on.
    pub fn new(settings: Settings, hash: String, generation: u64, model: Arc<Model>) -> Self {
        let stamp = Arc::new(Stamp {
            model: model.id.clone(),
            config_hash: hash,
            provider: model.provider,
        });
        Self {
            settings,
            generation,
            since: SystemTime::now(),
            model,
            stamp,
        }
    }
}

/// What the line looks like at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Since the start.
    pub uptime: Duration,
    /// What is in force.
    pub active: Arc<Active>,
    /// Each camera, and how many of its frames wait.
    pub cameras: BTreeMap<CameraId, (Facts, usize)>,
    /// The newest verdict's sequence, 0 if there is none yet.
    pub sequence: u64,
    /// All verdicts.
    pub decisions: DecisionCounts,
    /// Runs of the model that failed.
    pub engine_failures: u64,
    /// Whether the last one did.
    pub engine_failing: bool,
}

impl Snapshot {
    /// Whether every camera's first opening came to something, good or bad.
    pub fn all_attempted(&self) -> bool {
        self.cameras.values().all(|(facts, _)| facts.attempted)
    }

    /// Whether no camera has anything more to give, and all that they gave was judged.
    pub fn all_ended(&self) -> bool {
        let ended = |facts: &Facts| facts.state == State::Ended && facts.frames.under_way() == 0;
        self.cameras.values().all(|(facts, _)| ended(facts))
    }

    /// Whether something does not work: the engine, or a camera that neither delivers nor has ended.
    pub fn degraded(&self) -> bool {
        let works = |facts: &Facts| matches!(facts.state, State::Running | State::Ended);
        self.engine_failing || !self.cameras.values().all(|(facts, _)| works(facts))
    }
}

/// The line. Dropping it does not end it: [`Line::finish`] does.
pub struct Line {
    shared: Arc<Shared>,
    run_id: Uuid,
    threads: Mutex<Vec<JoinHandle<()>>>,
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
    /// Starts the threads that judge; `worker`, which has loaded the model, becomes the inspector. `failed` is called if one of them ends before its time.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        active: Active,
        worker: Worker,
        failed: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let start = Moment::now();
        let settings = &active.settings;
        let policy = |mode| match mode {
            Mode::FreeRunning => Policy::Latest,
            Mode::Triggered { queue } => Policy::Queue(queue),
        };
        let cameras = settings.cameras.iter();
        let policies = cameras.clone().map(|(_, camera)| policy(camera.mode));
        let lane = |(index, (id, camera)): (usize, (&CameraId, &Camera))| {
            let lane = Lane {
                index,
                view: Arc::new(View::of(camera)),
                simulated: camera.source.simulated(),
                board: Board::new(),
            };
            (id.clone(), lane)
        };
        let shared = Arc::new(Shared {
            start,
            intake: Intake::new(policies.chain([Policy::Queue(ON_DEMAND_QUEUE)])),
            lanes: cameras.enumerate().map(lane).collect(),
            publisher: Publisher::new(
                start.monotonic,
                settings.evidence.memory_limit,
                settings.server.stream_backlog,
            ),
            active: ArcSwap::from_pointee(active),
            inspector_beat: Beat::new(),
            judge_beat: Beat::new(),
            engine_failures: AtomicU64::new(0),
            engine_failing: AtomicBool::new(false),
            told: Mutex::default(),
        });
        let threads = start_threads(&shared, worker, Arc::new(failed))?;
        Ok(Self {
            shared,
            run_id: Uuid::now_v7(),
            threads: Mutex::new(threads),
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
        let before = self.shared.active.swap(Arc::new(active));
        metrics::in_force(&before, 0.0);
    }

    /// Gets all verdicts from now on.
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Arc<Verdict>> {
        self.shared.publisher.subscribe()
    }

    /// What a recent verdict was made of.
    pub fn evidence(&self, sequence: u64) -> Option<crate::evidence::Evidence> {
        self.shared.publisher.evidence(sequence)
    }

    /// The newest verdict's sequence, 0 if there is none yet.
    pub fn sequence(&self) -> u64 {
        self.shared.publisher.totals().0
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
        let (sequence, decisions) = shared.publisher.totals();
        Snapshot {
            uptime: shared.start.monotonic.elapsed(),
            active: self.active(),
            cameras,
            sequence,
            decisions,
            engine_failures: shared.engine_failures.load(Ordering::Relaxed),
            engine_failing: shared.engine_failing.load(Ordering::Relaxed),
        }
    }

    /// How long the slower of the two threads that judge is at its present piece of work.
    pub fn busy_for(&self) -> Option<Duration> {
        let beats = [&self.shared.inspector_beat, &self.shared.judge_beat];
        beats.iter().filter_map(|beat| beat.busy_for()).max()
    }

    /// Has a client's image judged; `reply` gets the verdict.
    ///
    /// # Errors
    /// Why there will be none.
    pub fn inspect(
        &self,
        frame: crate::frame::Frame,
        camera: Option<CameraId>,
        reply: job::Reply,
    ) -> Result<(), InspectError> {
        let shared = &self.shared;
        let view = match &camera {
            None => Arc::new(View::default()),
            Some(id) => {
                let lane = shared.lanes.get(id);
                let lane = lane.ok_or_else(|| InspectError::NoCamera(id.clone()))?;
                Arc::clone(&lane.view)
            }
        };
        let size = [frame.width(), frame.height()];
        view.inspected_size(size, self.active().model.input)
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
            reply: Some(reply),
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
        wait_for(&threads, deadline.checked_sub(left / 4).unwrap_or(deadline));
        for job in shared.intake.drain() {
            let fault = Fault::new(
                FaultReason::Shutdown,
                "the daemon stopped before the frame was judged",
            );
            shared.refuse(job, fault);
        }
        let ended = wait_for(&threads, deadline);
        if ended {
            for thread in threads.drain(..) {
                // A panic was told when it happened.
                let _ = thread.join();
            }
        }
        ended
    }
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
