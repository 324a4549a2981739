use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::histogram::BINS;
use super::*;

fn question(rate: f64) -> Question {
    Question {
        false_reject_rate: rate,
        include_review: false,
        present: 3.0,
    }
}

fn calibration(scores: &[f64]) -> Scores<'_> {
    Scores {
        calibration: Some(scores),
        journal: None,
    }
}

fn journal(scores: &JournalScores) -> Scores<'_> {
    Scores {
        calibration: None,
        journal: Some(scores),
    }
}

/// `count` scores of good parts, of which a share e^-t is above t.
fn exponential(count: usize, seed: u64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| -(1.0 - random.random::<f64>()).ln())
        .collect()
}

/// The journal of a line with the threshold 3.0.
fn journal_scores(scores: impl IntoIterator<Item = f64>) -> JournalScores {
    let (reject, pass) = scores.into_iter().partition(|&score| score > 3.0);
    JournalScores {
        pass,
        reject,
        ..JournalScores::default()
    }
}

#[test]
fn invalid_rate_and_too_few_scores_are_refused() {
    for rate in [0.0, 1.0, -0.5, f64::NAN] {
        let error = suggest(calibration(&[1.0, 2.0]), question(rate)).expect_err("invalid rate");
        assert!(matches!(error, SuggestError::Rate(_)), "{rate}");
    }
    let none = suggest(calibration(&[1.0]), question(0.1));
    assert_eq!(none, Err(SuggestError::NoScores));
    let none = suggest(journal(&JournalScores::default()), question(0.1));
    assert_eq!(none, Err(SuggestError::NoScores));
}

#[test]
fn forty_scores_are_not_enough_for_a_rate_of_one_in_a_thousand() {
    let scores = exponential(40, 1);
    let answer = suggest(calibration(&scores), question(0.001)).expect("an answer");
    let [found] = &answer.suggestions[..] else {
        panic!("{answer:?}")
    };
    assert!(!found.enough());
    assert_eq!(found.needed, 3688);
    assert_eq!(found.threshold.1, None, "no upper bound");
    assert_eq!(found.method, ThresholdMethod::ExponentialTail);
    assert!(found.estimate.rate.1 > 0.05, "{found:?}");
}

#[test]
fn threshold_interval_contains_the_true_value_in_95_of_100_samples() {
    let truth = -f64::ln(0.01);
    let repetitions = 400;
    let held = (0..repetitions).filter(|&seed| {
        let scores = exponential(2000, seed);
        let answer = suggest(calibration(&scores), question(0.01)).expect("an answer");
        let (low, high) = answer.suggestions[0].threshold;
        (low.expect("enough")..=high.expect("enough")).contains(&truth)
    });
    let share = held.count() as f64 / repetitions as f64;
    assert!((0.92..=0.995).contains(&share), "{share}");
}

#[test]
fn journal_bounds_enclose_the_true_threshold() {
    // Only good parts: all rejects are false, and one in 20 scores is above the threshold.
    let truth = -f64::ln(0.01);
    let scores = journal_scores(exponential(20_000, 3));
    let answer = suggest(journal(&scores), question(0.01)).expect("an answer");
    let [lower, upper] = &answer.suggestions[..] else {
        panic!("{answer:?}")
    };
    assert_eq!(
        (lower.basis, upper.basis),
        (Basis::JournalLower, Basis::JournalUpper)
    );
    assert!(
        lower.estimate.threshold <= 3.0,
        "scores of PASS end there: {lower:?}"
    );
    assert!((upper.estimate.threshold - truth).abs() < 0.2, "{upper:?}");
    assert_eq!(lower.present.rejected, 0);
    assert!((upper.present.rejected as f64 / 20_000.0 - f64::exp(-3.0)).abs() < 0.01);
    assert_eq!(answer.chosen, 0, "the upper bound is not recommended");
    // Defects among them raise only the upper bound.
    let mut with_defects = scores.clone();
    with_defects.reject.extend(vec![50.0; 1000]);
    let worse = suggest(journal(&with_defects), question(0.01)).expect("an answer");
    assert_eq!(worse.suggestions[0], *lower);
    assert!(worse.suggestions[1].estimate.threshold > 49.0);
}

#[test]
fn review_scores_count_as_good_if_requested() {
    let scores = JournalScores {
        pass: vec![1.0, 2.0],
        review: vec![4.0],
        ..JournalScores::default()
    };
    let mut question = question(0.5);
    let count = |question| {
        let answer = suggest(journal(&scores), question).expect("an answer");
        answer.suggestions[0].estimate.count
    };
    assert_eq!(count(question), 2);
    question.include_review = true;
    assert_eq!(count(question), 3);
}

#[test]
fn recommended_suggestion_has_enough_scores() {
    let check = |calibrated: usize, passed: usize, expected: Basis| {
        let (good, stored) = (
            exponential(calibrated, 1),
            journal_scores(exponential(passed, 2)),
        );
        let scores = Scores {
            calibration: Some(&good),
            journal: Some(&stored),
        };
        let answer = suggest(scores, question(0.01)).expect("an answer");
        let chosen = &answer.suggestions[answer.chosen];
        assert_eq!(chosen.basis, expected, "{calibrated} {passed}");
    };
    // 368 are needed.
    check(400, 10_000, Basis::Calibration);
    check(40, 10_000, Basis::JournalLower);
    check(40, 20, Basis::Calibration);
    check(0, 20, Basis::JournalLower);
}

#[test]
fn histogram_has_all_scores_and_includes_the_thresholds() {
    let good = exponential(100, 1);
    let stored = JournalScores {
        reject: vec![1e6],
        ..journal_scores(exponential(1000, 2))
    };
    let scores = Scores {
        calibration: Some(&good),
        journal: Some(&stored),
    };
    let answer = suggest(scores, question(0.01)).expect("an answer");
    let sum = |count: fn(&Bin) -> u64| answer.histogram.iter().map(count).sum::<u64>();
    assert_eq!(sum(|bin| bin.calibration), 100);
    assert_eq!(sum(|bin| bin.pass), stored.pass.len() as u64);
    assert_eq!(sum(|bin| bin.reject), 1);
    let (first, last) = (answer.histogram[0], answer.histogram[BINS - 1]);
    assert!(last.to < 20.0, "an outlier is in the last bin: {last:?}");
    assert!((first.from..=last.to).contains(&3.0));
}

proptest! {
    #[test]
    fn arbitrary_scores_do_not_panic_and_bounds_are_ordered(
        good in prop::collection::vec(-3.0f64..9.0, 0..60),
        passed in prop::collection::vec(-3.0f64..3.0, 0..60),
        rejected in prop::collection::vec(3.0f64..9.0, 0..20),
        rate in 1e-6f64..0.999,
        present in -1e9f64..1e9,
    ) {
        let stored = JournalScores { pass: passed, reject: rejected, ..JournalScores::default() };
        let scores = Scores { calibration: Some(&good), journal: Some(&stored) };
        let question = Question { present, ..question(rate) };
        let Ok(answer) = suggest(scores, question) else { return Ok(()) };
        let of = |basis| answer.suggestions.iter().find(|one| one.basis == basis);
        if let (Some(lower), Some(upper)) = (of(Basis::JournalLower), of(Basis::JournalUpper))
            && lower.method == upper.method
            && lower.method == ThresholdMethod::EmpiricalQuantile
        {
            prop_assert!(lower.estimate.threshold <= upper.estimate.threshold + 1e-9);
        }
        for one in &answer.suggestions {
            let Estimate { rejected, count, rate: (low, high), .. } = one.estimate;
            let share = rejected as f64 / count as f64;
            prop_assert!(low <= share + 1e-9 && share <= high + 1e-9, "{one:?}");
            if let (Some(low), Some(high)) = one.threshold {
                prop_assert!(low <= high);
            }
        }
        let total: u64 = answer.histogram.iter().map(|bin| bin.calibration + bin.pass + bin.reject).sum();
        prop_assert_eq!(total as usize, good.len() + stored.pass.len() + stored.reject.len());
    }
}
