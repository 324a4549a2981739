//! Tests of parts and their decisions.

use std::time::SystemTime;

use inspectd_core::record::{ModelId, Stamp, Subject};
use uuid::Uuid;

use super::*;

const WINDOW: Duration = Duration::from_millis(100);

fn camera(name: &str) -> CameraId {
    name.parse().expect("an id")
}

fn verdict(name: &str, part: &str, decision: Decision) -> Arc<Verdict> {
    let stamp = Stamp {
        model: ModelId {
            name: String::new(),
            version: String::new(),
            sha256: String::new(),
            precision: inspectd_core::precision::Precision::F32,
        },
        config_hash: String::new(),
        provider: String::new(),
        recipe: None,
    };
    let mut subject = Subject::new(Some(camera(name)), Arc::new(stamp));
    subject.group = Some("g".into());
    subject.tag = Some(Arc::new(PartTag {
        part_id: part.to_owned(),
        ..PartTag::default()
    }));
    let outcome = Outcome::Part(PartDecision {
        decision,
        views: Vec::new(),
        fault: None,
    });
    Arc::new(Verdict {
        sequence: 1,
        run: Uuid::nil(),
        captured: SystemTime::UNIX_EPOCH,
        since_start: Duration::ZERO,
        recorded: SystemTime::UNIX_EPOCH,
        evidence: false,
        unconfirmed: false,
        subject,
        outcome,
    })
}

/// The cameras with these names, all of which count parts of live sources.
fn cameras(names: &[&str]) -> GroupCameras {
    let all: BTreeSet<CameraId> = names.iter().map(|name| camera(name)).collect();
    GroupCameras {
        timed: all.clone(),
        all,
    }
}

fn parts(missing: MissingView) -> PartAssembler {
    let rules = PartRules {
        window: WINDOW,
        missing,
        spread: WINDOW / 2,
    };
    PartAssembler::new(BTreeMap::from([("g".into(), cameras(&["a", "b"]))]), rules)
}

fn requested(part: &str) -> Arc<PartTag> {
    Arc::new(PartTag {
        part_id: part.to_owned(),
        ..PartTag::default()
    })
}

/// A view that passes, and was captured this long after the start.
fn captured(name: &str, part: &str, ms: u64) -> Arc<Verdict> {
    let verdict = Arc::unwrap_or_clone(verdict(name, part, Decision::Pass));
    Arc::new(Verdict {
        since_start: Duration::from_millis(ms),
        ..verdict
    })
}

/// The only part that is decided: its decision, and the cameras of its views.
fn decided(parts: &[DecidedPart]) -> (Decision, String) {
    let [part] = parts else { panic!("{parts:?}") };
    let views = part.decision.views.iter();
    let views: Vec<&str> = views.map(|view| view.camera.as_str()).collect();
    (part.decision.decision, views.concat())
}

#[test]
fn a_part_has_the_most_severe_decision_of_its_views() {
    use Decision::{Fault, Pass, Reject, Review};
    let check = |a, b, expected| {
        let mut parts = parts(MissingView::Fault);
        let now = Instant::now();
        assert!(parts.view(&verdict("a", "1", a), now).is_empty());
        let decided = parts.view(&verdict("b", "1", b), now);
        let [decided] = decided.as_slice() else {
            panic!("{decided:?}")
        };
        assert_eq!(decided.decision.decision, expected, "{a:?} {b:?}");
        assert_eq!(decided.decision.views.len(), 2);
    };
    check(Pass, Pass, Pass);
    check(Pass, Review, Review);
    check(Fault, Review, Fault);
    check(Fault, Reject, Reject);
    check(Review, Reject, Reject);
}

#[test]
fn a_missing_view_counts_by_the_policy() {
    use Decision::{Fault, Pass, Reject};
    let check = |policy, views: &[Decision], expected, faulted| {
        let mut parts = parts(policy);
        let now = Instant::now();
        parts.expect(&"g".into(), &requested("1"), cameras(&["a", "b"]).all, now);
        for &decision in views {
            parts.view(&verdict("a", "1", decision), now);
        }
        assert!(parts.due(now + WINDOW / 2).is_empty());
        let decided = parts.due(now + WINDOW);
        let [decided] = decided.as_slice() else {
            panic!("{decided:?}")
        };
        assert_eq!(decided.decision.decision, expected, "{policy:?} {views:?}");
        assert_eq!(
            decided.decision.fault.is_some(),
            faulted,
            "{policy:?} {views:?}"
        );
    };
    check(MissingView::Fault, &[Pass], Fault, true);
    check(MissingView::Fault, &[Reject], Reject, true);
    check(MissingView::Reject, &[Pass], Reject, true);
    check(MissingView::Ignore, &[Pass], Pass, false);
    check(MissingView::Ignore, &[], Fault, true);
}

#[test]
fn views_captured_too_far_apart_are_a_fault_and_out_of_step() {
    use Decision::{Fault, Pass, Reject};
    for (apart_ms, decision, expected, in_step) in [
        (50, Pass, Pass, true),
        (51, Pass, Fault, false),
        (51, Reject, Reject, false),
    ] {
        let mut parts = parts(MissingView::Fault);
        let now = Instant::now();
        parts.view(&verdict("a", "1", Decision::Pass), now);
        let mut late = Arc::unwrap_or_clone(verdict("b", "1", decision));
        late.since_start = Duration::from_millis(apart_ms);
        let decided = parts.view(&Arc::new(late), now);
        let [decided] = decided.as_slice() else {
            panic!("{decided:?}")
        };
        assert_eq!(decided.decision.decision, expected, "{apart_ms} ms");
        assert_eq!(decided.out_of_step.is_none(), in_step, "{apart_ms} ms");
    }
}

#[test]
fn a_late_view_is_counted_and_opens_no_part() {
    let mut parts = parts(MissingView::Ignore);
    let now = Instant::now();
    parts.view(&verdict("a", "1", Decision::Pass), now);
    assert_eq!(parts.due(now + WINDOW).len(), 1);
    assert!(
        parts
            .view(&verdict("b", "1", Decision::Reject), now + WINDOW)
            .is_empty()
    );
    assert_eq!(parts.late(), 1);
    assert_eq!(parts.next_due(), None);
}

#[test]
fn the_longest_waiting_part_is_decided_when_the_limit_is_reached() {
    let mut parts = parts(MissingView::Fault);
    let now = Instant::now();
    let mut decided = 0;
    for part in 0..OPEN_LIMIT + 3 {
        let verdict = verdict("a", &part.to_string(), Decision::Pass);
        decided += parts
            .view(&verdict, now + Duration::from_micros(part as u64))
            .len();
    }
    assert_eq!(decided, 3);
}

#[test]
fn a_part_is_decided_with_the_cameras_of_the_time_of_its_capture() {
    let check = |changes: &[(u64, &[&str])], views: &[(&str, u64)], expected: Option<&str>| {
        let mut parts = parts(MissingView::Fault);
        for (from, names) in changes {
            parts.change_group("g".into(), cameras(names), Duration::from_millis(*from));
        }
        let now = Instant::now();
        let views = views.iter();
        let views = views.flat_map(|(name, at)| parts.view(&captured(name, "1", *at), now));
        let complete: Vec<DecidedPart> = views.collect();
        let what = format!("{changes:?}");
        if let Some(views) = expected {
            let pass = (Decision::Pass, views.to_owned());
            assert_eq!(decided(&complete), pass, "{what}");
        } else {
            assert!(complete.is_empty(), "{what}");
            let late = parts.due(now + WINDOW);
            assert_eq!(decided(&late).0, Decision::Fault, "{what}");
        }
    };
    let added: &[(u64, &[&str])] = &[(500, &["a", "b", "c"])];
    check(added, &[("a", 490), ("b", 495)], Some("ab"));
    check(added, &[("a", 510), ("b", 515)], None);
    check(added, &[("a", 510), ("b", 515), ("c", 512)], Some("abc"));
    let removed: &[(u64, &[&str])] = &[(500, &["a"])];
    check(removed, &[("a", 490)], None);
    check(removed, &[("a", 490), ("b", 495)], Some("ab"));
    check(removed, &[("a", 510)], Some("a"));
    // Removed, and added again before the verdicts of the part were published.
    let again: &[(u64, &[&str])] = &[(500, &["a"]), (600, &["a", "b"])];
    check(again, &[("a", 490)], None);
    check(again, &[("a", 550)], Some("a"));
    check(again, &[("a", 610)], None);
}

#[test]
fn a_part_that_is_open_keeps_the_cameras_that_it_began_with() {
    let mut parts = parts(MissingView::Fault);
    let now = Instant::now();
    let from = Duration::from_millis(10);
    assert!(parts.view(&captured("a", "1", 0), now).is_empty());
    parts.change_group("g".into(), cameras(&["a"]), from);
    assert!(parts.view(&captured("a", "1", 20), now).is_empty());
    let late = parts.due(now + WINDOW);
    assert_eq!(decided(&late), (Decision::Fault, "a".to_owned()));
    let reason = late[0].out_of_step.as_deref();
    assert_eq!(reason, Some("part 1 has no view of b"));
}

#[test]
fn a_requested_part_waits_for_exactly_the_cameras_that_were_asked() {
    let mut parts = parts(MissingView::Fault);
    let now = Instant::now();
    let group: Arc<str> = "g".into();
    parts.expect(&group, &requested("1"), cameras(&["a", "b", "c"]).all, now);
    parts.expect(&group, &requested("2"), cameras(&["a"]).all, now);
    assert_eq!(
        decided(&parts.view(&captured("a", "2", 0), now)),
        (Decision::Pass, "a".to_owned())
    );
    for name in ["a", "b"] {
        assert!(parts.view(&captured(name, "1", 0), now).is_empty());
    }
    assert_eq!(
        decided(&parts.view(&captured("c", "1", 0), now)),
        (Decision::Pass, "abc".to_owned())
    );
}

#[test]
fn views_of_cameras_that_do_not_count_parts_may_be_far_apart() {
    let mut parts = parts(MissingView::Fault);
    let untimed = GroupCameras {
        timed: BTreeSet::new(),
        ..cameras(&["a", "b"])
    };
    parts.change_group("g".into(), untimed, Duration::ZERO);
    let now = Instant::now();
    parts.view(&captured("a", "1", 0), now);
    let complete = parts.view(&captured("b", "1", 51), now);
    assert_eq!(decided(&complete), (Decision::Pass, "ab".to_owned()));
}

#[test]
fn the_oldest_cameras_of_a_group_are_forgotten_when_the_limit_is_reached() {
    let mut parts = parts(MissingView::Fault);
    for change in 1..=EDITION_LIMIT as u64 {
        let from = Duration::from_millis(100 * change);
        parts.change_group("g".into(), cameras(&["a"]), from);
    }
    assert_eq!(*parts.cameras_at("g", Duration::ZERO), cameras(&["a"]));
    assert_eq!(*parts.cameras_at("h", Duration::ZERO), cameras(&[]));
}

#[test]
fn doubtful_part_is_a_fault_unless_a_view_is_reject() {
    for (view, expected) in [
        (Decision::Pass, Decision::Fault),
        (Decision::Review, Decision::Fault),
        (Decision::Reject, Decision::Reject),
    ] {
        let mut parts = parts(MissingView::Fault);
        let now = Instant::now();
        parts.view(&verdict("a", "1", Decision::Pass), now);
        let mut complete = parts.view(&verdict("b", "1", view), now);
        let mut part = complete.pop().expect("it is decided");
        part.doubt(Fault::new(FaultReason::OutOfStep, "too close"));
        assert_eq!(part.decision.decision, expected, "{view:?}");
        let reason = part.decision.fault.map(|fault| fault.reason);
        assert_eq!(reason, Some(FaultReason::OutOfStep), "{view:?}");
    }
}
