//! Suggests a threshold from the scores of good parts only, for a given false-reject rate.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::binomial::upper_bound;
use super::distribution::{ScoreDistribution, ScoreError};
use super::quantile::quantile_sorted;

/// Minimum number of good scores above an empirical quantile. With fewer, the threshold would depend on
/// single parts.
const MIN_BEYOND: f64 = 5.0;
/// Minimum number of scores for fitting a tail, which otherwise uses the top tenth: the relative error of
/// the mean excess of ten scores is a third (1 / sqrt(10)).
const MIN_TAIL: usize = 10;
/// Minimum number of scores: a single score has no spread.
const MIN_SCORES: usize = 2;
/// Confidence of the bound of the false-reject rate.
const CONFIDENCE: f64 = 0.95;

/// How a threshold was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdMethod {
    /// A quantile of the scores.
    EmpiricalQuantile,
    /// Extrapolation with an exponential tail that is fitted to the highest scores.
    ExponentialTail,
}

/// A suggested threshold with the data it is based on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdSuggestion {
    /// Parts with a score above this value are rejected.
    pub threshold: f64,
    /// Requested false-reject rate, 0 to 1.
    pub false_reject_rate: f64,
    /// Method that found the threshold.
    pub method: ThresholdMethod,
    /// Number of good scores.
    pub good_count: usize,
    /// Number of good scores above the threshold.
    pub rejected_count: usize,
    /// Upper bound of the true false-reject rate with 95 % confidence, for any distribution
    /// (Clopper-Pearson, one-sided). With few scores the bound is large, however high the threshold is.
    pub false_reject_rate_bound: f64,
}

impl fmt::Display for ThresholdSuggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self.method {
            ThresholdMethod::EmpiricalQuantile => "an empirical quantile",
            ThresholdMethod::ExponentialTail => "an exponential tail",
        };
        write!(
            f,
            "{:.6} for a false-reject rate of {} %, from {method}: it rejects {} of {} good images, so with {:.0} % confidence the true rate is at most {:.2} %",
            self.threshold,
            self.false_reject_rate * 100.0,
            self.rejected_count,
            self.good_count,
            CONFIDENCE * 100.0,
            self.false_reject_rate_bound * 100.0,
        )
    }
}

/// Suggests the threshold that a share `false_reject_rate` of good parts exceeds.
///
/// If at least five scores are above it, this is the empirical quantile. Otherwise the highest scores are
/// extrapolated with an exponential tail: the score of an image is the maximum of a map, and maxima of many
/// values with light tails have an exponential tail (the Gumbel domain of extreme value theory). With a
/// heavier tail, more good parts than requested are rejected; the bound does not depend on this assumption.
/// The bound is exact if no score is above the threshold, and slightly low otherwise, because the threshold
/// was chosen on the same scores.
///
/// # Errors
/// When the rate is not in (0, 1), or there is only one score.
pub fn suggest_threshold(
    scores: &ScoreDistribution,
    false_reject_rate: f64,
) -> Result<ThresholdSuggestion, ScoreError> {
    if !(false_reject_rate > 0.0 && false_reject_rate < 1.0) {
        return Err(ScoreError::Rate(false_reject_rate));
    }
    let count = scores.count();
    if count < MIN_SCORES {
        let needed = MIN_SCORES;
        return Err(ScoreError::TooFew { count, needed });
    }
    let sorted = scores.scores();
    let (threshold, method) = if count as f64 * false_reject_rate >= MIN_BEYOND {
        let threshold = quantile_sorted(sorted, 1.0 - false_reject_rate);
        (threshold, ThresholdMethod::EmpiricalQuantile)
    } else {
        let threshold = exponential_tail(sorted, false_reject_rate);
        (threshold, ThresholdMethod::ExponentialTail)
    };
    let rejected = count - sorted.partition_point(|&score| score <= threshold);
    Ok(ThresholdSuggestion {
        threshold,
        false_reject_rate,
        method,
        good_count: count,
        rejected_count: rejected,
        false_reject_rate_bound: upper_bound(rejected, count, CONFIDENCE),
    })
}

/// Returns the threshold whose expected false-reject rate, over samples of this size, is `rate`.
///
/// Let u be the (k+1)-th highest score, and b the mean excess of the k higher scores over u. With an
/// exponential tail, the expected share above u is (k+1)/(n+1), independent of b. Because b is an estimate,
/// the expected share above u + c b is (1 + c/k)^-k of that, not exp(-c). The equation is solved for c.
fn exponential_tail(sorted: &[f64], rate: f64) -> f64 {
    let count = sorted.len();
    let k = count.div_ceil(10).max(MIN_TAIL).min(count - 1);
    let start = sorted[count - 1 - k];
    let excess = sorted[count - k..].iter().map(|score| score - start);
    let mean_excess = excess.sum::<f64>() / k as f64;
    // A rate above the share above u would give a threshold below u, where no tail was fitted.
    let ratio = ((k + 1) as f64 / ((count + 1) as f64 * rate)).max(1.0);
    start + mean_excess * k as f64 * (ratio.powf(1.0 / k as f64) - 1.0)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn suggest(scores: Vec<f64>, rate: f64) -> ThresholdSuggestion {
        let scores = ScoreDistribution::new(scores).expect("finite");
        suggest_threshold(&scores, rate).expect("a threshold")
    }

    #[test]
    fn many_scores_give_the_empirical_quantile() {
        let found = suggest((0..=1000).map(f64::from).collect(), 0.01);
        assert_eq!(found.method, ThresholdMethod::EmpiricalQuantile);
        assert_eq!((found.threshold, found.rejected_count), (990.0, 10));
    }

    #[test]
    fn few_scores_are_extrapolated_above_the_highest() {
        let found = suggest((0..40).map(f64::from).collect(), 0.001);
        assert_eq!(found.method, ThresholdMethod::ExponentialTail);
        assert!(found.threshold > 39.0);
        assert_eq!((found.rejected_count, found.good_count), (0, 40));
        // The rule of three: about 3 / 40.
        assert!((found.false_reject_rate_bound - 0.0722).abs() < 1e-3);
        assert!(found.to_string().contains("0 of 40 good images"), "{found}");
    }

    #[test]
    fn smaller_rate_never_gives_a_lower_threshold() {
        for count in [2, 5, 20, 60, 400] {
            let scores: Vec<f64> = (0..count).map(|i| f64::from(i).sqrt()).collect();
            let thresholds: Vec<f64> = [0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4]
                .map(|rate| suggest(scores.clone(), rate).threshold)
                .to_vec();
            assert!(thresholds.is_sorted(), "{count}: {thresholds:?}");
        }
    }

    #[test]
    fn exponential_tail_has_the_requested_rate_on_average() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let (repetitions, rate) = (4000, 0.005);
        let mut sum = 0.0;
        for _ in 0..repetitions {
            let scores = (0..40).map(|_| -(1.0 - random.random::<f64>()).ln());
            sum += (-suggest(scores.collect(), rate).threshold).exp();
        }
        let mean = sum / f64::from(repetitions);
        assert!((mean / rate - 1.0).abs() < 0.1, "{mean} instead of {rate}");
    }

    #[test]
    fn equal_scores_give_their_value_as_threshold() {
        let found = suggest(vec![0.5; 20], 0.001);
        assert_eq!((found.threshold, found.rejected_count), (0.5, 0));
    }

    #[test]
    fn rate_outside_0_to_1_and_a_single_score_are_rejected() {
        let scores = ScoreDistribution::new(vec![1.0, 2.0]).expect("finite");
        for rate in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(matches!(
                suggest_threshold(&scores, rate),
                Err(ScoreError::Rate(_))
            ));
        }
        let single = ScoreDistribution::new(vec![1.0]).expect("finite");
        assert_eq!(
            suggest_threshold(&single, 0.1),
            Err(ScoreError::TooFew {
                count: 1,
                needed: 2
            })
        );
    }
}
