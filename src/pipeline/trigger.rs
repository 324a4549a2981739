//! How a client's request becomes inspections.

use std::sync::Arc;

use tokio::sync::watch;
use uuid::Uuid;

use inspectd_core::id::CameraId;
use inspectd_core::record::{Fault, FaultReason, Outcome, PartTag, Subject, Verdict};

use super::active::{Active, PreparedRecipe};
use super::answers::Shared;
use super::camera_lane::CameraLane;
use super::handle::Pipeline;
use super::notice::{Deadline, Notice};
use super::requests::{self, AcceptedTrigger, PendingRequest, Target, Trigger, TriggerError};
use super::response_slot::{Reply, ResponseSlot};
use crate::camera::CameraState;
use crate::config::settings::{Mode, NoJudgement};
use crate::telemetry::traces::RemoteContext;

/// Attempts of one group request that are looked through for a decided part: version 0.1 inspected a part again if the
/// process had been killed before it was decided.
const ATTEMPTS: usize = 8;

impl Pipeline {
    /// Requests an inspection of the next frame of a camera, or of all cameras of a group, by `recipe` if given. The request
    /// belongs to the client's span `parent`.
    /// A request with the idempotency key of an earlier request of this run is that request; those of earlier runs are
    /// found by [`Self::known`], which is asked first. Does not wait for a disk.
    ///
    /// # Errors
    /// Why the request is refused. No camera of a group is inspected then.
    pub fn trigger(
        &self,
        request: &Trigger,
        recipe: Option<&PreparedRecipe>,
        parent: Option<&RemoteContext>,
    ) -> Result<AcceptedTrigger, TriggerError> {
        self.shared.trigger(request, recipe, parent)
    }

    /// The earlier request with the same idempotency key. May wait for the disk of the journal.
    ///
    /// # Errors
    /// When the key was used for another request, or the journal cannot be read.
    pub fn known(&self, request: &Trigger) -> Result<Option<AcceptedTrigger>, TriggerError> {
        self.shared.known(request)
    }
}

impl Shared {
    /// See [`Pipeline::trigger`].
    pub(super) fn trigger(
        &self,
        request: &Trigger,
        recipe: Option<&PreparedRecipe>,
        parent: Option<&RemoteContext>,
    ) -> Result<AcceptedTrigger, TriggerError> {
        if self.intake.is_closed() {
            return Err(TriggerError::Stopping);
        }
        let _accepting = self.requests.accepting();
        let cameras = self.cameras_of(&request.target)?;
        if let Some(accepted) = self.requests.get(request)? {
            return Ok(accepted);
        }
        check_room(&cameras)?;
        let active = self.active();
        if let Some(prepared) = recipe {
            check_controls(&active, prepared, &cameras)?;
        }
        Ok(self.accept(request, recipe, parent, &cameras))
    }

    /// See [`Pipeline::known`].
    pub(super) fn known(&self, request: &Trigger) -> Result<Option<AcceptedTrigger>, TriggerError> {
        if request.idempotency_key.is_empty() {
            return Ok(None);
        }
        if let Some(accepted) = self.requests.get(request)? {
            return Ok(Some(accepted));
        }
        self.journalled(request)
    }

    fn cameras_of(
        &self,
        target: &Target,
    ) -> Result<Vec<(CameraId, Arc<CameraLane>)>, TriggerError> {
        let lanes = self.lanes.all();
        let is_target = |(id, lane): &(&CameraId, &Arc<CameraLane>)| match target {
            Target::Camera(target) => *id == target,
            Target::Group(group) => lane.group.as_deref() == Some(group),
        };
        let found = lanes.iter().filter(is_target);
        let found: Vec<_> = found
            .map(|(id, lane)| (id.clone(), Arc::clone(lane)))
            .collect();
        if found.is_empty() {
            return Err(match target {
                Target::Camera(id) => TriggerError::NoCamera(id.clone()),
                Target::Group(group) => TriggerError::NoGroup(group.clone()),
            });
        }
        for (id, lane) in &found {
            let Mode::Requested { .. } = lane.mode else {
                return Err(TriggerError::Mode(id.clone()));
            };
            if lane.stats.lock().state == CameraState::Paused {
                return Err(TriggerError::Paused(id.clone()));
            }
        }
        Ok(found)
    }

    /// The request of an earlier run with the same key.
    fn journalled(&self, request: &Trigger) -> Result<Option<AcceptedTrigger>, TriggerError> {
        let Some(journal) = self.publisher.journal() else {
            return Ok(None);
        };
        let attempt = self.lanes.all().len() + 1;
        let verdicts = journal
            .readers()
            .of_key(&request.idempotency_key, ATTEMPTS * attempt)
            .map_err(|error| {
                if error.is_damage() {
                    journal.suspect_damage();
                }
                TriggerError::Journal(Arc::new(error))
            })?;
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
        let same = judged_by_recipe_of(request, first)
            && tag.part_id == request.part_id
            && tag.client_data == request.client_data;
        match verdicts.iter().position(same_target) {
            Some(position) if same => {
                let verdict = as_published(verdicts[position].clone());
                let tag = verdict.subject.tag.clone().unwrap_or_default();
                let (_, awaited) = watch::channel(Some(Arc::new(verdict)));
                Ok(Some(AcceptedTrigger {
                    trigger: tag.trigger.unwrap_or_default(),
                    verdict: awaited,
                    repeated: true,
                }))
            }
            None if same && matches!(request.target, Target::Group(_)) => {
                self.resume(request, &tag, verdicts).map(Some)
            }
            _ => Err(TriggerError::Key(request.idempotency_key.clone())),
        }
    }

    /// The request of a group whose part was not decided because the process was killed: it is decided by the views that
    /// were journalled. The part has moved on, so nothing is inspected again.
    fn resume(
        &self,
        request: &Trigger,
        tag: &Arc<PartTag>,
        views: Vec<Verdict>,
    ) -> Result<AcceptedTrigger, TriggerError> {
        // Of two repetitions, the second finds what the first has begun.
        let _accepting = self.requests.accepting();
        if let Some(accepted) = self.requests.get(request)? {
            return Ok(accepted);
        }
        let trigger = tag.trigger.unwrap_or_default();
        let (sender, verdict) = watch::channel(None);
        let accepted = AcceptedTrigger {
            trigger,
            verdict,
            repeated: true,
        };
        self.requests.await_part(trigger, sender);
        self.requests.insert(request, &accepted);
        if let Target::Group(group) = &request.target {
            let lanes = self.lanes.all();
            let is_member =
                |(_, lane): &(&CameraId, &Arc<CameraLane>)| lane.group.as_deref() == Some(group);
            let cameras = lanes.iter().filter(is_member).map(|(id, _)| id.clone());
            let group = group.as_str().into();
            self.notify(Notice::Expect(group, Arc::clone(tag), cameras.collect()));
        }
        for view in views {
            if view.subject.tag.as_ref().and_then(|tag| tag.trigger) == tag.trigger {
                self.notify(Notice::Published(Arc::new(as_published(view))));
            }
        }
        Ok(accepted)
    }

    fn accept(
        &self,
        request: &Trigger,
        recipe: Option<&PreparedRecipe>,
        parent: Option<&RemoteContext>,
        cameras: &[(CameraId, Arc<CameraLane>)],
    ) -> AcceptedTrigger {
        let trigger = Uuid::now_v7();
        let now = self.clock.now().monotonic;
        let at = now.saturating_duration_since(self.start.monotonic);
        self.observer.requested(trigger, at, parent);
        let (sender, verdict) = watch::channel(None);
        let accepted = AcceptedTrigger {
            trigger,
            verdict,
            repeated: false,
        };
        let tag = Arc::new(PartTag {
            part_id: request.part_id.clone(),
            trigger: Some(trigger),
            client_data: request.client_data.clone(),
            idempotency_key: request.idempotency_key.clone(),
            // Only requests with a key are compared.
            names_recipe: (!request.idempotency_key.is_empty()).then_some(request.recipe.is_some()),
        });
        let mut reply = Some(sender);
        if let Target::Group(group) = &request.target
            && let Some(sender) = reply.take()
        {
            self.requests.await_part(trigger, sender);
            let asked = cameras.iter().map(|(id, _)| id.clone()).collect();
            let group = group.as_str().into();
            self.notify(Notice::Expect(group, Arc::clone(&tag), asked));
        }
        self.requests.insert(request, &accepted);
        for (id, lane) in cameras {
            let reply = reply.take().map(requests::reply);
            self.request(id, lane, Arc::clone(&tag), recipe, reply);
        }
        accepted
    }
}

/// Refuses a request where the queue of one of its cameras is full.
fn check_room(cameras: &[(CameraId, Arc<CameraLane>)]) -> Result<(), TriggerError> {
    for (id, lane) in cameras {
        if let Mode::Requested { queue } = lane.mode
            && lane.requests.is_full(queue)
        {
            return Err(TriggerError::Busy(id.clone()));
        }
    }
    Ok(())
}

/// Refuses a recipe for which a camera would have to be restarted.
fn check_controls(
    active: &Arc<Active>,
    prepared: &PreparedRecipe,
    cameras: &[(CameraId, Arc<CameraLane>)],
) -> Result<(), TriggerError> {
    let wanted = active.with_recipe(prepared);
    match cameras
        .iter()
        .find(|(id, _)| !active.same_controls(&wanted, id))
    {
        None => Ok(()),
        Some((camera, _)) => Err(TriggerError::CameraSettings {
            recipe: prepared.recipe.id.clone(),
            camera: camera.clone(),
        }),
    }
}

impl Shared {
    /// The settings and model that judge a frame that is captured now, by the recipe of its request if it names one.
    pub(super) fn active_for(&self, recipe: Option<&PreparedRecipe>) -> Arc<Active> {
        let active = self.active();
        recipe.map_or_else(
            || Arc::clone(&active),
            |prepared| active.with_recipe(prepared),
        )
    }

    /// Requests an inspection of a camera's next frame. If no frame is captured in time, that is a FAULT.
    fn request(
        &self,
        camera: &CameraId,
        lane: &CameraLane,
        tag: Arc<PartTag>,
        recipe: Option<&PreparedRecipe>,
        reply: Option<Reply>,
    ) {
        let at = self.clock.now();
        let slot = ResponseSlot::new(reply);
        let active = self.active_for(recipe);
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
        let rejects = settings.is_some_and(|camera| camera.on_deadline == NoJudgement::Reject);
        self.notify(Notice::Deadline(Box::new(Deadline {
            due: at.monotonic + limit,
            slot: slot.clone(),
            moment: at,
            subject,
            fault: Fault {
                rejects,
                ..Fault::new(FaultReason::CameraStalled, message)
            },
        })));
        lane.requests.push(PendingRequest {
            tag,
            at,
            recipe: recipe.cloned(),
            slot,
        });
    }
}

/// Whether a request names the recipe that the request of a stored verdict named, or none as that did. Rows of 0.2.0 and
/// earlier do not have whether it named one: a request without a recipe is then the same.
fn judged_by_recipe_of(request: &Trigger, stored: &Verdict) -> bool {
    let named = stored.subject.tag.as_ref().and_then(|tag| tag.names_recipe);
    if named.is_some_and(|named| named != request.recipe.is_some()) {
        return false;
    }
    let recipe = stored.subject.stamp.recipe.as_ref();
    request.recipe.as_ref().is_none_or(|requested| {
        recipe.is_some_and(|recipe| requested.is(&recipe.id, &recipe.sha256))
    })
}

/// A verdict of a run that was killed, for a repeated request or the decision of its part. Clients may have heard FAULT
/// instead of one that is not confirmed.
fn as_published(verdict: Verdict) -> Verdict {
    if !verdict.unconfirmed {
        return verdict;
    }
    let message = "the process was killed before it was known how this verdict was published";
    Verdict {
        outcome: Outcome::Fault(Fault::new(FaultReason::Journal, message)),
        ..verdict
    }
}
