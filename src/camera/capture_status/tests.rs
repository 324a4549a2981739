//! Openings that end, hang, and are abandoned, on a clock that only the test advances.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::*;
use crate::clock::Clock;
use crate::clock::tests::ManualClock;

const LIMITS: Limits = Limits {
    open: Duration::from_hours(1),
    read: Duration::from_secs(2),
};

struct Fixture {
    clock: Arc<ManualClock>,
    status: Arc<CaptureStatus>,
}

impl Fixture {
    fn new() -> Self {
        let clock = ManualClock::new();
        let status = Arc::new(CaptureStatus::new(LIMITS, 0, clock.clone()));
        Self { clock, status }
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.status.wake();
    }

    fn supervise(&self) -> JoinHandle<OpeningResult> {
        let status = self.status.clone();
        thread::spawn(move || status.supervise())
    }

    /// Waits until the supervisor has computed its next check.
    fn wait_for_check(&self, expected: Option<Instant>) {
        while self.status.state.lock().next_check != expected {
            thread::yield_now();
        }
    }
}

fn joined(thread: JoinHandle<OpeningResult>) -> OpeningResult {
    thread.join().expect("the supervisor does not panic")
}

#[test]
fn reports_of_an_abandoned_opening_are_refused() {
    let Fixture { clock, status } = Fixture::new();
    let old = status.begin();
    assert!(status.enter(old, Activity::Reading));
    clock.advance(LIMITS.read);
    assert_eq!(
        status.supervise(),
        OpeningResult::Stalled(Activity::Reading)
    );
    assert!(!status.enter(old, Activity::Reading));
    assert_eq!(status.deliver(old), None);
    assert!(!status.wait_until(old, clock.now().monotonic));
    let new = status.begin();
    status.finish(old, CaptureOutcome::Ended);
    status.finish(new, CaptureOutcome::Failed("new".into()));
    let expected = OpeningResult::Finished(CaptureOutcome::Failed("new".into()));
    assert_eq!(status.supervise(), expected);
}

#[test]
fn frames_are_numbered_over_all_openings() {
    let Fixture { status, .. } = Fixture::new();
    let number = |frame_id, first| Some(FrameNumber { frame_id, first });
    let opening = status.begin();
    assert!(!status.delivered());
    assert_eq!(status.deliver(opening), number(1, true));
    assert_eq!(status.deliver(opening), number(2, false));
    assert!(status.delivered());
    let opening = status.begin();
    assert!(!status.delivered());
    assert_eq!(status.deliver(opening), number(3, true));
}

#[test]
fn a_delivery_has_no_limit_and_the_next_read_has_one() {
    let fixture = Fixture::new();
    let opening = fixture.status.begin();
    fixture.status.deliver(opening);
    let supervisor = fixture.supervise();
    fixture.wait_for_check(None);
    fixture.advance(4 * LIMITS.read);
    assert!(fixture.status.enter(opening, Activity::Reading));
    fixture.advance(LIMITS.read);
    let expected = OpeningResult::Stalled(Activity::Reading);
    assert_eq!(joined(supervisor), expected);
}

#[test]
fn a_short_limit_is_enforced_after_a_long_one() {
    let fixture = Fixture::new();
    let start = fixture.clock.now().monotonic;
    let opening = fixture.status.begin();
    let supervisor = fixture.supervise();
    fixture.wait_for_check(Some(start + LIMITS.open));
    assert!(fixture.status.enter(opening, Activity::Reading));
    // The report has woken the supervisor.
    fixture.wait_for_check(Some(start + LIMITS.read));
    fixture.advance(LIMITS.read);
    let expected = OpeningResult::Stalled(Activity::Reading);
    assert_eq!(joined(supervisor), expected);
}

#[test]
fn a_stopped_thread_may_close_its_source_within_the_grace_period() {
    let Fixture { clock, status } = Fixture::new();
    let opening = status.begin();
    status.deliver(opening);
    status.stop();
    assert!(!status.enter(opening, Activity::Reading));
    assert!(status.enter(opening, Activity::Closing));
    clock.advance(super::super::activity::STOP_GRACE);
    assert_eq!(status.supervise(), OpeningResult::Stuck);
}

#[test]
fn a_stop_wakes_all_waiting_threads() {
    let Fixture { clock, status } = Fixture::new();
    let opening = status.begin();
    let waits = [
        thread::spawn({
            let status = status.clone();
            move || status.pause(Duration::from_mins(1))
        }),
        thread::spawn({
            let (status, due) = (status.clone(), clock.now().monotonic);
            move || status.wait_until(opening, due + Duration::from_mins(1))
        }),
    ];
    status.stop();
    for wait in waits {
        assert!(!wait.join().expect("waiting does not panic"));
    }
    assert!(status.stopping());
}
