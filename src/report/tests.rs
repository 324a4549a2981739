//! Reports of a few verdicts.

mod properties;

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use inspectd_core::decision::{Decision, Thresholds};
use inspectd_core::maps::Score;
use inspectd_core::record::{Fault, Outcome, PartDecision, Stamp, Subject, Timings, Verdict};
use inspectd_core::verdict::Judgement;
use uuid::Uuid;

use super::*;
use crate::journal::{Label, LabelKind};

/// The begin of the period of most tests.
const BEGIN_S: u64 = 1_000_000;

/// Its length.
const LENGTH_S: u64 = 8 * 3600;

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(BEGIN_S + second)
}

fn scope() -> ReportScope {
    ReportScope {
        from: at(0),
        to: at(LENGTH_S),
        kept_from: None,
        ids: Vec::new(),
        standstill_after: Duration::from_mins(1),
        starts: Vec::new(),
    }
}

fn stamp(model: u8, recipe: Option<&str>) -> Arc<Stamp> {
    Arc::new(Stamp {
        model: ModelId {
            name: "m".to_owned(),
            version: model.to_string(),
            sha256: "ab".to_owned(),
            precision: inspectd_core::precision::Precision::F32,
        },
        config_hash: String::new(),
        provider: "cpu".to_owned(),
        recipe: recipe.map(|id| RecipeTag {
            id: id.to_owned(),
            version: "1".to_owned(),
            sha256: "cd".to_owned(),
        }),
    })
}

fn judged(decision: Decision) -> Outcome {
    Outcome::Judged(Judgement {
        decision,
        score: Score {
            score: 0.5,
            structural: 0.5,
            logical: 0.0,
        },
        thresholds: Thresholds {
            reject_above: 0.5,
            review_from: None,
        },
        decided_by: None,
        highest: 0.5,
        rules: Vec::new(),
        dominant: AnomalyKind::Structural,
        regions: Vec::new(),
    })
}

fn fault(reason: FaultReason, rejects: bool) -> Outcome {
    Outcome::Fault(Fault {
        rejects,
        ..Fault::new(reason, "for a test")
    })
}

fn part(decision: Decision, fault: Option<Fault>) -> Outcome {
    Outcome::Part(PartDecision {
        decision,
        views: Vec::new(),
        fault,
    })
}

/// A verdict of a camera, of a view of a group, of a group, or without both.
fn verdict(second: u64, camera: &str, group: &str, outcome: Outcome) -> Verdict {
    let camera = (!camera.is_empty()).then(|| camera.parse().expect("an id"));
    let mut subject = Subject::new(camera, stamp(1, None));
    subject.group = (!group.is_empty()).then(|| group.into());
    subject.timings = Timings {
        inference: Some(Duration::from_millis(5)),
        total: Duration::from_millis(10),
        ..Timings::default()
    };
    Verdict {
        sequence: 0,
        run: Uuid::from_u128(1),
        captured: at(second),
        since_start: Duration::ZERO,
        recorded: at(second),
        evidence: false,
        unconfirmed: false,
        subject,
        outcome,
    }
}

fn label(kind: LabelKind, class: &str) -> Label {
    Label {
        kind,
        defect_class: class.to_owned(),
        outlines: Vec::new(),
        author: "ann".to_owned(),
        time: at(0),
    }
}

fn report_in(scope: ReportScope, verdicts: &[(Verdict, Option<Label>)]) -> Report {
    let mut builder = ReportBuilder::new(scope);
    for (verdict, label) in verdicts {
        builder.add(verdict, label.as_ref());
    }
    builder.finish()
}

fn report(verdicts: &[Verdict]) -> Report {
    let verdicts = verdicts.iter().cloned().map(|verdict| (verdict, None));
    report_in(scope(), &verdicts.collect::<Vec<_>>())
}

fn counts(pass: u64, review: u64, reject: u64, fault: u64) -> DecisionCounts {
    DecisionCounts {
        pass,
        reject,
        review,
        fault,
    }
}

#[test]
fn part_is_a_verdict_of_a_group_or_of_a_camera_without_a_group() {
    let report = report(&[
        verdict(1, "belt", "", judged(Decision::Pass)),
        verdict(2, "belt", "", fault(FaultReason::Engine, false)),
        verdict(3, "belt", "", fault(FaultReason::DeadlineMissed, true)),
        verdict(4, "left", "cell", judged(Decision::Reject)),
        verdict(5, "right", "cell", judged(Decision::Pass)),
        verdict(6, "", "cell", part(Decision::Reject, None)),
        verdict(7, "", "", judged(Decision::Review)),
        verdict(8, "", "", fault(FaultReason::Engine, false)),
    ]);
    assert_eq!(report.parts, counts(1, 0, 2, 1));
    assert_eq!(report.client_images, counts(0, 1, 0, 1));
    let source = |id: &str, group, parts| ReportSource {
        id: id.to_owned(),
        group,
        parts,
    };
    assert_eq!(
        report.sources,
        [
            source("belt", false, counts(1, 0, 1, 1)),
            source("cell", true, counts(0, 0, 1, 0)),
        ]
    );
    // The views and the image are judged frames, too.
    assert_eq!(report.latency.count, 4);
    assert_eq!(report.latency.highest, Duration::from_millis(10));
    assert_eq!(report.stages.map(|(_, stage)| stage.count), [0, 0, 4, 0]);
    let yield_share = yield_of(report.parts).expect("judged parts");
    assert!((yield_share - 1.0 / 3.0).abs() < 1e-12, "{yield_share}");
}

#[test]
fn yield_is_the_share_of_pass_among_judged_parts() {
    assert_eq!(yield_of(counts(0, 0, 0, 9)), None);
    assert_eq!(yield_of(counts(3, 0, 0, 9)), Some(1.0));
    assert_eq!(yield_of(counts(1, 1, 2, 9)), Some(0.25));
}

#[test]
fn faults_are_counted_by_source_and_reason_and_a_reject_by_the_settings_is_none() {
    let missing = Fault::new(FaultReason::MissingView, "right");
    let report = report(&[
        verdict(1, "belt", "", fault(FaultReason::Engine, false)),
        verdict(2, "belt", "", fault(FaultReason::Engine, false)),
        verdict(3, "belt", "", fault(FaultReason::Engine, true)),
        verdict(4, "left", "cell", fault(FaultReason::Dark, false)),
        // By its view only.
        verdict(5, "", "cell", part(Decision::Fault, None)),
        verdict(6, "", "cell", part(Decision::Fault, Some(missing))),
        verdict(7, "", "", fault(FaultReason::CorruptFrame, false)),
    ]);
    let fault = |id: &str, reason, count| ReportFault {
        id: id.to_owned(),
        reason,
        count,
    };
    assert_eq!(
        report.faults,
        [
            fault("belt", FaultReason::Engine, 2),
            fault("", FaultReason::CorruptFrame, 1),
            fault("cell", FaultReason::MissingView, 1),
            fault("left", FaultReason::Dark, 1),
        ]
    );
}

#[test]
fn rejected_frames_are_counted_by_region_and_by_branch() {
    let rejected = |camera: &str, region: Option<&str>, dominant| {
        let mut verdict = verdict(1, camera, "", judged(Decision::Reject));
        if let Outcome::Judged(judgement) = &mut verdict.outcome {
            judgement.decided_by = region.map(Arc::from);
            judgement.dominant = dominant;
        }
        verdict
    };
    let report = report(&[
        rejected("top", Some("pin"), AnomalyKind::Logical),
        rejected("top", Some("pin"), AnomalyKind::Logical),
        rejected("top", None, AnomalyKind::Structural),
        rejected("", None, AnomalyKind::Logical),
        verdict(1, "top", "", judged(Decision::Review)),
        verdict(1, "top", "", fault(FaultReason::Engine, true)),
    ]);
    let cause = |camera: &str, region: &str, count| RejectCause {
        camera: camera.to_owned(),
        region: region.to_owned(),
        count,
    };
    assert_eq!(
        report.regions,
        [
            cause("top", "pin", 2),
            cause("", "", 1),
            cause("top", "", 1)
        ]
    );
    assert_eq!(
        report.branches,
        [(AnomalyKind::Logical, 3), (AnomalyKind::Structural, 1)]
    );
}

#[test]
fn labels_are_compared_with_the_decisions() {
    use LabelKind::{Defective, Good, Unsure};
    let of = |decision, label: Option<Label>| (verdict(1, "top", "", judged(decision)), label);
    let unseen = verdict(1, "top", "", fault(FaultReason::Engine, true));
    let report = report_in(
        scope(),
        &[
            of(Decision::Reject, Some(label(Good, ""))),
            of(Decision::Reject, Some(label(Defective, "scratch"))),
            of(Decision::Reject, Some(label(Defective, "dent"))),
            of(Decision::Reject, Some(label(Unsure, ""))),
            of(Decision::Reject, None),
            of(Decision::Pass, Some(label(Good, ""))),
            of(Decision::Pass, Some(label(Good, ""))),
            of(Decision::Pass, Some(label(Defective, "scratch"))),
            of(Decision::Pass, None),
            of(Decision::Review, Some(label(Defective, ""))),
            of(Decision::Review, None),
            of(Decision::Review, None),
            // Not a frame that was judged.
            (unseen, None),
        ],
    );
    assert_eq!(
        report.reviewed,
        Reviewed {
            rejected_good: 1,
            rejected_defective: 2,
            rejected_unlabelled: 1,
            passed_good: 2,
            passed_defective: 1,
            unsure: 1,
            review_labelled: 1,
            review_unlabelled: 2,
        }
    );
    let classes: Vec<_> = report
        .classes
        .iter()
        .map(|(class, count)| (class.as_str(), *count))
        .collect();
    assert_eq!(classes, [("scratch", 2), ("", 1), ("dent", 1)]);
}

#[test]
fn ids_select_cameras_and_groups_with_their_views() {
    let verdicts = [
        verdict(1, "belt", "", judged(Decision::Pass)),
        verdict(2, "left", "cell", judged(Decision::Reject)),
        verdict(3, "", "cell", part(Decision::Reject, None)),
        verdict(4, "", "", judged(Decision::Pass)),
    ];
    let verdicts = verdicts.map(|verdict| (verdict, None));
    let check = |ids: &[&str], parts, frames, images| {
        let ids = ids.iter().map(|&id| id.to_owned()).collect();
        let report = report_in(ReportScope { ids, ..scope() }, &verdicts);
        assert_eq!((report.parts, report.latency.count), (parts, frames));
        assert_eq!(total(report.client_images), images);
    };
    check(&[], counts(1, 0, 1, 0), 3, 1);
    check(&["belt"], counts(1, 0, 0, 0), 1, 0);
    check(&["cell"], counts(0, 0, 1, 0), 1, 0);
    check(&["left"], counts(0, 0, 0, 0), 1, 0);
    check(&["left", "belt"], counts(1, 0, 0, 0), 2, 0);
    check(&["absent"], counts(0, 0, 0, 0), 0, 0);
}

#[test]
fn verdicts_outside_the_period_are_left_out() {
    let mut before = verdict(0, "belt", "", judged(Decision::Pass));
    before.recorded = at(0) - Duration::from_nanos(1);
    let report = report(&[
        before,
        verdict(0, "belt", "", judged(Decision::Reject)),
        verdict(LENGTH_S - 1, "belt", "", judged(Decision::Review)),
        verdict(LENGTH_S, "belt", "", judged(Decision::Pass)),
    ]);
    assert_eq!(report.parts, counts(0, 1, 1, 0));
}

#[test]
fn standstill_begins_where_the_journal_begins_to_keep_verdicts() {
    let kept_from = Some(at(1000));
    let scope = ReportScope {
        kept_from,
        starts: vec![at(500)],
        ..scope()
    };
    let seen = [(verdict(1100, "belt", "", judged(Decision::Pass)), None)];
    let report = report_in(scope, &seen);
    assert_eq!(report.kept_from, kept_from);
    let standstill = |from, to| ReportStandstill {
        from: at(from),
        to: at(to),
        started: false,
    };
    assert_eq!(
        report.standstills,
        [standstill(1100, LENGTH_S), standstill(1000, 1100)]
    );
    assert_eq!(report.standstill_total.as_secs(), LENGTH_S - 1000);
}

#[test]
fn recipes_and_models_are_sorted_by_their_parts() {
    let of = |model, recipe| {
        let mut verdict = verdict(1, "belt", "", judged(Decision::Pass));
        verdict.subject.stamp = stamp(model, recipe);
        verdict
    };
    let report = report(&[
        of(1, None),
        of(2, Some("juice")),
        of(2, Some("juice")),
        of(1, Some("juice")),
        of(2, Some("beer")),
    ]);
    let recipes: Vec<_> = report
        .recipes
        .iter()
        .map(|(tag, parts)| (tag.as_ref().map(|tag| tag.id.as_str()), parts.pass))
        .collect();
    assert_eq!(recipes, [(Some("juice"), 3), (None, 1), (Some("beer"), 1)]);
    let models: Vec<_> = report
        .models
        .iter()
        .map(|(model, parts)| (model.version.as_str(), parts.pass))
        .collect();
    assert_eq!(models, [("2", 3), ("1", 2)]);
}
