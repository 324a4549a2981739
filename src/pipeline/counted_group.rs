//! Groups of cameras that count their parts: each camera numbers its frames, and views with the same number are one
//! part. That holds only as long as no camera misses a part. After anything that may have lost a frame, the group is out
//! of step: all its views are FAULT until it is resynchronised while no part is in view.
//!
//! A frame that was lost unnoticed is found by the capture times of the views of one part: they may be apart by the spread of
//! the settings at most. That is certain only if parts are further apart than twice the spread. Two frames of one camera that
//! are closer put the group out of step, and the parts of these frames that are not decided yet are FAULT.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd_core::id::CameraId;
use inspectd_core::record::{Fault, FaultReason};
use parking_lot::Mutex;

use crate::alarm::{AlarmKind, Alarms};
use crate::camera::CameraState;
use crate::clock::SharedClock;

/// Ranges of parts that are remembered because their frames were too close. Each takes a resynchronisation.
const DOUBTS: usize = 16;

/// Why a group cannot be resynchronised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResynchronizeError {
    /// No group with this id counts its parts.
    #[error("no cameras of group {0:?} count parts (part_counter)")]
    NoGroup(String),
    /// A camera would miss the next part.
    #[error("camera {0} is not running")]
    NotRunning(CameraId),
}

/// A camera of the group.
#[derive(Debug)]
struct Member {
    /// Number of its last part.
    number: u64,
    /// Whether a part may pass it without a frame. Files and the simulator lose none.
    live: bool,
    state: CameraState,
    /// When its last frame since the group was put in step was captured.
    captured: Option<Instant>,
}

#[derive(Debug, Default)]
struct GroupState {
    members: BTreeMap<CameraId, Member>,
    /// The largest number of a camera that has left.
    last: u64,
    /// Why it is out of step.
    out_of_step: Option<String>,
    /// Since when no camera had a frame and all live ones have run.
    idle_since: Option<Instant>,
    /// First and last numbers of parts whose frames were too close, oldest first.
    doubts: VecDeque<(u64, u64)>,
}

/// A group of cameras that count their parts.
#[derive(Debug)]
pub(super) struct CountedGroup {
    id: Arc<str>,
    idle_gap: Option<Duration>,
    /// Maximum time between the captures of the views of a part.
    spread: Duration,
    state: Mutex<GroupState>,
    alarms: Alarms,
    clock: SharedClock,
}

impl CountedGroup {
    /// A group without cameras. After `idle_gap` without a frame it is in step; never by itself if unset.
    pub(super) fn new(
        id: Arc<str>,
        idle_gap: Option<Duration>,
        spread: Duration,
        alarms: Alarms,
        clock: SharedClock,
    ) -> Self {
        Self {
            id,
            idle_gap,
            spread,
            state: Mutex::default(),
            alarms,
            clock,
        }
    }

    /// Adds cameras, each with whether its source is live. `last` is the largest number of a part that they have in the
    /// journal. A group that had cameras is then out of step for the `reason`: parts may have passed some of its cameras
    /// already. So is a new one with a live source.
    pub(super) fn join(
        &self,
        cameras: impl IntoIterator<Item = (CameraId, bool)>,
        last: u64,
        reason: String,
    ) {
        let mut state = self.state.lock();
        let is_new = state.members.is_empty();
        let numbers = state.members.values().map(|member| member.number);
        let number = numbers.fold(last.max(state.last), u64::max);
        for (camera, live) in cameras {
            let member = Member {
                number,
                live,
                state: CameraState::Opening,
                captured: None,
            };
            state.members.insert(camera, member);
        }
        if !is_new || state.members.values().any(|member| member.live) {
            self.lose_step(&mut state, reason);
        }
    }

    /// Removes cameras, which were stopped. The group is then out of step for the `reason`, until it is resynchronised or
    /// has no cameras.
    pub(super) fn leave(&self, cameras: &[CameraId], reason: String) {
        let mut state = self.state.lock();
        for camera in cameras {
            if let Some(member) = state.members.remove(camera) {
                state.last = state.last.max(member.number);
            }
        }
        if state.members.is_empty() {
            state.out_of_step = None;
            self.alarms.clear(AlarmKind::GroupOutOfStep, &self.id);
        } else {
            self.lose_step(&mut state, reason);
        }
    }

    /// Whether it has no cameras.
    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().members.is_empty()
    }

    /// The number of the part of a frame of `camera`, captured at `at`, and the fault of the frame if the group is out
    /// of step. `last` is the least number of the camera's last part.
    pub(super) fn count(&self, camera: &CameraId, at: Instant, last: u64) -> (u64, Option<Fault>) {
        let mut state = self.state.lock();
        if !state.members.contains_key(camera) {
            let message = format!("camera {camera} was removed from group {}", self.id);
            return (last, Some(Fault::new(FaultReason::OutOfStep, message)));
        }
        if let (Some(gap), Some(since), Some(_)) =
            (self.idle_gap, state.idle_since, &state.out_of_step)
            && at.saturating_duration_since(since) >= gap
        {
            // A camera that does not run leaves it out of step.
            let _ = self.align(&mut state);
        }
        state.idle_since = Some(at);
        let absent = state.members.iter().find(|(id, member)| {
            *id != camera && member.live && member.state != CameraState::Running
        });
        if let Some((absent, _)) = absent {
            let reason =
                format!("camera {camera} had a frame while camera {absent} was not running");
            self.lose_step(&mut state, reason);
        }
        self.continue_after(&mut state, camera, last);
        let number = state.members.get_mut(camera).map_or(0, |member| {
            member.number += 1;
            member.number
        });
        self.examine_distance(&mut state, camera, at, number);
        let fault = state.out_of_step.as_ref().map(|reason| {
            let id = &self.id;
            let message = format!(
                "the cameras of group {id} may count different parts ({reason}); \
                 resynchronise it while no part is in view (inspectctl resynchronize {id})"
            );
            Fault::new(FaultReason::OutOfStep, message)
        });
        (number, fault)
    }

    /// Puts the group out of step if a frame of a live camera, captured at `at`, is too close to the one before: a view of the
    /// next part might then be taken for one of this part. The parts since the one before are doubtful.
    fn examine_distance(
        &self,
        state: &mut GroupState,
        camera: &CameraId,
        at: Instant,
        number: u64,
    ) {
        let Some(member) = state.members.get_mut(camera).filter(|member| member.live) else {
            return;
        };
        let Some(before) = member.captured.replace(at) else {
            return;
        };
        let distance = at.saturating_duration_since(before);
        if distance >= 2 * self.spread {
            return;
        }
        let numbers = state.members.values().map(|member| member.number);
        let last = numbers.fold(number, u64::max);
        let first = number.saturating_sub(1);
        match state.doubts.back_mut().filter(|(_, to)| first <= *to) {
            Some((_, to)) => *to = last.max(*to),
            None => state.doubts.push_back((first, last)),
        }
        if state.doubts.len() > DOUBTS {
            state.doubts.pop_front();
        }
        let reason = format!(
            "two frames of camera {camera} are {} ms apart, less than twice parts.capture_spread_ms = {}: views of different \
             parts cannot be told apart; set a lower spread",
            distance.as_millis(),
            self.spread.as_millis()
        );
        self.lose_step(state, reason);
    }

    /// The fault of a part, if its frames were too close to those of the next or the previous part.
    pub(super) fn doubt(&self, part_id: &str) -> Option<Fault> {
        let number: u64 = part_id.parse().ok()?;
        let state = self.state.lock();
        let mut doubts = state.doubts.iter();
        doubts.find(|(from, to)| (*from..=*to).contains(&number))?;
        let message = format!(
            "frames of one camera were less than twice parts.capture_spread_ms = {} ms apart",
            self.spread.as_millis()
        );
        Some(Fault::new(FaultReason::OutOfStep, message))
    }

    /// Continues after the number `last`, which the journal has for a camera's last part: all members do, as otherwise they
    /// would count different parts. If they have counted already, the journal was opened late: the group is out of step.
    fn continue_after(&self, state: &mut GroupState, camera: &CameraId, last: u64) {
        if state
            .members
            .get(camera)
            .is_none_or(|member| member.number >= last)
        {
            return;
        }
        let counted = state.members.values().any(|member| member.number > 0);
        for member in state.members.values_mut() {
            member.number = member.number.max(last);
        }
        if counted {
            let reason =
                "the journal, which has the numbers of the parts, was opened late".to_owned();
            self.lose_step(state, reason);
        }
    }

    /// Notes the state of a camera. A live camera that no longer runs may miss a part.
    pub(super) fn enter(&self, camera: &CameraId, entered: CameraState) {
        let mut state = self.state.lock();
        let Some(member) = state.members.get_mut(camera) else {
            return;
        };
        let before = std::mem::replace(&mut member.state, entered);
        if entered == CameraState::Running {
            state.idle_since = Some(self.clock.now().monotonic);
            return;
        }
        if member.live && before == CameraState::Running {
            self.lose_step(&mut state, format!("camera {camera} stopped running"));
        }
    }

    /// Puts the group out of step.
    pub(super) fn lost(&self, reason: String) {
        self.lose_step(&mut self.state.lock(), reason);
    }

    fn lose_step(&self, state: &mut GroupState, reason: String) {
        if state.out_of_step.is_none() && !state.members.is_empty() {
            let message = format!(
                "group {} is out of step, its parts are FAULT: {reason}; resynchronise it while no part is in view",
                self.id
            );
            self.alarms
                .raise(AlarmKind::GroupOutOfStep, &self.id, message);
            state.out_of_step = Some(reason);
        }
    }

    /// Puts the group in step: the next frame of each camera shows the same part.
    ///
    /// # Errors
    /// When a camera does not run.
    pub(super) fn resynchronize(&self) -> Result<(), ResynchronizeError> {
        self.align(&mut self.state.lock())
    }

    fn align(&self, state: &mut GroupState) -> Result<(), ResynchronizeError> {
        let mut members = state.members.iter();
        let stopped =
            members.find(|(_, member)| member.live && member.state != CameraState::Running);
        if let Some((camera, _)) = stopped {
            return Err(ResynchronizeError::NotRunning(camera.clone()));
        }
        let numbers = state.members.values().map(|member| member.number);
        let last = numbers.fold(state.last, u64::max);
        for member in state.members.values_mut() {
            member.number = last;
            member.captured = None;
        }
        state.out_of_step = None;
        self.alarms.clear(AlarmKind::GroupOutOfStep, &self.id);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
