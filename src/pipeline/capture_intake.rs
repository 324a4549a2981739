//! How captures and camera events enter the pipeline.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use inspectd_core::frame::Frame;
use inspectd_core::id::CameraId;
use inspectd_core::moment::Moment;
use inspectd_core::record::{Fault, FaultReason, Outcome, PartTag, Subject};
use tracing::warn;

use super::active::PreparedRecipe;
use super::answers::Shared;
use super::camera_lane::{Brightness, CameraLane, PartCounter};
use super::groups::counter_name;
use super::intake::Pushed;
use super::job::{Job, Ticket};
use super::notice::{Deadline, Notice, deadline_missed};
use super::response_slot::{Reply, ResponseSlot};
use crate::camera::health::{Finding, HealthFault};
use crate::camera::{CameraEvent, CameraState, CameraTrouble, Captured, Sink};
use crate::config::settings::{Mode, NoJudgement};

/// Message of the fault of a camera whose exposure or gain is being changed.
const CHANGING: &str = "the camera is opened again with another exposure or gain";

/// The part that a capture shows, and the reply to the caller that requested it.
#[derive(Default)]
struct Assignment {
    tag: Option<Arc<PartTag>>,
    /// The recipe of its request, if the request names one.
    recipe: Option<PreparedRecipe>,
    reply: Option<Reply>,
    /// Why the part is not known.
    fault: Option<Fault>,
}

/// A capture without its pixels.
struct CaptureInfo {
    frame_id: u64,
    moment: Moment,
    item: String,
    truth: String,
}

impl Shared {
    /// Publishes the FAULT of a capture whose frame is not usable.
    fn refuse_capture(
        &self,
        camera: &CameraId,
        lane: &CameraLane,
        info: CaptureInfo,
        fault: Fault,
        assignment: Assignment,
    ) {
        let active = self.active_for(assignment.recipe.as_ref());
        let subject = Subject {
            frame_id: info.frame_id,
            simulated: lane.simulated,
            group: lane.group.clone(),
            tag: assignment.tag,
            item: info.item,
            truth: info.truth,
            ..Subject::new(Some(camera.clone()), Arc::clone(&active.stamp))
        };
        self.publish(
            info.moment,
            subject,
            Outcome::Fault(fault),
            assignment.reply,
        );
    }

    /// Queues a frame for the engine, or publishes the FAULT that keeps it from being judged. `stopped` is
    /// given where the source may wait for room in the queue.
    fn queue(
        &self,
        camera: &CameraId,
        lane: &CameraLane,
        frame: Frame,
        info: CaptureInfo,
        assignment: Assignment,
        stopped: Option<&dyn Fn() -> bool>,
    ) {
        let job = self.job(camera, lane, frame, info, assignment);
        let ticket = &job.ticket;
        let input = ticket.active.model.input;
        if let Err(error) = ticket.view.inspected_size(ticket.size, input) {
            return self.refuse(job, Fault::new(FaultReason::WrongSize, error.to_string()));
        }
        if let Some(finding) = examine(camera, lane, &job) {
            let fault = Fault::new(fault_reason(finding.kind), finding.message);
            return self.refuse(job, fault);
        }
        self.set_deadline(camera, ticket);
        let pushed = match stopped {
            Some(stopped) => self.intake.push_wait(lane.index, job, stopped),
            None => self.intake.push(lane.index, job),
        };
        let (job, reason, message) = match pushed {
            Pushed::Queued => return,
            Pushed::Replaced(job) if lane.mode == Mode::FreeRunning => {
                return self.skip(lane, &job.ticket);
            }
            Pushed::Replaced(job) => (
                job,
                FaultReason::Overflow,
                "the camera's queue is full: a newer frame replaced this one",
            ),
            Pushed::Full(job) => (job, FaultReason::Overflow, "the camera's queue is full"),
            Pushed::Closed(job) => (job, FaultReason::Shutdown, "the daemon is stopping"),
        };
        self.refuse(job, Fault::new(reason, message));
    }

    fn job(
        &self,
        camera: &CameraId,
        lane: &CameraLane,
        frame: Frame,
        info: CaptureInfo,
        assignment: Assignment,
    ) -> Job {
        let active = self.active_for(assignment.recipe.as_ref());
        let ticket = Ticket {
            camera: Some(camera.clone()),
            thresholds_of: Some(camera.clone()),
            view: active.view(camera),
            frame_id: info.frame_id,
            moment: info.moment,
            size: [frame.width(), frame.height()],
            simulated: lane.simulated,
            item: info.item,
            truth: info.truth,
            group: lane.group.clone(),
            tag: assignment.tag,
            challenge: false,
            maps: None,
            active,
            slot: ResponseSlot::new(assignment.reply),
        };
        Job { frame, ticket }
    }

    /// Counts a frame of a free-running camera that a newer frame replaced.
    fn skip(&self, lane: &CameraLane, ticket: &Ticket) {
        // A frame whose deadline has passed has a verdict, and was not skipped.
        if ticket.slot.take().is_some() {
            lane.stats.lock().frames.skipped += 1;
            if let (Some(PartCounter::Group(group)), Some(camera)) =
                (&lane.part_counter, &ticket.camera)
            {
                group.lost(format!("a frame of camera {camera} was skipped"));
            }
        } else {
            self.count_late(ticket.camera.as_ref());
        }
    }

    fn set_deadline(&self, camera: &CameraId, ticket: &Ticket) {
        let Some(settings) = ticket.active.settings.cameras.get(camera) else {
            return;
        };
        let Some(limit) = settings.deadline else {
            return;
        };
        self.notify(Notice::Deadline(Box::new(Deadline {
            due: ticket.moment.monotonic + limit,
            slot: ticket.slot.clone(),
            moment: ticket.moment,
            subject: ticket.subject(),
            fault: deadline_missed(limit, settings.on_deadline == NoJudgement::Reject),
        })));
    }

    /// The fault of a capture whose camera does not have the exposure or gain of the recipe.
    fn wrong_controls(
        &self,
        camera: &CameraId,
        lane: &CameraLane,
        recipe: Option<&PreparedRecipe>,
    ) -> Option<Fault> {
        if lane.changing.load(Ordering::Acquire) {
            return Some(Fault::new(FaultReason::CameraSettings, CHANGING));
        }
        let prepared = recipe?;
        let active = self.active();
        (!active.same_controls(&active.with_recipe(prepared), camera)).then(|| {
            let recipe = &prepared.recipe.id;
            let message =
                format!("the camera does not have the exposure or gain of recipe {recipe}");
            Fault::new(FaultReason::CameraSettings, message)
        })
    }

    /// Marks the cameras whose exposure or gain is about to change: until [`Self::settings_changed`], their captures
    /// are FAULT. Publishes a FAULT for each, because a camera that is restarted misses parts.
    pub(super) fn settings_change(&self, cameras: &[CameraId]) {
        for (camera, lane) in self.lanes_of(cameras) {
            lane.changing.store(true, Ordering::Release);
            let fault = Fault::new(FaultReason::CameraSettings, CHANGING);
            self.camera_fault(camera, &lane, fault, self.clock.now());
        }
    }

    /// Judges the captures of these cameras again.
    pub(super) fn settings_changed(&self, cameras: &[CameraId]) {
        for (_, lane) in self.lanes_of(cameras) {
            lane.changing.store(false, Ordering::Release);
        }
    }

    fn lanes_of<'a>(
        &self,
        cameras: &'a [CameraId],
    ) -> impl Iterator<Item = (&'a CameraId, Arc<CameraLane>)> {
        cameras
            .iter()
            .filter_map(|id| Some((id, self.lanes.get(id)?)))
    }

    /// Marks a camera as paused, and publishes its FAULT: its parts are not inspected.
    pub(super) fn paused(&self, camera: &CameraId, message: &str) {
        let Some(lane) = self.lanes.get(camera) else {
            return;
        };
        // A request is refused from now on.
        let _accepting = self.requests.accepting();
        self.event(camera, CameraEvent::State(CameraState::Paused));
        let fault = Fault::new(FaultReason::CameraPaused, message);
        self.camera_fault(camera, &lane, fault, self.clock.now());
    }

    /// Publishes the FAULT of a camera that delivers no frame.
    fn camera_fault(&self, camera: &CameraId, lane: &CameraLane, fault: Fault, moment: Moment) {
        lane.stats.lock().last_error = Some((fault.message.clone(), moment.utc));
        let subject = Subject {
            simulated: lane.simulated,
            ..Subject::new(Some(camera.clone()), Arc::clone(&self.active().stamp))
        };
        self.publish(moment, subject, Outcome::Fault(fault), None);
    }

    /// Assigns a capture to a request or to the next numbered part. Returns `None` for a capture of a
    /// camera in mode "requested" without a request: it is skipped.
    fn assign(
        &self,
        camera: &CameraId,
        lane: &CameraLane,
        captured: &mut Captured,
        wait: bool,
        stopped: &dyn Fn() -> bool,
    ) -> Option<Assignment> {
        if let Mode::Requested { .. } = lane.mode {
            if wait {
                // The image was read ahead of the request: its capture time is the time of the request.
                lane.requests.wait(stopped);
                captured.moment = self.clock.now();
            }
            let (request, reply) = lane.requests.take(captured.moment)?;
            return Some(Assignment {
                tag: Some(request.tag),
                recipe: request.recipe,
                reply,
                fault: None,
            });
        }
        let Some(counter) = &lane.part_counter else {
            return Some(Assignment::default());
        };
        // The journal may have been opened after the start.
        let journal = self.publisher.journal();
        let last = journal.map_or(0, |journal| journal.counter(&counter_name(camera)));
        let (number, fault) = match counter {
            PartCounter::Own(own) => {
                own.fetch_max(last, Ordering::Relaxed);
                (own.fetch_add(1, Ordering::Relaxed) + 1, None)
            }
            PartCounter::Group(group) => group.count(camera, captured.moment.monotonic, last),
        };
        if let Some(journal) = journal {
            journal.count(&counter_name(camera), number);
        }
        Some(Assignment {
            tag: Some(Arc::new(PartTag {
                part_id: number.to_string(),
                ..PartTag::default()
            })),
            fault,
            ..Assignment::default()
        })
    }
}

/// Notes frames that the driver lost: their parts were not inspected, and count.
fn note_lost(camera: &CameraId, lane: &CameraLane, lost: u64) {
    if lost == 0 {
        return;
    }
    lane.stats.lock().frames.lost += lost;
    let reason = format!("the driver of camera {camera} lost {lost} frames");
    match &lane.part_counter {
        Some(PartCounter::Group(group)) => group.lost(reason),
        Some(PartCounter::Own(own)) => {
            warn!(%camera, lost, "{reason}; as many part numbers are left out");
            own.fetch_add(lost, Ordering::Relaxed);
        }
        None => warn!(%camera, lost, "{reason}"),
    }
}

/// The camera fault that the frame shows, if any.
fn examine(camera: &CameraId, lane: &CameraLane, job: &Job) -> Option<Finding> {
    let settings = &job.ticket.active.settings;
    let settings = settings.cameras.get(camera)?;
    let (limits, parts) = (settings.limits(), settings.frozen_parts_after());
    lane.health.lock().examine_part(&job.frame, &limits, parts)
}

fn fault_reason(fault: HealthFault) -> FaultReason {
    match fault {
        HealthFault::Dark => FaultReason::Dark,
        HealthFault::Saturated => FaultReason::Saturated,
        HealthFault::Frozen => FaultReason::Frozen,
        HealthFault::Blurred => FaultReason::Blurred,
        HealthFault::ViewMoved => FaultReason::ViewMoved,
    }
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
            return warn!(%camera, "frame of a camera that is not configured");
        };
        let lane = &*lane;
        if let Ok(frame) = &captured.frame
            && lane.brightness.receiver_count() > 0
        {
            let brightness = Brightness::of(captured.frame_id, frame);
            lane.brightness.send_replace(brightness);
        }
        lane.frame_waiters.deliver(&captured);
        note_lost(camera, lane, captured.lost);
        let assignment = self.assign(camera, lane, &mut captured, wait, stopped);
        let frame = captured.frame;
        let size = frame.as_ref().ok();
        let size = size.map(|frame| [frame.width(), frame.height()]);
        let info = CaptureInfo {
            frame_id: captured.frame_id,
            moment: captured.moment,
            item: captured.item,
            truth: captured.truth,
        };
        {
            let now = self.clock.now().monotonic;
            let since_start = now.saturating_duration_since(self.start.monotonic);
            let mut stats = lane.stats.lock();
            stats.capture(info.moment.utc, since_start, size);
            stats.frames.skipped += u64::from(assignment.is_none());
        }
        let Some(mut assignment) = assignment else {
            // A frozen camera must be known before the next part is requested.
            if let (Ok(frame), Some(camera)) = (frame, self.active().settings.cameras.get(camera)) {
                lane.health.lock().observe(&frame, &camera.limits());
            }
            return;
        };
        let fault = assignment.fault.take();
        let recipe = assignment.recipe.as_ref();
        if let Some(fault) = fault.or_else(|| self.wrong_controls(camera, lane, recipe)) {
            return self.refuse_capture(camera, lane, info, fault, assignment);
        }
        match frame {
            Err(error) => {
                let fault = Fault::new(FaultReason::CorruptFrame, error.to_string());
                self.refuse_capture(camera, lane, info, fault, assignment);
            }
            Ok(frame) => {
                let stopped = wait.then_some(stopped);
                self.queue(camera, lane, frame, info, assignment, stopped);
            }
        }
    }

    fn event(&self, camera: &CameraId, event: CameraEvent) {
        let Some(lane) = self.lanes.get(camera) else {
            return;
        };
        let lane = &*lane;
        match event {
            CameraEvent::State(state) => {
                lane.stats.lock().enter(state);
                if let Some(PartCounter::Group(group)) = &lane.part_counter {
                    group.enter(camera, state);
                }
            }
            CameraEvent::Trouble {
                trouble,
                moment,
                reason,
            } => {
                let kind = match trouble {
                    CameraTrouble::Lost => FaultReason::CameraLost,
                    CameraTrouble::Stalled => FaultReason::CameraStalled,
                };
                self.camera_fault(camera, lane, Fault::new(kind, reason), moment);
            }
        }
    }
}
