use inspectd_core::record::{Subject, Timings};

use super::super::tests::{fault, ms, part, requested, subject, verdict};
use super::*;
use uuid::Uuid;

fn traced(verdict: Arc<Verdict>, before: Option<(&'static str, Duration)>) -> TracedVerdict {
    TracedVerdict {
        identity: TraceIdentity::of_image(Uuid::from_u128(1)),
        parent: None,
        before,
        committed: ms(1020),
        published: ms(1021),
        verdict,
    }
}

/// Name, start and end of each step in milliseconds since the start of the daemon.
fn steps_of(traced: &TracedVerdict) -> Vec<(&'static str, u128, u128)> {
    let step = |step: Step| (step.name, step.start.as_millis(), step.end.as_millis());
    steps(traced).into_iter().map(step).collect()
}

#[test]
fn steps_follow_each_other_from_the_request_to_the_publication() {
    let traced = traced(
        requested(1, Uuid::from_u128(5)),
        Some(("wait_for_frame", ms(900))),
    );
    let expected = [
        ("wait_for_frame", 900, 1000),
        ("queue", 1000, 1002),
        ("prepare", 1002, 1005),
        ("infer", 1005, 1015),
        ("judge", 1016, 1017),
        ("commit", 1017, 1020),
        ("publish", 1020, 1021),
    ];
    assert_eq!(steps_of(&traced), expected);
    assert_eq!(count(&traced), 8);
}

#[test]
fn run_of_a_batch_ends_before_its_frame_is_judged() {
    let mut verdict = (*requested(1, Uuid::from_u128(5))).clone();
    verdict.subject.batch_size = 4;
    verdict.subject.timings.total = ms(30);
    let steps = steps_of(&traced(Arc::new(verdict), None));
    assert!(steps.contains(&("infer", 1019, 1029)), "{steps:?}");
    assert!(steps.contains(&("judge", 1029, 1030)), "{steps:?}");
}

#[test]
fn request_without_a_frame_waits_until_its_fault() {
    let subject = Subject {
        timings: Timings {
            total: ms(15),
            ..Timings::default()
        },
        ..subject(Some("top"), 0)
    };
    let steps = steps_of(&traced(
        verdict(1, subject, fault()),
        Some(("wait_for_frame", ms(1000))),
    ));
    let expected = [
        ("wait_for_frame", 1000, 1015),
        ("commit", 1015, 1020),
        ("publish", 1020, 1021),
    ];
    assert_eq!(steps, expected);
}

#[test]
fn all_spans_are_within_that_of_the_part_or_of_the_view() {
    let maker = SpanMaker::new();
    let trigger = Uuid::from_u128(5);
    let mut view = (*requested(1, trigger)).clone();
    view.subject.group = Some("cell".into());
    let before = Some(("wait_for_frame", ms(900)));
    let identity = TraceIdentity::of(Uuid::nil(), &view.subject).expect("a trace");
    let of = |verdict: Arc<Verdict>, published: u64| {
        let traced = TracedVerdict {
            identity,
            committed: ms(published - 1),
            published: ms(published),
            ..traced(verdict, before)
        };
        maker.of_verdict(&traced)
    };
    let (view, _) = of(Arc::new(view), 1021);
    let (part, published) = of(part(2, trigger), 1030);
    assert_eq!(part[0].name, "inspect");
    assert_eq!(part[0].parent_span_id, SpanId::INVALID);
    assert_eq!(view[0].name, "view");
    assert_eq!(view[0].parent_span_id, part[0].span_context.span_id());
    assert_eq!(published.context, part[0].span_context);
    assert_eq!(published.at, part[0].end_time);
    for (outer, inner) in [
        (&part[0], &part[1..]),
        (&part[0], &view[..]),
        (&view[0], &view[1..]),
    ] {
        for span in inner {
            assert!(outer.start_time <= span.start_time, "{}", span.name);
            assert!(span.end_time <= outer.end_time, "{}", span.name);
            assert!(span.start_time <= span.end_time, "{}", span.name);
            assert_eq!(span.span_context.trace_id(), identity.trace);
        }
    }
    let steps: Vec<&str> = part[1..].iter().map(|span| &*span.name).collect();
    assert_eq!(steps, ["commit", "publish"], "its views waited for frames");
}

#[test]
fn verdict_is_described_by_attributes_and_a_fault_is_an_error() {
    let (spans, _) = SpanMaker::new().of_verdict(&traced(requested(12, Uuid::from_u128(5)), None));
    let attribute = |name: &str| {
        let found = spans[0]
            .attributes
            .iter()
            .find(|attribute| attribute.key.as_str() == name);
        found.map(|attribute| attribute.value.to_string())
    };
    for (name, expected) in [
        ("inspectd.sequence", "12"),
        ("inspectd.camera", "top"),
        ("inspectd.decision", "fault"),
        ("inspectd.fault", "engine"),
        ("inspectd.part", "4711"),
        ("inspectd.model", "cells"),
        ("inspectd.frame", "7"),
    ] {
        assert_eq!(attribute(name).as_deref(), Some(expected), "{name}");
    }
    assert_eq!(attribute("inspectd.recipe"), None);
    assert_eq!(spans[0].status, Status::error("it failed"));
}
