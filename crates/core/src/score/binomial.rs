//! Binomial distribution of a number of rejects, and the bound of a rate that follows from it.

use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF};

/// Returns the probabilities of at most 0, 1, 2 ... `count` events among `count` trials with the probability
/// `rate`.
///
/// # Panics
/// When `rate` is not in 0..=1.
pub fn cumulative(count: usize, rate: f64) -> impl Iterator<Item = f64> {
    let distribution = binomial(count, rate);
    (0..=count as u64).map(move |most| distribution.cdf(most))
}

/// Returns the probability of `most` or fewer events among `count` trials with the probability `rate`.
///
/// # Panics
/// When `rate` is not in 0..=1.
pub fn at_most(most: usize, count: usize, rate: f64) -> f64 {
    binomial(count, rate).cdf(most as u64)
}

fn binomial(count: usize, rate: f64) -> Binomial {
    Binomial::new(rate, count as u64).expect("the rate is a probability")
}

/// Returns the one-sided Clopper-Pearson bound with `confidence`: the rate at which `events` or fewer of
/// `count` have the probability `1 - confidence`.
///
/// # Panics
/// When `confidence` is not a probability.
pub fn upper_bound(events: usize, count: usize, confidence: f64) -> f64 {
    if events >= count {
        return 1.0;
    }
    Beta::new(events as f64 + 1.0, (count - events) as f64)
        .expect("both parameters are at least 1")
        .inverse_cdf(confidence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cumulative_agrees_with_the_closed_form_for_four_coins() {
        // Of 4 coins: 1, 5, 11, 15 and 16 of 16.
        let sums: Vec<f64> = cumulative(4, 0.5).map(|sum| sum * 16.0).collect();
        assert_eq!(sums.len(), 5);
        for (sum, expected) in sums.iter().zip([1.0, 5.0, 11.0, 15.0, 16.0]) {
            assert!((sum - expected).abs() < 1e-9, "{sums:?}");
        }
        assert!((at_most(3, 4, 0.5) - 15.0 / 16.0).abs() < 1e-12);
        assert!((at_most(9, 4, 0.5) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn large_counts_do_not_underflow() {
        // The probability of no event is below the smallest f64.
        let half = at_most(50_000, 100_000, 0.5);
        assert!((half - 0.501_261_563_107).abs() < 1e-9, "{half}");
        let whole = at_most(100_000, 100_000, 0.5);
        assert!((whole - 1.0).abs() < 1e-9, "{whole}");
    }

    #[test]
    fn upper_bound_is_the_clopper_pearson_bound() {
        // One-sided 95 %: 1 - 0.05^(1/n) for no event, otherwise quantiles of the beta distribution.
        let check = |events, count, expected: f64| {
            let bound = upper_bound(events, count, 0.95);
            assert!((bound - expected).abs() < 1e-9, "{events}/{count}: {bound}");
        };
        check(0, 20, 0.139_108_340_668);
        check(1, 20, 0.216_106_164_207);
        check(5, 50, 0.198_833_002_516);
        check(0, 100_000, 2.995_687_402e-5);
        check(3, 3, 1.0);
    }
}
