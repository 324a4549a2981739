//! Openings that end, hang, and are abandoned.

use std::sync::Arc;
use std::thread;

use super::*;

const LIMITS: Limits = Limits {
    open: Duration::from_secs(3600),
    read: Duration::from_millis(40),
};

#[test]
fn an_abandoned_opening_is_not_heard_any_more() {
    let watch = Watch::new(LIMITS);
    let old = watch.begin();
    assert!(watch.enter(old, Activity::Reading));
    assert_eq!(watch.supervise(), Verdict::Stalled(Activity::Reading));
    assert!(!watch.enter(old, Activity::Reading));
    assert_eq!(watch.deliver(old), None);
    assert!(!watch.wait_until(old, Instant::now()));
    let new = watch.begin();
    watch.finish(old, Outcome::Ended);
    watch.finish(new, Outcome::Failed("new".into()));
    let expected = Verdict::Finished(Outcome::Failed("new".into()));
    assert_eq!(watch.supervise(), expected);
}

#[test]
fn frames_count_over_all_openings() {
    let watch = Watch::new(LIMITS);
    let place = |frame_id, first| Some(Place { frame_id, first });
    let opening = watch.begin();
    assert!(!watch.delivered());
    assert_eq!(watch.deliver(opening), place(1, true));
    assert_eq!(watch.deliver(opening), place(2, false));
    assert!(watch.delivered());
    let opening = watch.begin();
    assert!(!watch.delivered());
    assert_eq!(watch.deliver(opening), place(3, true));
}

#[test]
fn a_delivery_may_take_its_time_but_the_reading_after_it_may_not() {
    let watch = Arc::new(Watch::new(LIMITS));
    let opening = watch.begin();
    watch.deliver(opening);
    let thread = thread::spawn({
        let watch = watch.clone();
        move || watch.supervise()
    });
    thread::sleep(4 * LIMITS.read);
    assert!(watch.enter(opening, Activity::Reading));
    let verdict = thread.join().expect("the supervisor does not panic");
    assert_eq!(verdict, Verdict::Stalled(Activity::Reading));
}

#[test]
fn a_short_limit_is_kept_after_a_long_one() {
    let watch = Arc::new(Watch::new(LIMITS));
    let opening = watch.begin();
    let thread = thread::spawn({
        let watch = watch.clone();
        move || watch.supervise()
    });
    thread::sleep(LIMITS.read);
    assert!(watch.enter(opening, Activity::Reading));
    let verdict = thread.join().expect("the supervisor does not panic");
    assert_eq!(verdict, Verdict::Stalled(Activity::Reading));
}

#[test]
fn a_stopped_thread_may_close_its_source_in_peace_but_not_hang_in_it() {
    let watch = Watch::new(LIMITS);
    let opening = watch.begin();
    watch.deliver(opening);
    watch.stop();
    assert!(!watch.enter(opening, Activity::Reading));
    assert!(watch.enter(opening, Activity::Closing));
    assert_eq!(watch.supervise(), Verdict::Stuck);
}

#[test]
fn a_stop_wakes_whoever_waits() {
    let watch = Arc::new(Watch::new(LIMITS));
    let opening = watch.begin();
    let waits = [
        thread::spawn({
            let watch = watch.clone();
            move || watch.pause(Duration::from_secs(60))
        }),
        thread::spawn({
            let watch = watch.clone();
            move || watch.wait_until(opening, Instant::now() + Duration::from_secs(60))
        }),
    ];
    watch.stop();
    for wait in waits {
        assert!(!wait.join().expect("waiting does not panic"));
    }
    assert!(watch.stopping());
}
