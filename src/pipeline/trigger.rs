//! How a client's request becomes inspections.

use std::sync::Arc;

use tokio::sync::watch;
use uuid::Uuid;

use super::Line;
use super::job::Reply;
use super::requests::{self, Accepted, Request, Target, Trigger, TriggerError};
use super::response_slot::ResponseSlot;
use super::shared::{Lane, Shared};
use super::timekeeper::{Deadline, Notice};
use crate::config::settings::Mode;
use inspectd_core::id::CameraId;
use inspectd_core::moment::Moment;
use inspectd_core::record::{Fault, FaultReason, PartTag, Subject, Verdict};

/// A group's request that is made again after a kill is another attempt, where the first one left views
/// and no part; so many are looked through for one that came to its end.
const ATTEMPTS: usize = 8;

impl Line {
    /// Has the next frame of a camera, or of all cameras of a group, inspected. A request with the key
    /// of an earlier one is that one. May read the journal.
    ///
    /// # Errors
    /// Why nothing will be inspected. Of a group, nothing is then.
    pub fn trigger(&self, request: &Trigger) -> Result<Accepted, TriggerError> {
        if self.shared.intake.is_closed() {
            return Err(TriggerError::Stopping);
        }
        if let Some(accepted) = self.known(request)? {
            return Ok(accepted);
        }
        let cameras = self.cameras_of(&request.target)?;
        let _turn = self.shared.book.turn();
        if let Some(accepted) = self.shared.book.look_up(request)? {
            return Ok(accepted);
        }
        find_room(&cameras)?;
        Ok(self.accept(request, &cameras))
    }

    /// What became of an earlier request with the same key. May read the journal.
    ///
    /// # Errors
    /// When the key was used for another request, or the journal cannot be read.
    pub fn known(&self, request: &Trigger) -> Result<Option<Accepted>, TriggerError> {
        if request.idempotency_key.is_empty() {
            return Ok(None);
        }
        match self.shared.book.look_up(request)? {
            Some(accepted) => Ok(Some(accepted)),
            None => self.journalled(request),
        }
    }

    fn cameras_of(&self, target: &Target) -> Result<Vec<(&CameraId, &Lane)>, TriggerError> {
        let lanes = &self.shared.lanes;
        let found: Vec<_> = match target {
            Target::Camera(id) => lanes.get_key_value(id).into_iter().collect(),
            Target::Group(group) => lanes
                .iter()
                .filter(|(_, lane)| lane.group.as_deref() == Some(group))
                .collect(),
        };
        if found.is_empty() {
            return Err(match target {
                Target::Camera(id) => TriggerError::NoCamera(id.clone()),
                Target::Group(group) => TriggerError::NoGroup(group.clone()),
            });
        }
        for (id, lane) in &found {
            let Mode::Requested { .. } = lane.mode else {
                return Err(TriggerError::Mode((*id).clone()));
            };
        }
        Ok(found)
    }

    /// What became of a request of an earlier run with the same key.
    fn journalled(&self, request: &Trigger) -> Result<Option<Accepted>, TriggerError> {
        let Some(journal) = self.journal() else {
            return Ok(None);
        };
        let attempt = self.shared.lanes.len() + 1;
        let verdicts = journal
            .readers()
            .of_key(&request.idempotency_key, ATTEMPTS * attempt)
            .map_err(|error| TriggerError::Journal(error.to_string()))?;
        let Some(first) = verdicts.first() else {
            return Ok(None);
        };
        let same_target = |verdict: &Verdict| match &request.target {
            Target::Camera(id) => verdict.subject.camera.as_ref() == Some(id),
            Target::Group(group) => {
                verdict.subject.camera.is_none() && verdict.subject.group.as_deref() == Some(group)
            }
        };
        let tag = first.subject.tag.clone().unwrap_or_default();
        let same = tag.part_id == request.part_id && tag.client_data == request.client_data;
        match verdicts.into_iter().find(same_target) {
            Some(verdict) if same => {
                let tag = verdict.subject.tag.clone().unwrap_or_default();
                let (_, awaited) = watch::channel(Some(Arc::new(verdict)));
                Ok(Some(Accepted {
                    trigger: tag.trigger.unwrap_or_default(),
                    verdict: awaited,
                    repeated: true,
                }))
            }
            // A group whose part was never decided: the daemon was killed before.
            None if same && matches!(request.target, Target::Group(_)) => Ok(None),
            _ => Err(TriggerError::Key(request.idempotency_key.clone())),
        }
    }

    fn accept(&self, request: &Trigger, cameras: &[(&CameraId, &Lane)]) -> Accepted {
        let trigger = Uuid::now_v7();
        let (sender, verdict) = watch::channel(None);
        let accepted = Accepted {
            trigger,
            verdict,
            repeated: false,
        };
        let tag = Arc::new(PartTag {
            part_id: request.part_id.clone(),
            trigger: Some(trigger),
            client_data: request.client_data.clone(),
            idempotency_key: request.idempotency_key.clone(),
        });
        let mut reply = Some(sender);
        if let Target::Group(group) = &request.target
            && let Some(sender) = reply.take()
        {
            self.shared.book.await_part(trigger, sender);
            self.shared
                .notice(Notice::Expect(group.as_str().into(), Arc::clone(&tag)));
        }
        self.shared.book.remember(request, &accepted);
        for (id, lane) in cameras {
            let reply = reply.take().map(requests::reply);
            self.shared.ask(id, lane, Arc::clone(&tag), reply);
        }
        accepted
    }
}

/// Refuses where one of the cameras has as many requests waiting as it may.
fn find_room(cameras: &[(&CameraId, &Lane)]) -> Result<(), TriggerError> {
    for (id, lane) in cameras {
        if let Mode::Requested { queue } = lane.mode
            && lane.waiting.is_full(queue)
        {
            return Err(TriggerError::Busy((*id).clone()));
        }
    }
    Ok(())
}

impl Shared {
    /// Has a camera's next frame inspected. If none comes in time, that is a verdict of its own.
    fn ask(&self, camera: &CameraId, lane: &Lane, tag: Arc<PartTag>, reply: Option<Reply>) {
        let at = Moment::now();
        let claim = ResponseSlot::new(reply);
        let active = self.active();
        let settings = active.settings.cameras.get(camera);
        let limit = settings.map_or_else(Default::default, |camera| {
            camera.deadline.unwrap_or(camera.read_timeout)
        });
        let subject = Subject {
            group: lane.group.clone(),
            tag: Some(Arc::clone(&tag)),
            simulated: lane.simulated,
            ..Subject::new(Some(camera.clone()), Arc::clone(&active.stamp))
        };
        let message = format!("no frame within {} ms of the request", limit.as_millis());
        let rejects = settings.is_some_and(|camera| {
            camera.on_deadline == crate::config::settings::NoJudgement::Reject
        });
        self.notice(Notice::Deadline(Box::new(Deadline {
            due: at.monotonic + limit,
            claim: claim.clone(),
            moment: at,
            subject,
            fault: Fault {
                rejects,
                ..Fault::new(FaultReason::CameraStalled, message)
            },
        })));
        lane.waiting.push(Request { tag, at, claim });
    }
}

impl Accepted {
    /// The verdict, if it is there already.
    pub fn now(&self) -> Option<Arc<Verdict>> {
        self.verdict.borrow().clone()
    }
}
