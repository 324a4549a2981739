//! AUROC, average precision and largest F1 from counts of images at each distinct score.

use inspectd_core::score::quantile_sorted;

/// The distinct scores of good and anomalous images, in descending order. Images are counted per score.
#[derive(Clone, Debug)]
pub(super) struct ScoreSteps {
    /// Distinct scores, descending.
    pub(super) scores: Vec<f64>,
}

impl ScoreSteps {
    /// Collects the distinct values of `scores`, which must be finite.
    pub(super) fn new(scores: impl Iterator<Item = f64>) -> Self {
        // Adding zero turns minus zero into plus zero, so that they are the same score.
        let mut scores: Vec<f64> = scores.map(|score| score + 0.0).collect();
        scores.sort_by(|one, other| other.total_cmp(one));
        scores.dedup();
        Self { scores }
    }

    /// Returns the index of a score, which must be one of the distinct scores.
    pub(super) fn of(&self, score: f64) -> usize {
        self.scores.partition_point(|&other| other > score)
    }

    /// Counts how many of the given indices refer to each score.
    pub(super) fn count(&self, steps: impl Iterator<Item = usize>) -> Vec<u32> {
        let mut counts = vec![0; self.scores.len()];
        steps.for_each(|step| counts[step] += 1);
        counts
    }
}

/// Metrics of a ranking.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct RankingMetrics {
    pub(super) au_roc: f64,
    pub(super) average_precision: f64,
    pub(super) max_f1: f64,
    /// Index of the threshold with the largest F1; the lowest such threshold.
    pub(super) max_f1_step: usize,
}

/// Computes the metrics from the counts of good and of anomalous images at each score. Both must have at
/// least one image.
///
/// The area is trapezoidal over the distinct thresholds (ties count half). Average precision is the sum of
/// precisions weighted by the increase in recall, without interpolation.
pub(super) fn metrics(good: &[u32], anomalous: &[u32]) -> RankingMetrics {
    let total = |counts: &[u32]| counts.iter().map(|&count| u64::from(count)).sum::<u64>();
    let (negatives, positives) = (total(good), total(anomalous));
    let mut figures = RankingMetrics::default();
    let (mut fp, mut tp, mut twice_area) = (0, 0, 0);
    for (step, (&good, &anomalous)) in good.iter().zip(anomalous).enumerate() {
        if good == 0 && anomalous == 0 {
            continue;
        }
        let (good, anomalous) = (u64::from(good), u64::from(anomalous));
        twice_area += good * (2 * tp + anomalous);
        fp += good;
        tp += anomalous;
        if anomalous > 0 {
            figures.average_precision +=
                anomalous as f64 / positives as f64 * (tp as f64 / (tp + fp) as f64);
        }
        let f1 = f1(tp, fp, positives);
        if f1 >= figures.max_f1 {
            (figures.max_f1, figures.max_f1_step) = (f1, step);
        }
    }
    figures.au_roc = twice_area as f64 / 2.0 / (negatives as f64 * positives as f64);
    figures
}

/// Harmonic mean of precision and recall. One division of integers, so that equal means have equal bits.
pub(super) fn f1(tp: u64, fp: u64, positives: u64) -> f64 {
    (2 * tp) as f64 / (positives + tp + fp) as f64
}

/// Returns the two quantiles that enclose the central fraction `confidence` of `values`.
pub(super) fn percentiles(mut values: Vec<f64>, confidence: f64) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    [tail, 1.0 - tail].map(|q| quantile_sorted(&values, q))
}

#[cfg(test)]
mod tests {
    use inspectd_core::score::auroc;
    use proptest::prelude::*;

    use super::*;

    fn ranked(good: &[f64], anomalous: &[f64]) -> (RankingMetrics, ScoreSteps) {
        let steps = ScoreSteps::new(good.iter().chain(anomalous).copied());
        let count = |scores: &[f64]| steps.count(scores.iter().map(|&score| steps.of(score)));
        (metrics(&count(good), &count(anomalous)), steps)
    }

    /// Reference values from scikit-learn 1.9: average_precision_score, precision_recall_curve.
    #[test]
    fn agrees_with_scikit_learn() {
        let check =
            |good: &[f64], anomalous: &[f64], average_precision: f64, max_f1: (f64, f64)| {
                let (found, steps) = ranked(good, anomalous);
                assert!(
                    (found.average_precision - average_precision).abs() < 1e-15,
                    "{found:?}"
                );
                assert!((found.max_f1 - max_f1.0).abs() < 1e-15, "{found:?}");
                assert_eq!(
                    steps.scores[found.max_f1_step].to_bits(),
                    max_f1.1.to_bits()
                );
            };
        check(&[0.1, 0.4], &[0.35, 0.8], 5.0 / 6.0, (0.8, 0.35));
        check(&[1.0, 1.0], &[1.0], 1.0 / 3.0, (0.5, 1.0));
        check(&[1.0], &[2.0, 3.0], 1.0, (1.0, 2.0));
        check(&[3.0], &[1.0, 2.0], 7.0 / 12.0, (0.8, 1.0));
    }

    #[test]
    fn lowest_threshold_with_the_largest_f1_is_reported() {
        // At 4: 1 of 2 detected, F1 2/3. At 1: 2 detected and 2 false positives, F1 2/3.
        let (found, steps) = ranked(&[3.0, 2.0], &[4.0, 1.0]);
        assert!((found.max_f1 - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(steps.scores[found.max_f1_step].to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn percentiles_have_equal_tails() {
        let values = (0..=1000).rev().map(f64::from).collect();
        let found = percentiles(values, 0.9);
        assert!(
            (found[0] - 50.0).abs() < 1e-9 && (found[1] - 950.0).abs() < 1e-9,
            "{found:?}"
        );
    }

    proptest! {
        #[test]
        fn auroc_equals_the_mann_whitney_statistic(
            good in prop::collection::vec(-4i8..4, 1..40),
            anomalous in prop::collection::vec(-3i8..6, 1..40),
        ) {
            let floats = |v: &[i8]| v.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let (good, anomalous) = (floats(&good), floats(&anomalous));
            let (found, _) = ranked(&good, &anomalous);
            prop_assert_eq!(Some(found.au_roc), auroc(&good, &anomalous));
        }
    }
}
