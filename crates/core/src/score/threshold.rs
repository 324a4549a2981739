//! A threshold from good parts alone: which score do only a given share of good parts exceed?

use std::fmt;

use serde::{Deserialize, Serialize};

use super::binomial::at_most;
use super::distribution::{ScoreDistribution, ScoreError};
use super::quantile::quantile_sorted;

/// So many good scores must lie beyond an empirical quantile for it to be trusted: fewer, and the
/// threshold is a single part's score.
const MIN_BEYOND: f64 = 5.0;
/// A tail is fitted to the top tenth, but to no fewer: the mean excess of ten is known to a third
/// (1 / sqrt(10)).
const MIN_TAIL: usize = 10;
/// One score gives no spread.
const MIN_SCORES: usize = 2;
/// The bound on the false-reject rate holds with this probability.
const CONFIDENCE: f64 = 0.95;

/// How a threshold was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdMethod {
    /// The quantile of the scores themselves.
    EmpiricalQuantile,
    /// Extrapolated with an exponential tail through the highest scores.
    ExponentialTail,
}

/// A threshold and what is known about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdSuggestion {
    /// A part is rejected when its score is above this.
    pub threshold: f64,
    /// The share of good parts that was asked to be above, 0 to 1.
    pub false_reject_rate: f64,
    /// How it was found.
    pub method: ThresholdMethod,
    /// How many good scores it was found from.
    pub good_count: usize,
    /// How many of them are above it.
    pub rejected_count: usize,
    /// With 95 % confidence the true false-reject rate is at most this, whatever the distribution
    /// (Clopper-Pearson, one-sided). Few scores allow no small bound, however high the threshold.
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

/// Suggests the score that a share `false_reject_rate` of good parts exceeds.
///
/// When at least five of the scores lie beyond it, that is their empirical quantile. Otherwise the
/// highest scores are continued by an exponential tail: an image's score is the maximum of a map,
/// and maxima of many values with light tails have one (the Gumbel domain of extreme value
/// theory). A heavier tail would be rejected more often than asked; the bound does not depend on
/// this assumption. It is exact when no score is above the threshold and slightly low otherwise,
/// as the threshold was chosen on the same scores.
///
/// # Errors
/// When the rate does not lie within (0, 1), or there is only one score.
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
        false_reject_rate_bound: upper_bound(rejected, count),
    })
}

/// The threshold whose expected false-reject rate, over samples of this size, is `rate`.
///
/// Over the k+1st highest score u the k higher ones have excesses of mean b. With an exponential
/// tail the share beyond u is (k+1)/(n+1) on average, independent of b, and as b is an estimate
/// the share beyond u + c b is (1 + c/k)^-k of that on average, not exp(-c). Solved for c.
fn exponential_tail(sorted: &[f64], rate: f64) -> f64 {
    let count = sorted.len();
    let k = count.div_ceil(10).max(MIN_TAIL).min(count - 1);
    let start = sorted[count - 1 - k];
    let excess = sorted[count - k..].iter().map(|score| score - start);
    let mean_excess = excess.sum::<f64>() / k as f64;
    // A rate above the share beyond u asks for less than u, where no tail was fitted.
    let ratio = ((k + 1) as f64 / ((count + 1) as f64 * rate)).max(1.0);
    start + mean_excess * k as f64 * (ratio.powf(1.0 / k as f64) - 1.0)
}

/// The one-sided Clopper-Pearson bound: the rate at which `rejected` or fewer of `count` would be
/// seen with a probability of only 5 %.
fn upper_bound(rejected: usize, count: usize) -> f64 {
    if rejected >= count {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    // Each step halves the interval: 60 are below an f64's resolution at 1.
    for _ in 0..60 {
        let rate = f64::midpoint(low, high);
        if at_most(rejected, count, rate) > 1.0 - CONFIDENCE {
            low = rate;
        } else {
            high = rate;
        }
    }
    high
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
    fn many_scores_give_their_own_quantile() {
        let found = suggest((0..=1000).map(f64::from).collect(), 0.01);
        assert_eq!(found.method, ThresholdMethod::EmpiricalQuantile);
        assert_eq!((found.threshold, found.rejected_count), (990.0, 10));
    }

    #[test]
    fn few_scores_are_continued_beyond_the_highest() {
        let found = suggest((0..40).map(f64::from).collect(), 0.001);
        assert_eq!(found.method, ThresholdMethod::ExponentialTail);
        assert!(found.threshold > 39.0);
        assert_eq!((found.rejected_count, found.good_count), (0, 40));
        // The rule of three: about 3 / 40.
        assert!((found.false_reject_rate_bound - 0.0722).abs() < 1e-3);
        assert!(found.to_string().contains("0 of 40 good images"), "{found}");
    }

    #[test]
    fn a_smaller_rate_never_gives_a_lower_threshold() {
        for count in [2, 5, 20, 60, 400] {
            let scores: Vec<f64> = (0..count).map(|i| f64::from(i).sqrt()).collect();
            let thresholds: Vec<f64> = [0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4]
                .map(|rate| suggest(scores.clone(), rate).threshold)
                .to_vec();
            assert!(thresholds.is_sorted(), "{count}: {thresholds:?}");
        }
    }

    #[test]
    fn the_tail_rejects_as_many_as_asked_on_average() {
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
    fn equal_scores_are_their_own_threshold() {
        let found = suggest(vec![0.5; 20], 0.001);
        assert_eq!((found.threshold, found.rejected_count), (0.5, 0));
    }

    #[test]
    fn bounds_agree_with_the_tables() {
        // One-sided 95 % Clopper-Pearson: 1 - 0.05^(1/n) for none, beta quantiles otherwise.
        let check = |rejected, count, expected: f64| {
            let bound = upper_bound(rejected, count);
            assert!(
                (bound - expected).abs() < 1e-4,
                "{rejected}/{count}: {bound}"
            );
        };
        check(0, 20, 0.139_11);
        check(1, 20, 0.216_11);
        check(5, 50, 0.198_79);
        check(0, 100_000, 2.995_7e-5);
        check(3, 3, 1.0);
    }

    #[test]
    fn refuses_a_rate_or_a_count_that_says_nothing() {
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
