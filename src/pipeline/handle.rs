//! The running pipeline: start, use, stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use inspectd_core::id::CameraId;
use inspectd_core::moment::Moment;
use inspectd_core::record::{Fault, FaultReason, Verdict};
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tracing::warn;
use uuid::Uuid;

use super::active::Active;
use super::answers::Shared;
use super::camera_lane::{CameraLane, part_counter, queue_policy};
use super::counted_group::ResynchronizeError;
use super::groups::{CountedGroups, groups};
use super::heartbeat::Heartbeat;
use super::idempotency_cache::IdempotencyCache;
use super::intake::{Intake, QueuePolicy};
use super::lanes::Lanes;
use super::notice::{NOTICE_QUEUE, Notice};
use super::observer::Observer;
use super::part_assembler::{PartAssembler, PartRules};
use super::publisher::{Journal, OnPublished, Publisher, PublisherError, PublisherOptions, Totals};
use super::snapshot::{JournalSnapshot, Snapshot};
use super::threads::{Threads, join, start_judging, wait_for};
use super::timekeeper;
use super::worker::Worker;
use crate::alarm::Alarms;
use crate::camera::Sink;
use crate::clock::SharedClock;
use crate::drift::DriftMonitor;
use crate::evidence::{DiskStore, Evidence};
use crate::on_panic::OnPanic;

/// Images of clients that may be in progress: received, decoded, or waiting for the engine. The next one is refused.
pub const CLIENT_IMAGES: usize = 16;

/// Index of the queue of clients' images; those of cameras follow.
pub(super) const CLIENT_QUEUE: usize = 0;

/// The running pipeline. Dropping it does not stop it: [`Pipeline::finish`] does.
pub struct Pipeline {
    pub(super) shared: Arc<Shared>,
    run_id: Uuid,
    threads: Mutex<Threads>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline")
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}

/// What a pipeline is started with.
pub struct PipelineOptions {
    /// The settings, model and recipe that are active from the start.
    pub active: Active,
    /// The thread that loaded the model. It becomes the inspector.
    pub worker: Worker,
    /// Id of this run of the daemon.
    pub run_id: Uuid,
    /// Observes verdicts and runs of the model.
    pub observer: Arc<dyn Observer>,
    /// The clock.
    pub clock: SharedClock,
    /// The alarms.
    pub alarms: Alarms,
    /// Called when a thread of the pipeline panics, or the model fails again and again.
    pub failed: Arc<dyn Fn() + Send + Sync>,
}

impl Pipeline {
    /// Starts the pipeline's threads.
    ///
    /// # Errors
    /// When the operating system refuses a thread, or the journal cannot be used.
    pub fn start(options: PipelineOptions) -> Result<Self, PublisherError> {
        let PipelineOptions {
            active,
            worker,
            run_id,
            observer,
            clock,
            alarms,
            failed,
        } = options;
        let start = clock.now();
        let (notices, received) = sync_channel(NOTICE_QUEUE);
        let (publisher, writers) = Publisher::start(PublisherOptions {
            start,
            run: run_id,
            settings: &active.settings,
            on_published: on_published(Arc::clone(&observer), notices.clone()),
            clock: Arc::clone(&clock),
            alarms: alarms.clone(),
            failed: Arc::clone(&failed),
        })?;
        let (shared, parts) = assemble(Assembly {
            start,
            active,
            publisher,
            notices,
            observer,
            clock,
            alarms,
            failed: Arc::clone(&failed),
        });
        let timekeeper = {
            let shared = Arc::clone(&shared);
            let guard = OnPanic(Arc::clone(&failed));
            let builder = thread::Builder::new().name("timekeeper".to_owned());
            builder.spawn(move || {
                let _guard = guard;
                timekeeper::run(&shared, parts, &received);
            })?
        };
        let judges = start_judging(&shared, worker, failed)?;
        Ok(Self {
            shared,
            run_id,
            threads: Mutex::new(Threads {
                judges,
                timekeeper: vec![timekeeper],
                writers,
            }),
        })
    }

    /// Where cameras deliver what they capture.
    pub fn sink(&self) -> Arc<dyn Sink> {
        Arc::<Shared>::clone(&self.shared)
    }

    /// The clock.
    pub fn clock(&self) -> &SharedClock {
        &self.shared.clock
    }

    /// Id of this run of the daemon.
    pub fn run_id(&self) -> Uuid {
        self.run_id
    }

    /// Wall-clock time of the start.
    pub fn started(&self) -> SystemTime {
        self.shared.start.utc
    }

    /// The time from the start of this run until `at`.
    pub fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.shared.start.monotonic)
    }

    /// The active settings, model and recipe.
    pub fn active(&self) -> Arc<Active> {
        self.shared.active()
    }

    /// Replaces the active settings, model and recipe, from the next capture on. The modes of cameras must not
    /// change; for cameras that are added or removed, see [`Self::add_cameras`].
    pub fn activate(&self, active: Active) {
        self.shared.publisher.apply(&active.settings);
        let before = self.shared.active.swap(Arc::new(active));
        self.shared.observer.replaced(&before);
    }

    /// Puts a group whose cameras count their parts in step: the next frame of each camera shows the same part.
    ///
    /// # Errors
    /// When there is no such group, or one of its cameras does not run.
    pub fn resynchronize(&self, group: &str) -> Result<(), ResynchronizeError> {
        match self.shared.counted.get(group) {
            Some(counted) if !counted.is_empty() => counted.resynchronize(),
            _ => Err(ResynchronizeError::NoGroup(group.to_owned())),
        }
    }

    /// All verdicts from now on, and what was broadcast until now.
    pub fn subscribe(&self) -> (broadcast::Receiver<Arc<Verdict>>, Totals) {
        self.shared.publisher.subscribe()
    }

    /// The evidence of a recent verdict, from memory.
    pub fn evidence(&self, sequence: u64) -> Option<Evidence> {
        self.shared.publisher.evidence(sequence)
    }

    /// The evidence on the disk, if it is kept.
    pub fn disk_store(&self) -> Option<&DiskStore> {
        self.shared.publisher.disk_store()
    }

    /// The journal, if one is configured.
    pub fn journal(&self) -> Option<&Journal> {
        self.shared.publisher.journal()
    }

    /// What was broadcast.
    pub fn totals(&self) -> Totals {
        self.shared.publisher.totals()
    }

    /// The present state.
    pub fn snapshot(&self) -> Snapshot {
        let shared = &self.shared;
        let camera = |(id, lane): (&CameraId, &Arc<CameraLane>)| {
            let queued = shared.intake.queued(lane.index);
            let mut stats = lane.stats.snapshot();
            stats.drift = shared.drift.last(id);
            (id.clone(), (stats, queued))
        };
        let journal = shared.publisher.journal().map(|journal| JournalSnapshot {
            trouble: journal.trouble(),
            consumers: journal.consumers(),
            evidence: self.disk_store().map(DiskStore::counts),
            wal_bytes: journal.wal_bytes(),
        });
        let now = shared.clock.now().monotonic;
        let (totals, shift) = shared.publisher.counts();
        Snapshot {
            uptime: now.saturating_duration_since(shared.start.monotonic),
            active: self.active(),
            cameras: shared.lanes.all().iter().map(camera).collect(),
            totals,
            shift,
            late_views: shared.late_views.load(Ordering::Relaxed),
            alarms: shared.alarms.active(),
            journal,
            engine_failures: shared.engine_failures.load(Ordering::Relaxed),
            engine_failing: shared.engine_failing.load(Ordering::Relaxed),
        }
    }

    /// How long the inspector or the judge has been at its present piece of work, the longer of the two.
    pub fn busy_for(&self) -> Option<Duration> {
        let shared = &self.shared;
        let heartbeats = [&shared.inspector_heartbeat, &shared.judge_heartbeat];
        heartbeats.iter().filter_map(|beat| beat.busy_for()).max()
    }

    /// Makes every judgement a FAULT with this message, until there is none.
    pub fn set_challenge_failure(&self, message: Option<String>) {
        self.shared.challenge_failure.store(message.map(Arc::new));
    }

    /// Stops the pipeline: takes no further captures, and judges frames that wait for three quarters of
    /// the time until the deadline. Frames that still wait become FAULT; those in progress have the rest
    /// of the time. Returns whether every frame has its verdict: false if a judge did not end. Verdicts do not wait for the
    /// journal beyond the deadline.
    pub fn finish(&self, deadline: Instant) -> bool {
        let shared = &self.shared;
        let clock = &*shared.clock;
        shared.intake.close();
        let mut threads = self.threads.lock();
        let left = deadline.saturating_duration_since(clock.now().monotonic);
        let judged_by = deadline.checked_sub(left / 4).unwrap_or(deadline);
        wait_for(&threads.judges, judged_by, clock);
        for job in shared.intake.drain() {
            let message = "the daemon stopped before the frame was judged";
            shared.refuse(job, Fault::new(FaultReason::Shutdown, message));
        }
        let mut ended = join(&mut threads.judges, deadline, clock);
        // Open parts need the verdicts of their views, which may still wait for the journal.
        shared.publisher.flush(deadline);
        shared.notify(Notice::End);
        ended &= join(&mut threads.timekeeper, deadline, clock);
        shared.publisher.close();
        if !join(&mut threads.writers, deadline, clock) {
            warn!(
                "the disk did not answer before the end; verdicts that wait for it are published without the journal"
            );
            shared.publisher.abandon_journal();
        }
        ended
    }
}

/// What a pipeline consists of, apart from its threads.
pub(super) struct Assembly {
    pub(super) start: Moment,
    pub(super) active: Active,
    pub(super) publisher: Publisher,
    pub(super) notices: SyncSender<Notice>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) clock: SharedClock,
    pub(super) alarms: Alarms,
    pub(super) failed: Arc<dyn Fn() + Send + Sync>,
}

/// Puts a pipeline together, without threads.
pub(super) fn assemble(assembly: Assembly) -> (Arc<Shared>, PartAssembler) {
    let Assembly {
        start,
        active,
        publisher,
        notices,
        observer,
        clock,
        alarms,
        failed,
    } = assembly;
    let settings = &active.settings;
    let counted = CountedGroups::new(settings, publisher.journal(), &alarms, &clock);
    let rules = PartRules {
        window: settings.parts.window,
        missing: settings.parts.missing_view,
        spread: settings.parts.capture_spread,
    };
    let parts = PartAssembler::new(groups(settings), rules);
    let cameras = settings.cameras.iter();
    let policies = cameras.clone().map(|(_, camera)| queue_policy(camera));
    let policies = [QueuePolicy::RefuseNew(CLIENT_IMAGES)]
        .into_iter()
        .chain(policies);
    let lanes = (CLIENT_QUEUE + 1..).zip(cameras);
    let lanes = lanes.map(|(index, (id, camera))| {
        let part_counter = part_counter(id, camera, &counted, publisher.journal());
        (id.clone(), CameraLane::new(index, id, camera, part_counter))
    });
    let shared = Arc::new(Shared {
        start,
        intake: Intake::new(policies, Arc::clone(&clock)),
        lanes: Lanes::new(lanes),
        counted,
        alarms,
        publisher,
        observer,
        notices,
        requests: IdempotencyCache::default(),
        active: ArcSwap::from_pointee(active),
        inspector_heartbeat: Heartbeat::new(Arc::clone(&clock)),
        judge_heartbeat: Heartbeat::new(Arc::clone(&clock)),
        engine_failures: AtomicU64::new(0),
        engine_failing: AtomicBool::new(false),
        challenge_failure: ArcSwapOption::empty(),
        drift: DriftMonitor::default(),
        failed,
        late_views: AtomicU64::new(0),
        fault_log: Mutex::default(),
        clock,
    });
    (shared, parts)
}

/// Passes each published verdict to the observer, and the views of parts to the timekeeper. It is called
/// by the thread that the journal waits for, so it must not wait: a notice is dropped where the queue is
/// full, and the part then lacks a view.
pub(super) fn on_published(
    observer: Arc<dyn Observer>,
    notices: SyncSender<Notice>,
) -> OnPublished {
    Box::new(move |verdict, times| {
        observer.published(verdict, times);
        if verdict.subject.group.is_some() && verdict.subject.tag.is_some() {
            let _ = notices.try_send(Notice::Published(Arc::clone(verdict)));
        }
    })
}
