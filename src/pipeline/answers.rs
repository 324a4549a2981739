//! What the pipeline's threads share, and how verdicts are made from it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use inspectd_core::id::CameraId;
use inspectd_core::moment::Moment;
use inspectd_core::preprocess::rotate;
use inspectd_core::record::{Fault, FaultReason, Outcome, PartTag, Subject, Verdict};
use inspectd_engine::EngineError;
use parking_lot::Mutex;
use tracing::{error, warn};

use super::active::Active;
use super::groups::CountedGroups;
use super::heartbeat::Heartbeat;
use super::idempotency_cache::IdempotencyCache;
use super::intake::Intake;
use super::job::Job;
use super::lanes::Lanes;
use super::model::RunOutcome;
use super::notice::Notice;
use super::observer::Observer;
use super::publisher::{InspectedImages, Publisher, VerdictEntry};
use super::response_slot::{Reply, ResponseSlot};
use crate::alarm::{AlarmKind, Alarms};
use crate::camera::LogThrottle;
use crate::clock::SharedClock;
use crate::drift::DriftMonitor;
use crate::evidence::CapturedFrame;

/// Faults of one camera and reason are logged at most once in this time.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// Runs of the model that fail in a row until it is loaded again.
const RENEW_AFTER: u64 = 5;

/// Runs of the model that fail in a row until the process ends. Non-finite maps of an image that a client sent count, and do
/// not end it.
const EXIT_AFTER: u64 = 15;

/// What the pipeline's threads and its callers share.
pub(super) struct Shared {
    pub(super) clock: SharedClock,
    pub(super) start: Moment,
    pub(super) active: ArcSwap<Active>,
    pub(super) lanes: Lanes,
    /// Groups whose cameras count their parts.
    pub(super) counted: CountedGroups,
    pub(super) alarms: Alarms,
    pub(super) intake: Intake<Job>,
    pub(super) publisher: Publisher,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) notices: SyncSender<Notice>,
    pub(super) requests: IdempotencyCache,
    pub(super) inspector_heartbeat: Heartbeat,
    pub(super) judge_heartbeat: Heartbeat,
    pub(super) engine_failures: AtomicU64,
    /// Whether the last run of the model failed.
    pub(super) engine_failing: AtomicBool,
    /// Why every judgement is a FAULT: the challenge failed.
    pub(super) challenge_failure: ArcSwapOption<String>,
    /// Whether the scores of each camera are still those of the calibration.
    pub(super) drift: DriftMonitor,
    /// Ends the process, so that it is started again.
    pub(super) failed: Arc<dyn Fn() + Send + Sync>,
    /// Views that were received after their part was decided.
    pub(super) late_views: AtomicU64,
    /// Throttles of the log, one for each camera and reason.
    pub(super) fault_log: Mutex<HashMap<(Option<CameraId>, FaultReason), LogThrottle>>,
}

impl Shared {
    /// The active settings, model and recipe.
    pub(super) fn active(&self) -> Arc<Active> {
        self.active.load_full()
    }

    /// The next frames for the engine; `None` once the intake is closed and empty.
    pub(super) fn take(&self) -> Option<Vec<Job>> {
        let active = self.active();
        let engine = &active.settings.engine;
        self.intake.take(engine.batch_limit, engine.batch_window)
    }

    pub(super) fn set_late_views(&self, count: u64) {
        self.late_views.store(count, Ordering::Relaxed);
    }

    /// Counts a result that was made after the frame's verdict.
    pub(super) fn count_late(&self, camera: Option<&CameraId>) {
        if let Some(lane) = camera.and_then(|id| self.lanes.get(id)) {
            lane.stats.lock().frames.late += 1;
        }
    }

    /// Publishes the verdict of a frame, unless its slot was taken before. Waits while the journal's queue
    /// is full.
    pub(super) fn answer(
        &self,
        slot: &ResponseSlot,
        moment: Moment,
        subject: Subject,
        outcome: Outcome,
        images: Option<InspectedImages>,
    ) {
        match slot.take() {
            Some(reply) => {
                let entry = self.entry(moment, subject, outcome, images, reply);
                self.publisher.publish(entry);
            }
            None => self.count_late(subject.camera.as_ref()),
        }
    }

    /// Publishes a verdict without images for the caller that took the slot. Waits while the journal's
    /// queue is full.
    pub(super) fn publish(
        &self,
        moment: Moment,
        subject: Subject,
        outcome: Outcome,
        reply: Option<Reply>,
    ) {
        let entry = self.entry(moment, subject, outcome, None, reply);
        self.publisher.publish(entry);
    }

    /// As [`Self::publish`], and never waits.
    pub(super) fn publish_without_waiting(
        &self,
        moment: Moment,
        subject: Subject,
        outcome: Outcome,
        reply: Option<Reply>,
    ) {
        let entry = self.entry(moment, subject, outcome, None, reply);
        self.publisher.publish_without_waiting(entry);
    }

    fn entry(
        &self,
        moment: Moment,
        subject: Subject,
        outcome: Outcome,
        images: Option<InspectedImages>,
        reply: Option<Reply>,
    ) -> VerdictEntry {
        match &outcome {
            Outcome::Judged(_) => self.engine_failing.store(false, Ordering::Relaxed),
            Outcome::Fault(fault) => self.log(subject.camera.as_ref(), &subject.item, fault),
            Outcome::Part(_) => {}
        }
        let lane = subject.camera.as_ref().and_then(|id| self.lanes.get(id));
        VerdictEntry {
            moment,
            outcome,
            images,
            stats: lane.map(|lane| Arc::clone(&lane.stats)),
            reply,
            subject,
        }
    }

    /// Logs a fault, rate-limited. Faults of a camera itself are logged by the camera.
    fn log(&self, camera: Option<&CameraId>, item: &str, fault: &Fault) {
        use FaultReason::{CameraLost, CameraStalled, Shutdown};
        if matches!(fault.reason, CameraLost | CameraStalled | Shutdown) {
            return;
        }
        let mut throttles = self.fault_log.lock();
        let throttle = throttles
            .entry((camera.cloned(), fault.reason))
            .or_insert_with(|| LogThrottle::new(LOG_INTERVAL));
        if let Some(suppressed) = throttle.allow(self.clock.now().monotonic) {
            let camera = camera.map_or("(client)", CameraId::as_str);
            let reason = fault.reason.name();
            warn!(camera, item, reason, suppressed, "FAULT: {}", fault.message);
        }
    }

    /// Publishes a FAULT of a frame that was not run through the model.
    pub(super) fn refuse(&self, job: Job, fault: Fault) {
        let Job { frame, ticket } = job;
        let subject = ticket.subject();
        let captured = CapturedFrame {
            frame: Arc::new(rotate(frame, ticket.view.rotate)),
            crop: ticket.view.crop,
        };
        let images = InspectedImages {
            captured,
            anomaly_map: None,
        };
        let outcome = Outcome::Fault(fault);
        self.answer(&ticket.slot, ticket.moment, subject, outcome, Some(images));
    }

    /// Reacts to runs of one model that fail one after the other: first with a new session, then by ending the process,
    /// so that it is started again. Called by the inspector.
    pub(super) fn after_run(&self, active: &Active, run: RunOutcome) {
        let of_client = match run {
            RunOutcome::Repeated => return,
            RunOutcome::Succeeded => return active.model.run_succeeded(),
            RunOutcome::NotFinite { of_client } => of_client,
            RunOutcome::Failed => false,
        };
        let failed = active.model.run_failed();
        if failed == RENEW_AFTER {
            let _work = self.inspector_heartbeat.work();
            match active.model.renew(&active.settings.engine) {
                Ok(()) => warn!(failed, "the model was loaded again, because its runs fail"),
                Err(error) => {
                    error!(%error, failed, "the runs of the model fail, and it cannot be loaded again");
                }
            }
        } else if failed >= EXIT_AFTER && !of_client {
            error!(failed, "the runs of the model fail: exiting for a restart");
            (self.failed)();
        }
    }

    /// Begins or ends the alarm about the server of the active model.
    pub(super) fn check_server(&self) {
        let active = self.active();
        let Some(remote) = &active.model.remote else {
            return;
        };
        let (kind, name) = (AlarmKind::RemoteUnused, remote.name());
        self.alarms.clear_where(kind, |subject| subject != name);
        match remote.unused_reason() {
            Some(reason) => self.alarms.raise(kind, name, reason),
            None if remote.is_used() => self.alarms.clear(kind, name),
            // It is being checked for the first time.
            None => {}
        }
    }

    /// Counts a failed run of the model. Non-finite maps are a fault of one frame, not of the engine.
    pub(super) fn engine_failed(&self, error: &EngineError) {
        if !matches!(error, EngineError::NotFinite { .. }) {
            self.engine_failures.fetch_add(1, Ordering::Relaxed);
            self.engine_failing.store(true, Ordering::Relaxed);
        }
    }

    /// The capture time of a verdict's frame on both clocks.
    pub(super) fn capture_moment(&self, verdict: &Verdict) -> Moment {
        Moment {
            utc: verdict.captured,
            monotonic: self.start.monotonic + verdict.since_start,
        }
    }

    /// The reply to the caller that waits for the verdict of this part.
    pub(super) fn part_reply(&self, tag: &PartTag) -> Option<Reply> {
        self.requests.part_reply(tag.trigger?)
    }

    /// Notifies the timekeeper. Waits for a moment at most, see
    /// [`NOTICE_QUEUE`](super::notice::NOTICE_QUEUE).
    pub(super) fn notify(&self, notice: Notice) {
        // The timekeeper ends after all senders.
        let _ = self.notices.send(notice);
    }
}
