//! Evaluations of whole studies.

use crate::acceptance::tests::{header, measured, part};
use crate::acceptance::{
    Conclusion, Criteria, Decision, Evaluation, FaultRecord, Line, Measurement, PartState, Picture,
    ReviewAs, ScoreScale, Series, Study, evaluate, html, parts_needed,
};

const STATED: Criteria = Criteria {
    max_miss_rate: Some(0.5),
    max_false_reject_rate: Some(0.5),
    min_cgk: None,
    confidence: 0.9,
    review: ReviewAs::Reject,
    reference_score: None,
};

/// A study of ten good and ten bad parts in two rounds; `change` changes each measurement.
fn study(change: impl Fn(&mut Measurement)) -> Study {
    let mut study = Study::new(header(10, 10));
    for step in study.remaining() {
        let number = step
            .part
            .id
            .trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let number: u32 = number.parse().expect("a number");
        let base = if step.part.state == PartState::Good {
            0.2
        } else {
            0.8
        };
        let score = base + 0.01 * number as f32 + 0.001 * step.trial as f32;
        let mut measurement = measured(step.number, &step.part.id, step.trial, score);
        change(&mut measurement);
        study.add(Line::Measured(measurement)).expect("a new step");
    }
    study
}

fn evaluated(study: &Study, criteria: Criteria) -> Evaluation {
    evaluate(study, criteria, "2026-11-30T09:00:00Z".to_owned())
}

#[test]
fn perfect_study_is_accepted_with_what_was_stated() {
    let found = evaluated(&study(|_| ()), STATED);
    assert_eq!(
        found.conclusion,
        Conclusion::Accepted,
        "{:?}",
        found.results
    );
    let agreement = found.agreement.as_ref().expect("parts");
    assert_eq!(agreement.table, [[20, 0], [0, 20]]);
    assert_eq!(
        (agreement.within.count, agreement.with_reference.count),
        (20, 20)
    );
    assert_eq!(agreement.cohen_reference, Some(1.0));
    assert_eq!(agreement.fleiss_within, Some(1.0));
    assert_eq!((found.planned, found.missing.len()), (40, 0));
    assert!(found.borderline.is_empty() && found.scale == ScoreScale::Score);
    let tolerance = found.tolerance.expect("good parts");
    assert!((tolerance.good_mean - 0.2565).abs() < 1e-6, "{tolerance:?}");
    // Without criteria nothing is accepted or refused.
    let unstated = Criteria {
        max_miss_rate: None,
        max_false_reject_rate: None,
        ..STATED
    };
    assert_eq!(
        evaluated(&study(|_| ()), unstated).conclusion,
        Conclusion::NotJudged
    );
}

#[test]
fn wrong_decisions_count_by_decision_and_by_part() {
    let wrong = study(|measurement| {
        // Bad part 3 is passed once, good part 4 is rejected twice.
        if measurement.part == "bad3" && measurement.trial == 1 {
            (measurement.decision, measurement.score) = (Decision::Pass, 0.49);
        }
        if measurement.part == "good4" {
            (measurement.decision, measurement.score) = (Decision::Reject, 0.6);
        }
    });
    let found = evaluated(&wrong, STATED);
    let agreement = found.agreement.as_ref().expect("parts");
    assert_eq!(agreement.table, [[18, 2], [1, 19]]);
    let (misses, rejects) = (&agreement.misses, &agreement.false_rejects);
    assert_eq!(
        (misses.events, misses.decisions, misses.parts.count),
        (1, 20, 1)
    );
    assert_eq!(
        (rejects.events, rejects.decisions, rejects.parts.count),
        (2, 20, 1)
    );
    assert_eq!(
        (agreement.within.count, agreement.with_reference.count),
        (19, 18)
    );
    // 1 of 10 parts, with 90 % confidence: below 33.7 %.
    assert!((misses.upper_bound - 0.336_847).abs() < 1e-5, "{misses:?}");
    assert_eq!(found.conclusion, Conclusion::Accepted);
    let strict = Criteria {
        max_miss_rate: Some(0.3),
        ..STATED
    };
    assert_eq!(
        evaluated(&wrong, strict).conclusion,
        Conclusion::NotAccepted
    );
    let listed: Vec<&str> = found
        .borderline
        .iter()
        .map(|part| part.part.as_str())
        .collect();
    assert_eq!(listed, ["good4", "bad3"]);
    assert_eq!(found.borderline[1].reason, "1 of 2 decisions are REJECT");
}

#[test]
fn review_counts_as_is_stated() {
    let reviewed = study(|measurement| {
        if measurement.trial == 2 && measurement.part.ends_with('1') {
            measurement.decision = Decision::Review;
        }
    });
    let check = |review, table, reviews| {
        let found = evaluated(&reviewed, Criteria { review, ..STATED });
        let agreement = found.agreement.expect("parts");
        assert_eq!((agreement.table, agreement.reviews), (table, reviews));
    };
    check(ReviewAs::Reject, [[19, 1], [0, 20]], [1, 1]);
    check(ReviewAs::Pass, [[20, 0], [1, 19]], [1, 1]);
}

#[test]
fn missing_measurement_is_not_accepted() {
    let mut incomplete = study(|_| ());
    incomplete.measurements.remove(&7);
    incomplete.faults.push(FaultRecord {
        step: 7,
        part: "good7".to_owned(),
        time: String::new(),
        sequence: 0,
        reason: "engine".to_owned(),
        message: "non-finite".to_owned(),
    });
    let found = evaluated(&incomplete, STATED);
    assert_eq!(
        (found.missing.as_slice(), found.conclusion),
        (&[7][..], Conclusion::NotAccepted)
    );
    let last = found.results.last().expect("criteria");
    assert_eq!((last.found.as_str(), last.holds), ("1 has none", false));
    let agreement = found.agreement.expect("parts");
    assert_eq!(
        agreement.parts.iter().filter(|part| !part.complete).count(),
        1
    );
}

/// A study with a type 1 series of one part.
fn with_reference(pictures: usize, score: impl Fn(u32) -> f32) -> Study {
    let mut head = header(3, 3);
    let mut reference = part("good1");
    reference.pictures = (0..pictures)
        .map(|number| Picture {
            path: format!("reference/{number}.png"),
            sha256: String::new(),
        })
        .collect();
    (head.plan.reference, head.plan.reference_count) = (Some(reference), 30);
    let mut study = Study::new(head);
    for step in study.remaining() {
        let value = match (step.series, step.part.state) {
            (Series::Reference, _) => score(step.trial),
            (_, PartState::Good) => 0.2,
            (_, PartState::Bad) => 0.9,
        };
        let mut measurement = measured(step.number, &step.part.id, step.trial, value);
        measurement.series = step.series;
        study.add(Line::Measured(measurement)).expect("a new step");
    }
    study
}

#[test]
fn cgk_requires_pictures_of_the_part_and_not_one_that_is_repeated() {
    let stated = Criteria {
        max_miss_rate: None,
        max_false_reject_rate: None,
        min_cgk: Some(1.33),
        ..STATED
    };
    // D is 0.3, so that 0.2 D / (3 s) = 2 for s = 0.01, and 0.2 for s = 0.1.
    let scattered = |deviation: f32| {
        move |trial: u32| {
            0.2 + if trial.is_multiple_of(2) {
                deviation
            } else {
                -deviation
            }
        }
    };
    let check = |study: &Study, conclusion: Conclusion, found: &str| {
        let evaluation = evaluated(study, stated);
        assert_eq!(
            evaluation.conclusion, conclusion,
            "{:?}",
            evaluation.results
        );
        assert!(
            evaluation.results[0].found.starts_with(found),
            "{:?}",
            evaluation.results
        );
    };
    check(
        &with_reference(30, scattered(0.01)),
        Conclusion::Accepted,
        "1.97",
    );
    check(
        &with_reference(30, scattered(0.1)),
        Conclusion::NotAccepted,
        "0.20",
    );
    check(
        &with_reference(30, scattered(0.0)),
        Conclusion::Accepted,
        "unlimited",
    );
    check(
        &with_reference(1, scattered(0.0)),
        Conclusion::NotAccepted,
        "no type 1 study",
    );
    check(&study(|_| ()), Conclusion::NotAccepted, "no type 1 study");
    // Good parts above the threshold leave no tolerance.
    let mut above = with_reference(30, scattered(0.0));
    for measurement in above.measurements.values_mut() {
        measurement.threshold = 0.1;
    }
    check(&above, Conclusion::NotAccepted, "0.00");
}

#[test]
fn different_thresholds_are_compared_by_their_distance() {
    let regions = study(|measurement| {
        if measurement.part == "good2" {
            measurement.threshold = 0.7;
        }
    });
    let found = evaluated(&regions, STATED);
    assert_eq!(found.scale, ScoreScale::ScoreMinusThreshold);
    let agreement = found.agreement.expect("parts");
    let part = agreement
        .parts
        .iter()
        .find(|part| part.part == "good2")
        .expect("measured");
    assert!(
        (part.mean - (0.2215 - 0.7)).abs() < 1e-6 && part.threshold.abs() < 1e-12,
        "{part:?}"
    );
}

#[test]
fn parts_close_to_the_threshold_are_listed() {
    let close = study(|measurement| {
        if measurement.part == "bad5" {
            measurement.score = 0.501;
        }
    });
    let found = evaluated(&close, STATED);
    let listed: Vec<&str> = found
        .borderline
        .iter()
        .map(|part| part.part.as_str())
        .collect();
    assert_eq!(listed, ["bad5"], "{:?}", found.gauge);
}

#[test]
fn parts_that_show_a_rate_are_counted() {
    // The usual figures: 59 parts for 5 %, 149 for 2 %, 299 for 1 %, with 95 % confidence.
    for (rate, expected) in [(0.05, 59), (0.02, 149), (0.01, 299), (1.0, 1)] {
        assert_eq!(parts_needed(rate, 0.95), Some(expected));
    }
    assert_eq!(parts_needed(0.0, 0.95), None);
    let few = Criteria {
        max_miss_rate: Some(0.02),
        confidence: 0.95,
        ..STATED
    };
    let found = evaluated(&study(|_| ()), few);
    assert_eq!(
        found.results[0].found,
        "0 of 10 parts, upper bound 25.9 %; 149 parts without a wrong decision would show it"
    );
}

#[test]
fn page_is_one_file_that_names_everything_and_escapes_texts() {
    let wrong = study(|measurement| {
        if measurement.part == "good4" && measurement.trial == 1 {
            measurement.decision = Decision::Reject;
        }
    });
    let page = html(&evaluated(&wrong, STATED));
    for text in [
        "Bottle &lt;juice&gt;",
        "A. Tester",
        "<svg",
        "Miss rate",
        "good4",
        "signature",
        "a".repeat(64).as_str(),
        "c".repeat(64).as_str(),
    ] {
        assert!(page.contains(text), "{text} is missing");
    }
    for outside in ["<script", "http://", "https://", "src=", "@import"] {
        assert!(
            !page
                .replace("http://www.w3.org/2000/svg", "")
                .contains(outside),
            "{outside}"
        );
    }
}
