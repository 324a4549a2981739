use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// The review band from 0.4; the threshold is 0.5.
const PRESENT: Thresholds = Thresholds {
    reject_above: 0.5,
    review_from: Some(0.4),
};

/// Scores as they were judged by `PRESENT`, each with the decision of the other regions and its label.
fn stored(scores: &[(f32, Decision, Option<LabelKind>)]) -> StoredScores {
    let scored = scores.iter().enumerate();
    let scored = scored.map(|(index, &(score, others, label))| Scored {
        sequence: index as u64 + 1,
        recorded: SystemTime::UNIX_EPOCH + Duration::from_secs(index as u64),
        score,
        decision: PRESENT.decide(score),
        others,
        label,
    });
    StoredScores {
        scored: scored.collect(),
        ..StoredScores::default()
    }
}

fn at(evaluation: &Evaluation, threshold: f64) -> &ThresholdOutcome {
    let mut outcomes = evaluation.outcomes.iter();
    let found = outcomes.find(|outcome| outcome.threshold.total_cmp(&threshold).is_eq());
    found.expect("the threshold was evaluated")
}

#[test]
fn outcome_counts_frames_by_their_worst_region_and_labels_by_their_frames() {
    use Decision::{Pass, Reject, Review};
    use LabelKind::{Defective, Good, Unsure};
    let stored = stored(&[
        (0.10, Pass, Some(Good)),
        (0.45, Pass, None),
        (0.60, Pass, Some(Good)),
        (0.70, Pass, Some(Defective)),
        (0.90, Reject, Some(Defective)),
        (0.20, Review, Some(Unsure)),
        (0.30, Pass, Some(Defective)),
    ]);
    let evaluation = evaluate(
        &stored,
        Some(&[0.1, 0.55, f64::from(0.65_f32)]),
        PRESENT,
        &[f64::from(0.65_f32), 0.25],
    );
    let counts = |threshold| {
        let one = at(&evaluation, threshold);
        (
            [one.pass, one.review, one.reject],
            [one.newly_rejected, one.no_longer_rejected],
            [one.false_rejects.count, one.false_rejects.total],
            [one.misses.count, one.misses.total],
            one.calibration.map(|share| (share.count, share.total)),
        )
    };
    let expected = ([2, 2, 3], [0, 0], [1, 2], [1, 3], Some((2, 3)));
    assert_eq!(counts(0.5), expected);
    let expected = ([2, 3, 2], [0, 1], [0, 2], [1, 3], Some((0, 3)));
    assert_eq!(counts(f64::from(0.65_f32)), expected);
    // The review band begins above this threshold: it is empty.
    let expected = ([1, 1, 5], [2, 0], [1, 2], [0, 3], Some((2, 3)));
    assert_eq!(counts(0.25), expected);
    let share = at(&evaluation, 0.5).misses;
    assert_eq!(share.interval, interval::of_rate(1, 3));
    let marked: u64 = evaluation
        .histogram
        .iter()
        .map(|bin| bin.labelled_good)
        .sum();
    assert_eq!(marked, 2);
}

#[test]
fn without_scores_only_the_present_threshold_is_evaluated() {
    let evaluation = evaluate(&StoredScores::default(), None, PRESENT, &[]);
    assert_eq!(evaluation.histogram, []);
    assert_eq!(evaluation.trend, []);
    assert_eq!(evaluation.outcomes.len(), 1);
    assert_eq!(at(&evaluation, 0.5).false_rejects.interval, (0.0, 1.0));
    assert_eq!(at(&evaluation, 0.5).calibration, None);
}

#[test]
fn trend_follows_the_order_of_sequences_in_at_most_120_groups() {
    let scores: Vec<_> = (0..2500_u32)
        .map(|index| (index as f32 / 2500.0, Decision::Pass, None))
        .collect();
    let mut stored = stored(&scores);
    stored.scored.reverse();
    let trend = evaluate(&stored, None, PRESENT, &[]).trend;
    assert_eq!(trend.len(), 120, "groups of 21");
    assert_eq!(trend.iter().map(|group| group.count).sum::<usize>(), 2500);
    assert_eq!(
        (trend[0].last_sequence, trend[119].last_sequence),
        (21, 2500)
    );
    assert_eq!(
        (trend[0].low, trend[0].median, trend[0].high),
        (1.0 / 2500.0, 10.0 / 2500.0, 19.0 / 2500.0)
    );
    assert!((trend[0].highest - 20.0 / 2500.0).abs() < 1e-9);
}

fn decisions() -> impl Strategy<Value = Decision> {
    prop_oneof![
        4 => Just(Decision::Pass),
        1 => Just(Decision::Review),
        1 => Just(Decision::Reject),
    ]
}

fn labels() -> impl Strategy<Value = Option<LabelKind>> {
    prop_oneof![
        Just(None),
        Just(Some(LabelKind::Good)),
        Just(Some(LabelKind::Defective)),
        Just(Some(LabelKind::Unsure)),
    ]
}

proptest! {
    #[test]
    fn present_threshold_changes_nothing_and_higher_ones_reject_less(
        scores in prop::collection::vec((0.0_f32..2.0, decisions(), labels()), 0..80),
        further in prop::collection::vec(-1.0_f64..3.0, 0..5),
    ) {
        let stored = stored(&scores);
        let evaluation = evaluate(&stored, None, PRESENT, &further);
        let present = at(&evaluation, 0.5);
        prop_assert_eq!((present.newly_rejected, present.no_longer_rejected), (0, 0));
        for threshold in &further {
            at(&evaluation, *threshold);
        }
        for one in &evaluation.outcomes {
            prop_assert_eq!(one.pass + one.review + one.reject, scores.len() as u64);
            let rejected = present.reject + one.newly_rejected - one.no_longer_rejected;
            prop_assert_eq!(rejected, one.reject);
        }
        for pair in evaluation.outcomes.windows(2) {
            prop_assert!(pair[0].threshold < pair[1].threshold);
            prop_assert!(pair[0].reject >= pair[1].reject);
            prop_assert!(pair[0].misses.count <= pair[1].misses.count);
        }
        let binned: u64 = evaluation.histogram.iter().map(|bin| bin.pass + bin.review + bin.reject).sum();
        prop_assert_eq!(binned, scores.len() as u64);
        prop_assert_eq!(
            evaluation.trend.iter().map(|group| group.count).sum::<usize>(),
            scores.len()
        );
    }
}
