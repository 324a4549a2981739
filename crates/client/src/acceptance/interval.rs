//! Intervals of rates and of standard deviations.

use statrs::distribution::{Beta, ChiSquared, ContinuousCDF, Normal};

/// The two-sided interval of Clopper and Pearson of the rate of `events` in `count`, with the confidence `confidence`: exact,
/// never too narrow.
pub fn clopper_pearson(events: u64, count: u64, confidence: f64) -> [f64; 2] {
    if count == 0 {
        return [0.0, 1.0];
    }
    let miss = (1.0 - confidence) / 2.0;
    let (with, without) = (events as f64, (count - events.min(count)) as f64);
    let low = if events == 0 {
        0.0
    } else {
        beta_quantile(with, without + 1.0, miss)
    };
    let high = if events >= count {
        1.0
    } else {
        beta_quantile(with + 1.0, without, 1.0 - miss)
    };
    [low, high]
}

/// The one-sided upper bound of Clopper and Pearson: the rate at which `events` or fewer of `count` have the probability
/// `1 - confidence`.
pub fn upper_bound(events: u64, count: u64, confidence: f64) -> f64 {
    if events >= count {
        return 1.0;
    }
    beta_quantile(events as f64 + 1.0, (count - events) as f64, confidence)
}

fn beta_quantile(a: f64, b: f64, probability: f64) -> f64 {
    let beta = Beta::new(a, b).expect("both parameters are at least 1");
    beta.inverse_cdf(probability)
}

/// The two-sided interval of Wilson of the rate of `events` in `count`: narrower than that of Clopper and Pearson, exact only
/// on average.
///
/// # Panics
/// Never: the distribution is a standard one.
pub fn wilson(events: u64, count: u64, confidence: f64) -> [f64; 2] {
    if count == 0 {
        return [0.0, 1.0];
    }
    let normal = Normal::new(0.0, 1.0).expect("a positive standard deviation");
    let z = normal.inverse_cdf(0.5 + confidence / 2.0);
    let (count, rate) = (count as f64, events as f64 / count as f64);
    let middle = (rate + z * z / (2.0 * count)) / (1.0 + z * z / count);
    let half = z / (1.0 + z * z / count)
        * (rate * (1.0 - rate) / count + z * z / (4.0 * count * count)).sqrt();
    [(middle - half).max(0.0), (middle + half).min(1.0)]
}

/// The two-sided interval of a standard deviation that was estimated from `count` normally distributed values; none for fewer
/// than two.
pub(super) fn of_deviation(deviation: f64, count: usize, confidence: f64) -> Option<[f64; 2]> {
    let freedom = count.checked_sub(1).filter(|freedom| *freedom > 0)? as f64;
    let distribution = ChiSquared::new(freedom).ok()?;
    let miss = (1.0 - confidence) / 2.0;
    let bound = |probability| deviation * (freedom / distribution.inverse_cdf(probability)).sqrt();
    Some([bound(1.0 - miss), bound(miss)])
}
