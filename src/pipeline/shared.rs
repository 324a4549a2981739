//! What the line's threads and its users share, and how captures enter it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tracing::warn;

use super::camera_stats::CameraStats;
use super::heartbeat::Heartbeat;
use super::inspector;
use super::intake::{Intake, Pushed};
use super::job::{Job, Reply};
use super::publisher::{Entry, Publisher, Seen};
use super::requests::{Book, Waiting};
use super::response_slot::ResponseSlot;
use super::timekeeper::{Deadline, Notice, too_late};
use super::{Active, Observer};
use crate::camera::health::{Finding, HealthFault, HealthMonitor};
use crate::camera::{CameraEvent, CameraTrouble, Captured, LogThrottle, Sink};
use crate::config::settings::{Mode, NoJudgement};
use crate::evidence::CapturedFrame;
use inspectd_core::id::CameraId;
use inspectd_core::moment::Moment;
use inspectd_core::preprocess::rotate;
use inspectd_core::record::{Fault, FaultReason, Outcome, Subject, Tag, Verdict};
use inspectd_engine::EngineError;

/// A camera's faults of one kind are logged once in so long.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A camera as the line sees it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) index: usize,
    pub(super) mode: Mode,
    pub(super) group: Option<Arc<str>>,
    pub(super) simulated: bool,
    pub(super) board: Arc<CameraStats>,
    /// What is known of the camera's condition. The camera's own thread alone waits for it.
    pub(super) condition: Mutex<HealthMonitor>,
    pub(super) waiting: Waiting,
    /// The last part's number, where frames are numbered as parts.
    pub(super) part_counter: Option<AtomicU64>,
}

/// What the line's threads and its users share.
pub(super) struct Shared {
    pub(super) start: Moment,
    pub(super) active: ArcSwap<Active>,
    pub(super) lanes: BTreeMap<CameraId, Lane>,
    pub(super) intake: Intake<Job>,
    pub(super) publisher: Publisher,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) notices: SyncSender<Notice>,
    pub(super) book: Book,
    pub(super) inspector_heartbeat: Heartbeat,
    pub(super) judge_heartbeat: Heartbeat,
    pub(super) engine_failures: AtomicU64,
    /// Whether the last run of the model failed.
    pub(super) engine_failing: AtomicBool,
    /// Views that came after their part was decided.
    pub(super) late_views: AtomicU64,
    /// What of a camera's faults is logged; as many entries as there are cameras and reasons.
    pub(super) told: Mutex<HashMap<(Option<CameraId>, FaultReason), LogThrottle>>,
}

/// The name of a camera's part counter in the journal.
pub(super) fn counter_name(camera: &CameraId) -> String {
    format!("part/{camera}")
}

impl Shared {
    pub(super) fn active(&self) -> Arc<Active> {
        self.active.load_full()
    }

    pub(super) fn take(&self) -> Option<Vec<Job>> {
        let (limit, window) = inspector::window(&self.active());
        self.intake.take(limit, window)
    }

    pub(super) fn late_views(&self, count: u64) {
        self.late_views.store(count, Ordering::Relaxed);
    }

    /// A result that came after its frame was answered for.
    pub(super) fn late(&self, camera: Option<&CameraId>) {
        if let Some(lane) = camera.and_then(|id| self.lanes.get(id)) {
            lane.board.lock().frames.late += 1;
        }
    }

    /// Answers for a frame, unless somebody has.
    pub(super) fn answer(
        &self,
        claim: &ResponseSlot,
        moment: Moment,
        subject: Subject,
        outcome: Outcome,
        seen: Seen,
    ) {
        match claim.take() {
            Some(reply) => {
                let entry = self.entry(moment, subject, outcome, seen, reply);
                self.publisher.publish(entry);
            }
            None => self.late(subject.camera.as_ref()),
        }
    }

    /// As [`Self::answer`] for who holds the claim, without a frame, and without waiting.
    pub(super) fn publish_at_once(
        &self,
        moment: Moment,
        subject: Subject,
        outcome: Outcome,
        reply: Option<Reply>,
    ) {
        let entry = self.entry(moment, subject, outcome, None, reply);
        self.publisher.publish_at_once(entry);
    }

    fn entry(
        &self,
        moment: Moment,
        subject: Subject,
        outcome: Outcome,
        seen: Seen,
        reply: Option<Reply>,
    ) -> Entry {
        match &outcome {
            Outcome::Judged(_) => self.engine_failing.store(false, Ordering::Relaxed),
            Outcome::Fault(fault) => self.log(subject.camera.as_ref(), &subject.item, fault),
            Outcome::Part(_) => {}
        }
        let lane = subject.camera.as_ref().and_then(|id| self.lanes.get(id));
        Entry {
            moment,
            outcome,
            seen,
            board: lane.map(|lane| Arc::clone(&lane.board)),
            reply,
            subject,
        }
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
            .or_insert_with(|| LogThrottle::new(LOG_INTERVAL));
        if let Some(suppressed) = repeats.allow(Instant::now()) {
            let camera = camera.map_or("(client)", CameraId::as_str);
            let reason = fault.reason.name();
            warn!(camera, item, reason, suppressed, "FAULT: {}", fault.message);
        }
    }

    /// Publishes a FAULT of a capture that never reached the engine.
    pub(super) fn refuse(&self, job: Job, fault: Fault) {
        let subject = job.subject();
        let picture = CapturedFrame {
            frame: Arc::new(rotate(job.frame, job.view.rotate)),
            crop: job.view.crop,
        };
        self.answer(
            &job.claim,
            job.moment,
            subject,
            Outcome::Fault(fault),
            Some((picture, None)),
        );
    }

    /// A run of the model failed. Maps that are no numbers are a frame's fault, and not the engine's.
    pub(super) fn engine_failed(&self, error: &EngineError) {
        if !matches!(error, EngineError::NotFinite { .. }) {
            self.engine_failures.fetch_add(1, Ordering::Relaxed);
            self.engine_failing.store(true, Ordering::Relaxed);
        }
    }

    /// When a verdict's frame was captured, on both clocks.
    pub(super) fn moment_of(&self, verdict: &Verdict) -> Moment {
        Moment {
            utc: verdict.captured,
            monotonic: self.start.monotonic + verdict.since_start,
        }
    }

    /// Who waits for the verdict of this part.
    pub(super) fn part_reply(&self, tag: &Tag) -> Option<Reply> {
        self.book.part_reply(tag.trigger?)
    }

    /// Tells the thread that keeps time. It does nothing that takes time, so this waits for no more than
    /// a moment.
    pub(super) fn notice(&self, notice: Notice) {
        // It ends after all who tell it anything.
        let _ = self.notices.send(notice);
    }

    /// A capture without a frame: there is nothing to inspect.
    fn corrupt(
        &self,
        camera: &CameraId,
        lane: &Lane,
        captured: Captured,
        reason: String,
        ask: Ask,
    ) {
        let active = self.active();
        let subject = Subject {
            frame_id: captured.frame_id,
            simulated: lane.simulated,
            group: lane.group.clone(),
            tag: ask.tag,
            item: captured.item,
            truth: captured.truth,
            ..Subject::new(Some(camera.clone()), Arc::clone(&active.stamp))
        };
        let outcome = Outcome::Fault(Fault::new(FaultReason::CorruptFrame, reason));
        let entry = self.entry(captured.moment, subject, outcome, None, ask.reply);
        self.publisher.publish(entry);
    }

    /// Puts a frame into its camera's lane; it waits for room there if told how long that is wanted.
    fn queue(
        &self,
        camera: &CameraId,
        lane: &Lane,
        captured: Captured,
        stopped: Option<&dyn Fn() -> bool>,
        ask: Ask,
    ) {
        let Ok(frame) = captured.frame else { return };
        let size = [frame.width(), frame.height()];
        let active = self.active();
        let job = Job {
            camera: Some(camera.clone()),
            thresholds_of: Some(camera.clone()),
            view: active.view(camera),
            frame_id: captured.frame_id,
            moment: captured.moment,
            frame,
            simulated: lane.simulated,
            item: captured.item,
            truth: captured.truth,
            group: lane.group.clone(),
            tag: ask.tag,
            active,
            claim: ResponseSlot::new(ask.reply),
        };
        if let Err(message) = job.view.inspected_size(size, job.active.model.input) {
            return self.refuse(job, Fault::new(FaultReason::WrongSize, message));
        }
        if let Some(finding) = examine(camera, lane, &job) {
            let fault = Fault::new(reason(finding.kind), finding.message);
            return self.refuse(job, fault);
        }
        self.set_deadline(camera, &job);
        let pushed = match stopped {
            Some(stopped) => self.intake.push_wait(lane.index, job, stopped),
            None => self.intake.push(lane.index, job),
        };
        let (job, reason, message) = match pushed {
            Pushed::Queued => return,
            Pushed::Replaced(job) if lane.mode == Mode::FreeRunning => {
                return self.skip(lane, &job);
            }
            Pushed::Replaced(job) => (
                job,
                FaultReason::Overflow,
                "the camera's queue is full: a newer frame took its place",
            ),
            Pushed::Full(job) => (job, FaultReason::Overflow, "the camera's queue is full"),
            Pushed::Closed(job) => (job, FaultReason::Shutdown, "the daemon is stopping"),
        };
        self.refuse(job, Fault::new(reason, message));
    }

    /// A newer frame took the place of this one, as it should.
    fn skip(&self, lane: &Lane, job: &Job) {
        // One whose deadline has passed has a verdict, and was not skipped.
        if job.claim.take().is_some() {
            lane.board.lock().frames.skipped += 1;
        } else {
            self.late(job.camera.as_ref());
        }
    }

    fn set_deadline(&self, camera: &CameraId, job: &Job) {
        let settings = job.active.settings.cameras.get(camera);
        let Some((limit, settings)) = settings.and_then(|camera| Some((camera.deadline?, camera)))
        else {
            return;
        };
        self.notice(Notice::Deadline(Box::new(Deadline {
            due: job.moment.monotonic + limit,
            claim: job.claim.clone(),
            moment: job.moment,
            subject: job.subject(),
            fault: too_late(limit, settings.on_deadline == NoJudgement::Reject),
        })));
    }

    fn trouble(&self, camera: &CameraId, lane: &Lane, fault: Fault, moment: Moment) {
        lane.board.lock().last_error = Some((fault.message.clone(), moment.utc));
        let subject = Subject {
            simulated: lane.simulated,
            ..Subject::new(Some(camera.clone()), Arc::clone(&self.active().stamp))
        };
        let entry = self.entry(moment, subject, Outcome::Fault(fault), None, None);
        self.publisher.publish(entry);
    }

    /// Which part a capture shows, and who asked for it; nothing if nobody did and nobody may have
    /// it then.
    fn asked(
        &self,
        camera: &CameraId,
        lane: &Lane,
        captured: &mut Captured,
        wait: bool,
        stopped: &dyn Fn() -> bool,
    ) -> Option<Ask> {
        if let Mode::Requested { .. } = lane.mode {
            if wait {
                // The image was read ahead; it counts as taken when somebody wants it.
                lane.waiting.wait(stopped);
                captured.moment = Moment::now();
            }
            let (request, reply) = lane.waiting.take(captured.moment)?;
            return Some(Ask {
                tag: Some(request.tag),
                reply,
            });
        }
        let tag = lane.part_counter.as_ref().map(|counter| {
            let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(journal) = self.publisher.journal() {
                journal.count(&counter_name(camera), number);
            }
            Arc::new(Tag {
                part_id: number.to_string(),
                ..Tag::default()
            })
        });
        Some(Ask { tag, reply: None })
    }
}

/// What the frame shows to be wrong with its camera.
fn examine(camera: &CameraId, lane: &Lane, job: &Job) -> Option<Finding> {
    let limits = job.active.settings.cameras.get(camera)?.limits();
    let mut condition = lane
        .condition
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    condition.examine(&job.frame, &limits)
}

fn reason(kind: HealthFault) -> FaultReason {
    match kind {
        HealthFault::Dark => FaultReason::Dark,
        HealthFault::Saturated => FaultReason::Saturated,
        HealthFault::Frozen => FaultReason::Frozen,
        HealthFault::Blurred => FaultReason::Blurred,
        HealthFault::ViewMoved => FaultReason::ViewMoved,
    }
}

/// Which part a capture shows, and who waits for its verdict.
struct Ask {
    tag: Option<Arc<Tag>>,
    reply: Option<Reply>,
}

impl Sink for Shared {
    fn captured(
        &self,
        camera: &CameraId,
        mut captured: Captured,
        wait: bool,
        stopped: &dyn Fn() -> bool,
    ) {
        let Some(lane) = self.lanes.get(camera) else {
            return warn!(%camera, "a frame of a camera that is not configured");
        };
        let ask = self.asked(camera, lane, &mut captured, wait, stopped);
        let size = captured.frame.as_ref().ok();
        let size = size.map(|frame| [frame.width(), frame.height()]);
        {
            let mut facts = lane.board.lock();
            facts.capture(captured.moment.utc, self.start.monotonic.elapsed(), size);
            facts.frames.skipped += u64::from(ask.is_none());
        }
        let Some(ask) = ask else { return };
        match captured.frame {
            Err(ref error) => {
                let reason = error.to_string();
                self.corrupt(camera, lane, captured, reason, ask);
            }
            Ok(_) => self.queue(camera, lane, captured, wait.then_some(stopped), ask),
        }
    }

    fn event(&self, camera: &CameraId, event: CameraEvent) {
        let Some(lane) = self.lanes.get(camera) else {
            return;
        };
        match event {
            CameraEvent::State(state) => lane.board.lock().enter(state),
            CameraEvent::Trouble {
                trouble,
                moment,
                reason,
            } => {
                let kind = match trouble {
                    CameraTrouble::Lost => FaultReason::CameraLost,
                    CameraTrouble::Stalled => FaultReason::CameraStalled,
                };
                self.trouble(camera, lane, Fault::new(kind, reason), moment);
            }
        }
    }
}
