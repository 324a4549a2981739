//! Groups of cameras that count their parts: each camera numbers its frames, and views with the same number are one
//! part. That holds only as long as no camera misses a part. After anything that may have lost a frame, the group is out
//! of step: all its views are FAULT until it is resynchronised while no part is in view.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd_core::id::CameraId;
use inspectd_core::record::{Fault, FaultReason};
use parking_lot::Mutex;

use crate::alarm::{AlarmKind, Alarms};
use crate::camera::CameraState;
use crate::clock::SharedClock;

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
}

/// A group of cameras that count their parts.
#[derive(Debug)]
pub(super) struct CountedGroup {
    id: Arc<str>,
    idle_gap: Option<Duration>,
    state: Mutex<GroupState>,
    alarms: Alarms,
    clock: SharedClock,
}

impl CountedGroup {
    /// A group without cameras. After `idle_gap` without a frame it is in step; never by itself if unset.
    pub(super) fn new(
        id: Arc<str>,
        idle_gap: Option<Duration>,
        alarms: Alarms,
        clock: SharedClock,
    ) -> Self {
        Self {
            id,
            idle_gap,
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
        }
        state.out_of_step = None;
        self.alarms.clear(AlarmKind::GroupOutOfStep, &self.id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::clock::tests::ManualClock;

    struct Cell {
        group: CountedGroup,
        clock: Arc<ManualClock>,
        alarms: Alarms,
    }

    fn id(name: &str) -> CameraId {
        name.parse().expect("an id")
    }

    fn cell(live: bool, idle_gap_ms: Option<u64>) -> Cell {
        let clock = ManualClock::new();
        let alarms = Alarms::new(clock.clone());
        let idle_gap = idle_gap_ms.map(Duration::from_millis);
        let group = CountedGroup::new("cell".into(), idle_gap, alarms.clone(), clock.clone());
        let cameras = [(id("a"), live), (id("b"), live)];
        group.join(cameras, 6, "the daemon was started".to_owned());
        Cell {
            group,
            clock,
            alarms,
        }
    }

    impl Cell {
        fn run(&self) {
            for camera in ["a", "b"] {
                self.group.enter(&id(camera), CameraState::Running);
            }
        }

        /// The number of the next frame, and whether it is a FAULT.
        fn count(&self, camera: &str) -> (u64, bool) {
            let (number, fault) = self.group.count(&id(camera), self.clock.now().monotonic, 0);
            (number, fault.is_some())
        }
    }

    #[test]
    fn cameras_count_by_themselves_until_a_frame_may_be_lost() {
        let cell = cell(true, None);
        cell.run();
        assert_eq!(cell.count("a"), (7, true), "the daemon was started");
        cell.group.resynchronize().expect("both run");
        assert_eq!([cell.count("a"), cell.count("b")], [(8, false), (8, false)]);
        assert_eq!(
            [cell.count("a"), cell.count("a")],
            [(9, false), (10, false)]
        );
        cell.group.lost("part 9 has no view of b".to_owned());
        assert_eq!([cell.count("a"), cell.count("b")], [(11, true), (9, true)]);
        assert_eq!(cell.alarms.active().len(), 1);
        cell.clock.advance(Duration::from_mins(10));
        assert_eq!(cell.count("b"), (10, true));
        cell.group.resynchronize().expect("both run");
        assert!(cell.alarms.active().is_empty());
        assert_eq!(
            [cell.count("b"), cell.count("a")],
            [(12, false), (12, false)]
        );
    }

    #[test]
    fn camera_that_stops_or_does_not_run_yet_puts_the_group_out_of_step() {
        let cell = cell(true, None);
        cell.group.enter(&id("a"), CameraState::Running);
        assert_eq!(cell.count("a"), (7, true));
        let absent = cell.group.resynchronize();
        assert_eq!(absent, Err(ResynchronizeError::NotRunning(id("b"))));
        cell.run();
        cell.group.resynchronize().expect("both run");
        assert_eq!(cell.count("b"), (8, false));
        cell.group.enter(&id("b"), CameraState::Waiting);
        cell.group.enter(&id("b"), CameraState::Running);
        assert_eq!(cell.count("a"), (8, true));
    }

    #[test]
    fn idle_gap_resynchronises_and_a_shorter_pause_does_not() {
        let cell = cell(true, Some(500));
        cell.run();
        cell.clock.advance(Duration::from_millis(499));
        assert_eq!(cell.count("b"), (7, true));
        cell.clock.advance(Duration::from_millis(500));
        assert_eq!([cell.count("b"), cell.count("a")], [(8, false), (8, false)]);
    }

    #[test]
    fn files_lose_no_frame_when_one_of_them_is_opened_later() {
        let cell = cell(false, None);
        cell.group.enter(&id("a"), CameraState::Running);
        assert_eq!(cell.count("a"), (7, false));
        cell.group.enter(&id("a"), CameraState::Ended);
        cell.group.enter(&id("b"), CameraState::Running);
        assert_eq!(cell.count("b"), (7, false));
    }

    #[test]
    fn numbers_of_a_journal_that_is_opened_late_apply_to_all_cameras() {
        let cell = cell(false, None);
        let count = |camera, last| {
            let at = cell.clock.now().monotonic;
            let (number, fault) = cell.group.count(&id(camera), at, last);
            (number, fault.is_some())
        };
        assert_eq!([count("a", 0), count("b", 0)], [(7, false), (7, false)]);
        // The journal has the last part of a, which was killed before that of b was written.
        assert_eq!(
            [count("a", 100), count("b", 99)],
            [(101, true), (101, true)]
        );
    }
    #[test]
    fn camera_that_joins_puts_the_group_out_of_step_and_then_counts_the_same_parts() {
        for live in [false, true] {
            let cell = cell(live, None);
            cell.run();
            cell.group.resynchronize().expect("both run");
            assert_eq!([cell.count("a"), cell.count("a")], [(7, false), (8, false)]);
            let joining = [(id("c"), live)];
            cell.group.join(joining, 3, "camera c was added".to_owned());
            assert_eq!(cell.alarms.active().len(), 1);
            assert_eq!([cell.count("a"), cell.count("b")], [(9, true), (7, true)]);
            let resynchronized = cell.group.resynchronize();
            if live {
                let absent = Err(ResynchronizeError::NotRunning(id("c")));
                assert_eq!(resynchronized, absent);
                cell.group.enter(&id("c"), CameraState::Running);
                cell.group.resynchronize().expect("all run");
            }
            let numbers = ["a", "b", "c"].map(|camera| cell.count(camera));
            assert_eq!(numbers, [(10, false); 3], "live: {live}");
        }
    }

    #[test]
    fn group_without_a_camera_that_was_removed_is_resynchronised_and_uses_no_number_again() {
        let cell = cell(true, None);
        cell.run();
        cell.group.resynchronize().expect("both run");
        assert_eq!([cell.count("b"), cell.count("b")], [(7, false), (8, false)]);
        cell.group
            .leave(&[id("b")], "camera b was removed".to_owned());
        assert_eq!(cell.count("a"), (7, true));
        // A frame that was on its way when the camera was removed.
        assert_eq!(cell.count("b"), (0, true));
        cell.group.resynchronize().expect("a runs");
        assert_eq!(cell.count("a"), (9, false));

        cell.group
            .leave(&[id("a")], "camera a was removed".to_owned());
        assert!(cell.group.is_empty() && cell.alarms.active().is_empty());
        cell.group
            .lost("a frame of camera a was skipped".to_owned());
        assert!(cell.alarms.active().is_empty());
        cell.group
            .join([(id("a"), false)], 0, "camera a was added".to_owned());
        assert_eq!(cell.count("a"), (10, false));
    }
}
