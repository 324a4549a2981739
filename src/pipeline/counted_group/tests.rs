//! Cameras of a group that count their parts: in step, out of step, and in step again.

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

/// A cell that does not examine the distance of frames.
fn cell(live: bool, idle_gap_ms: Option<u64>) -> Cell {
    cell_with(live, idle_gap_ms, 0)
}

fn cell_with(live: bool, idle_gap_ms: Option<u64>, spread_ms: u64) -> Cell {
    let clock = ManualClock::new();
    let alarms = Alarms::new(clock.clone());
    let idle_gap = idle_gap_ms.map(Duration::from_millis);
    let spread = Duration::from_millis(spread_ms);
    let group = CountedGroup::new(
        "cell".into(),
        idle_gap,
        spread,
        alarms.clone(),
        clock.clone(),
    );
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
fn frames_of_a_camera_that_are_closer_than_twice_the_spread_put_the_group_out_of_step() {
    let cell = cell_with(true, None, 20);
    let wait = |ms| cell.clock.advance(Duration::from_millis(ms));
    let doubtful = |number: u64| cell.group.doubt(&number.to_string()).is_some();
    cell.run();
    cell.group.resynchronize().expect("both run");
    for number in [7, 8] {
        assert_eq!([cell.count("a"), cell.count("b")], [(number, false); 2]);
        wait(40);
    }
    // The frame of a is lost, and its next one has the same number.
    assert_eq!(cell.count("b"), (9, false));
    wait(15);
    assert_eq!(cell.count("a"), (9, false));
    wait(5);
    assert_eq!(cell.count("b"), (10, true));
    let [alarm] = &cell.alarms.active()[..] else {
        panic!("one alarm")
    };
    assert!(
        alarm
            .message
            .contains("two frames of camera b are 20 ms apart"),
        "{alarm:?}"
    );
    assert_eq!([8, 9, 10, 11].map(doubtful), [false, true, true, false]);

    // The distance is that since the resynchronisation.
    cell.group.resynchronize().expect("both run");
    assert_eq!(cell.count("a"), (11, false));
    assert_eq!([9, 11].map(doubtful), [true, false]);
    wait(39);
    assert_eq!(cell.count("a"), (12, true));
    assert_eq!([11, 12, 13].map(doubtful), [true, true, false]);
}

#[test]
fn frames_of_files_may_be_as_close_as_they_like() {
    let cell = cell_with(false, None, 20);
    cell.run();
    assert_eq!([cell.count("a"), cell.count("a")], [(7, false), (8, false)]);
    assert!(cell.group.doubt("7").is_none());
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
