//! Exact intervals with 95 % confidence, independent of the distribution: of a rate, and of a quantile.

use inspectd_core::score::cumulative;
use statrs::distribution::{Beta, ContinuousCDF};

/// Probability that the true value is below the interval, and that it is above.
const MISS: f64 = 0.025;

/// The interval of the rate when `rejected` of `count` scores were above a threshold (Clopper-Pearson,
/// two-sided): its bounds are quantiles of beta distributions.
pub fn of_rate(rejected: usize, count: usize) -> (f64, f64) {
    if count == 0 {
        return (0.0, 1.0);
    }
    let (above, below) = (rejected as f64, count.saturating_sub(rejected) as f64);
    let low = match rejected {
        0 => 0.0,
        _ => beta_quantile(above, below + 1.0, MISS),
    };
    let high = if rejected >= count {
        1.0
    } else {
        beta_quantile(above + 1.0, below, 1.0 - MISS)
    };
    (low, high)
}

fn beta_quantile(a: f64, b: f64, probability: f64) -> f64 {
    let beta = Beta::new(a, b).expect("both parameters are at least 1");
    beta.inverse_cdf(probability)
}

/// The interval of the score that a share `rate` of all parts is above; `None` for a bound that needs more
/// scores. `sorted` is ascending.
///
/// The number of n scores above it is binomial: the probability that the k + 1st highest score is above it
/// is that of more than k.
pub fn of_quantile(sorted: &[f64], rate: f64) -> (Option<f64>, Option<f64>) {
    let count = sorted.len();
    let above = |k: usize| (k < count).then(|| sorted[count - 1 - k]);
    let mut high = None;
    for (k, sum) in cumulative(count, rate).enumerate() {
        if sum <= MISS {
            high = above(k);
        }
        if sum >= 1.0 - MISS {
            return (above(k), high);
        }
    }
    (None, high)
}

/// The number of scores from which on the highest is an upper bound of the score that a share `rate` is
/// above.
pub fn needed(rate: f64) -> u64 {
    (MISS.ln() / (-rate).ln_1p()).ceil() as u64
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn rate_intervals_equal_zeros_of_exact_binomial_sums() {
        // Zeros of exact binomial sums.
        let check = |rejected, count, low: f64, high: f64| {
            let (found_low, found_high) = of_rate(rejected, count);
            let close = |one: f64, other: f64| (one - other).abs() < 1e-9;
            assert!(
                close(found_low, low) && close(found_high, high),
                "{rejected}/{count}: {found_low} to {found_high}"
            );
        };
        check(0, 20, 0.0, 0.168_433_470_983);
        check(1, 20, 0.001_265_089_498, 0.248_732_762_772);
        check(5, 50, 0.033_275_093_589, 0.218_135_366_434);
        check(10, 10, 0.691_502_892_181, 1.0);
        check(1, 400, 0.000_063_292_517, 0.013_849_769_962);
        check(0, 0, 0.0, 1.0);
    }

    #[test]
    fn quantile_bound_needs_enough_scores() {
        let scores = |count: u32| (0..count).map(f64::from).collect::<Vec<_>>();
        assert_eq!(needed(0.001), 3688);
        assert_eq!(needed(0.5), 6);
        assert_eq!(of_quantile(&scores(3687), 0.001).1, None);
        assert_eq!(of_quantile(&scores(3688), 0.001).1, Some(3687.0));
        // The median of ten lies between the second and the ninth (97.9 %).
        assert_eq!(of_quantile(&scores(10), 0.5), (Some(1.0), Some(8.0)));
        assert_eq!(of_quantile(&[], 0.5), (None, None));
    }

    #[test]
    fn intervals_contain_the_true_value_in_95_of_100_samples() {
        // Of exponential scores a share e^-t is above t.
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let (rate, repetitions) = (0.05, 2000);
        let truth = -f64::ln(rate);
        let (mut quantiles, mut rates) = (0, 0);
        for _ in 0..repetitions {
            let mut scores: Vec<f64> = (0..400)
                .map(|_| -(1.0 - random.random::<f64>()).ln())
                .collect();
            scores.sort_unstable_by(f64::total_cmp);
            let (low, high) = of_quantile(&scores, rate);
            let (low, high) = (low.expect("enough"), high.expect("enough"));
            quantiles += u32::from((low..=high).contains(&truth));
            let above = scores.iter().filter(|&&score| score > truth).count();
            let (low, high) = of_rate(above, scores.len());
            rates += u32::from((low..=high).contains(&rate));
        }
        for (name, held) in [("quantiles", quantiles), ("rates", rates)] {
            let share = f64::from(held) / f64::from(repetitions);
            assert!((0.945..=0.99).contains(&share), "{name}: {share}");
        }
    }
}
