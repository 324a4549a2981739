//! What the line's threads and its users share, and how captures enter it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tracing::warn;

use super::Active;
use super::beat::Beat;
use super::board::Board;
use super::inspector;
use super::intake::{Intake, Pushed};
use super::job::{Job, View};
use super::publisher::{Publisher, Seen};
use super::record::{Draft, Fault, FaultReason, Outcome, Timings, Verdict};
use crate::camera::{CameraId, Captured, Event, Moment, Repeats, Sink, Trouble};
use crate::engine::EngineError;
use crate::evidence::Picture;
use crate::preprocess::rotate;

/// A camera's faults of one kind are logged once in so long.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A camera as the line sees it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) index: usize,
    pub(super) view: Arc<View>,
    pub(super) simulated: bool,
    pub(super) board: Board,
}

/// What the line's threads and its users share.
pub(super) struct Shared {
    pub(super) start: Moment,
    pub(super) active: ArcSwap<Active>,
    pub(super) lanes: BTreeMap<CameraId, Lane>,
    pub(super) intake: Intake<Job>,
    pub(super) publisher: Publisher,
    pub(super) inspector_beat: Beat,
    pub(super) judge_beat: Beat,
    pub(super) engine_failures: AtomicU64,
    /// Whether the last run of the model failed.
    pub(super) engine_failing: AtomicBool,
    /// What of a camera's faults is logged; as many entries as there are cameras and reasons.
    pub(super) told: Mutex<HashMap<(Option<CameraId>, FaultReason), Repeats>>,
}

impl Shared {
    pub(super) fn active(&self) -> Arc<Active> {
        self.active.load_full()
    }

    pub(super) fn take(&self) -> Option<Vec<Job>> {
        let (limit, window) = inspector::window(&self.active());
        self.intake.take(limit, window)
    }

    pub(super) fn publish(&self, draft: Draft, outcome: Outcome, seen: Seen) -> Arc<Verdict> {
        match &outcome {
            Ok(_) => self.engine_failing.store(false, Ordering::Relaxed),
            Err(fault) => self.log(draft.camera.as_ref(), &draft.item, fault),
        }
        let lane = draft.camera.as_ref().and_then(|id| self.lanes.get(id));
        let board = lane.map(|lane| &lane.board);
        self.publisher.publish(draft, outcome, seen, board)
    }

    /// Logs a fault, unless its like was logged a moment ago. What a camera does it has logged itself.
    fn log(&self, camera: Option<&CameraId>, item: &str, fault: &Fault) {
        use FaultReason::{CameraLost, CameraStalled, Shutdown};
        if matches!(fault.reason, CameraLost | CameraStalled | Shutdown) {
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let repeats = told
            .entry((camera.cloned(), fault.reason))
            .or_insert_with(|| Repeats::new(LOG_INTERVAL));
        if let Some(suppressed) = repeats.tell(Instant::now()) {
            let camera = camera.map_or("(client)", CameraId::as_str);
            let reason = fault.reason.name();
            warn!(camera, item, reason, suppressed, "FAULT: {}", fault.message);
        }
    }

    /// A draft without a frame, under what is in force now.
    fn draft(&self, camera: Option<CameraId>, moment: Moment) -> Draft {
        Draft {
            camera,
            frame_id: 0,
            moment,
            stamp: Arc::clone(&self.active().stamp),
            simulated: false,
            timings: Timings::default(),
            batch_size: 0,
            size: None,
            item: String::new(),
            truth: String::new(),
        }
    }

    /// Publishes a FAULT of a capture that never reached the engine.
    pub(super) fn refuse(&self, job: Job, fault: Fault) {
        let draft = Draft {
            frame_id: job.frame_id,
            simulated: job.simulated,
            size: Some(job.view.part_size([job.frame.width(), job.frame.height()])),
            item: job.item,
            truth: job.truth,
            ..self.draft(job.camera, job.moment)
        };
        let picture = Picture {
            frame: Arc::new(rotate(job.frame, job.view.rotate)),
            crop: job.view.crop,
        };
        let verdict = self.publish(draft, Err(fault), Some((picture, None)));
        if let Some(reply) = job.reply {
            reply(verdict);
        }
    }

    /// A run of the model failed. Maps that are no numbers are a frame's fault, and not the engine's.
    pub(super) fn engine_failed(&self, error: &EngineError) {
        if !matches!(error, EngineError::NotFinite { .. }) {
            self.engine_failures.fetch_add(1, Ordering::Relaxed);
            self.engine_failing.store(true, Ordering::Relaxed);
        }
    }

    /// A capture without a frame: there is nothing to inspect.
    fn corrupt(&self, camera: &CameraId, lane: &Lane, captured: Captured, reason: String) {
        let draft = Draft {
            frame_id: captured.frame_id,
            simulated: lane.simulated,
            item: captured.item,
            truth: captured.truth,
            ..self.draft(Some(camera.clone()), captured.moment)
        };
        self.publish(
            draft,
            Err(Fault::new(FaultReason::CorruptFrame, reason)),
            None,
        );
    }

    /// Puts a frame into its camera's lane; it waits for room there if told how long that is wanted.
    fn queue(
        &self,
        camera: &CameraId,
        lane: &Lane,
        captured: Captured,
        stopped: Option<&dyn Fn() -> bool>,
    ) {
        let Ok(frame) = captured.frame else { return };
        let size = [frame.width(), frame.height()];
        let job = Job {
            camera: Some(camera.clone()),
            thresholds_of: Some(camera.clone()),
            view: Arc::clone(&lane.view),
            frame_id: captured.frame_id,
            moment: captured.moment,
            frame,
            simulated: lane.simulated,
            item: captured.item,
            truth: captured.truth,
            reply: None,
        };
        if let Err(message) = lane.view.inspected_size(size, self.active().model.input) {
            return self.refuse(job, Fault::new(FaultReason::WrongSize, message));
        }
        let pushed = match stopped {
            Some(stopped) => self.intake.push_wait(lane.index, job, stopped),
            None => self.intake.push(lane.index, job),
        };
        let (job, fault) = match pushed {
            Pushed::Queued => return,
            Pushed::Replaced(_) => return lane.board.lock().frames.skipped += 1,
            Pushed::Full(job) => (job, (FaultReason::Overflow, "the camera's queue is full")),
            Pushed::Closed(job) => (job, (FaultReason::Shutdown, "the daemon is stopping")),
        };
        self.refuse(job, Fault::new(fault.0, fault.1));
    }

    fn trouble(&self, camera: &CameraId, lane: &Lane, fault: Fault, moment: Moment) {
        lane.board.lock().last_error = Some((fault.message.clone(), moment.utc));
        let draft = Draft {
            simulated: lane.simulated,
            ..self.draft(Some(camera.clone()), moment)
        };
        self.publish(draft, Err(fault), None);
    }
}

impl Sink for Shared {
    fn captured(
        &self,
        camera: &CameraId,
        captured: Captured,
        wait: bool,
        stopped: &dyn Fn() -> bool,
    ) {
        let Some(lane) = self.lanes.get(camera) else {
            return warn!(%camera, "a frame of a camera that is not configured");
        };
        let size = captured.frame.as_ref().ok();
        let size = size.map(|frame| [frame.width(), frame.height()]);
        lane.board
            .lock()
            .capture(captured.moment.utc, self.start.monotonic.elapsed(), size);
        match captured.frame {
            Err(ref reason) => {
                let reason = reason.clone();
                self.corrupt(camera, lane, captured, reason);
            }
            Ok(_) => self.queue(camera, lane, captured, wait.then_some(stopped)),
        }
    }

    fn event(&self, camera: &CameraId, event: Event) {
        let Some(lane) = self.lanes.get(camera) else {
            return;
        };
        match event {
            Event::State(state) => lane.board.lock().enter(state),
            Event::Trouble {
                trouble,
                moment,
                reason,
            } => {
                let kind = match trouble {
                    Trouble::Lost => FaultReason::CameraLost,
                    Trouble::Stalled => FaultReason::CameraStalled,
                };
                self.trouble(camera, lane, Fault::new(kind, reason), moment);
            }
        }
    }
}
