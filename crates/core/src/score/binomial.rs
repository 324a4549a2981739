//! Cumulative binomial distribution, for bounds of reject rates.

/// Returns the probabilities of at most 0, 1, 2 ... events among `count` trials with the probability `rate`,
/// in (0, 1). The terms are computed as logarithms, because (1 - rate)^count can be below the smallest f64.
pub fn cumulative(count: usize, rate: f64) -> impl Iterator<Item = f64> {
    let odds = rate.ln() - (-rate).ln_1p();
    let mut term = count as f64 * (-rate).ln_1p();
    let mut sum = 0.0;
    (0..=count).map(move |i| {
        if i > 0 {
            term += ((count - i + 1) as f64 / i as f64).ln() + odds;
        }
        sum += term.exp();
        sum
    })
}

/// Returns the probability of `most` or fewer events among `count` trials with the probability `rate`, in
/// (0, 1).
pub fn at_most(most: usize, count: usize, rate: f64) -> f64 {
    cumulative(count, rate).nth(most).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cumulative_agrees_with_the_closed_form_for_four_coins() {
        // Of 4 coins: 1, 5, 11, 15 and 16 of 16.
        let sums: Vec<f64> = cumulative(4, 0.5).map(|sum| sum * 16.0).collect();
        for (sum, expected) in sums.iter().zip([1.0, 5.0, 11.0, 15.0, 16.0]) {
            assert!((sum - expected).abs() < 1e-9, "{sums:?}");
        }
        assert!((at_most(3, 4, 0.5) - 15.0 / 16.0).abs() < 1e-12);
        assert!((at_most(9, 4, 0.5) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn first_term_that_underflows_does_not_make_the_sum_zero() {
        let whole = at_most(100_000, 100_000, 0.5);
        assert!((whole - 1.0).abs() < 1e-6, "{whole}");
    }
}
