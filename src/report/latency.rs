//! Percentiles of durations in bounded memory.

use std::time::Duration;

/// Bits of a duration that its bucket keeps after the first one.
const KEPT_BITS: u32 = 6;

/// Buckets for each doubling of the duration.
const BUCKETS_PER_DOUBLING: u64 = 1 << KEPT_BITS;

/// A histogram of durations. Durations below 128 ns have a bucket each; 64 buckets cover each doubling from there on. A
/// percentile is the middle of its bucket, so its relative error is at most 1/128 (0.8 %), and the buckets of all durations
/// up to 584 years take 30 KiB.
///
/// It is an own type because it is integer arithmetic of a few lines, and the rank of a percentile has to be the nearest
/// rank: at least the stated share of the durations is not longer. The one sketch among the dependencies of this program,
/// `sketches-ddsketch`, uses the rank below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LatencyHistogram {
    /// Up to the highest bucket in use.
    buckets: Vec<u64>,
    count: u64,
    highest: Duration,
}

/// Percentiles of durations. All are 0 without durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// The number of durations.
    pub count: u64,
    /// Half of them are at most this long.
    pub p50: Duration,
    /// 95 % of them are at most this long.
    pub p95: Duration,
    /// 99 % of them are at most this long.
    pub p99: Duration,
    /// The longest, exactly.
    pub highest: Duration,
}

impl LatencyHistogram {
    /// Counts a duration.
    pub(super) fn add(&mut self, duration: Duration) {
        let bucket = bucket(nanoseconds(duration));
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.highest = self.highest.max(duration);
    }

    /// Returns the percentiles.
    pub(super) fn percentiles(&self) -> Percentiles {
        Percentiles {
            count: self.count,
            p50: self.percentile(50),
            p95: self.percentile(95),
            p99: self.percentile(99),
            highest: self.highest,
        }
    }

    /// The nearest rank: the shortest duration that at least this share of them, in per cent, does not exceed.
    fn percentile(&self, percent: u64) -> Duration {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut passed = 0;
        let reached = self.buckets.iter().position(|&count| {
            passed += count;
            passed >= rank
        });
        let middle = reached.map_or(0, middle);
        Duration::from_nanos(middle).min(self.highest)
    }
}

/// A duration in nanoseconds; those of more than 584 years are clamped.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The bucket of a duration: the position of its highest bit, and the bits that follow it.
fn bucket(duration_ns: u64) -> usize {
    let bits = u64::BITS - duration_ns.leading_zeros();
    let dropped_bits = bits.saturating_sub(KEPT_BITS + 1);
    let bucket = u64::from(dropped_bits) * BUCKETS_PER_DOUBLING + (duration_ns >> dropped_bits);
    bucket as usize
}

/// The middle of a bucket, nanoseconds.
fn middle(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let dropped_bits = (bucket / BUCKETS_PER_DOUBLING).saturating_sub(1);
    let kept = bucket - dropped_bits * BUCKETS_PER_DOUBLING;
    let half_width = (1_u64 << dropped_bits) / 2;
    (kept << dropped_bits) + half_width
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn duration_is_in_the_bucket_whose_middle_is_within_one_per_cent() {
        let check = |duration_ns: u64, expected_bucket, expected_middle| {
            assert_eq!(bucket(duration_ns), expected_bucket, "{duration_ns}");
            assert_eq!(middle(expected_bucket), expected_middle, "{duration_ns}");
        };
        check(0, 0, 0);
        check(1, 1, 1);
        check(127, 127, 127);
        check(128, 128, 129);
        check(129, 128, 129);
        check(255, 191, 255);
        check(256, 192, 258);
        check(259, 192, 258);
        check(260, 193, 262);
        check(u64::MAX, 3775, u64::MAX - (1 << 56) + 1);
    }

    #[test]
    fn percentiles_of_no_duration_are_zero() {
        assert_eq!(
            LatencyHistogram::default().percentiles(),
            Percentiles::default()
        );
    }

    #[test]
    fn percentiles_of_one_duration_are_this_duration() {
        let mut histogram = LatencyHistogram::default();
        let only = Duration::from_nanos(12_345_678);
        histogram.add(only);
        let found = histogram.percentiles();
        assert_eq!((found.count, found.highest), (1, only));
        for percentile in [found.p50, found.p95, found.p99] {
            let error = percentile.as_secs_f64() / only.as_secs_f64() - 1.0;
            assert!(error.abs() <= 0.01, "{found:?}");
        }
    }

    proptest! {
        #[test]
        fn percentiles_are_within_one_per_cent_of_those_of_the_sorted_durations(
            // All magnitudes, from nanoseconds to hours.
            durations in prop::collection::vec((0u32..43, any::<u64>()), 1..400),
        ) {
            let mut sorted_ns: Vec<u64> = durations
                .into_iter()
                .map(|(bits, random)| random % (1u64 << bits) + (1u64 << bits))
                .collect();
            let mut histogram = LatencyHistogram::default();
            for duration_ns in &sorted_ns {
                histogram.add(Duration::from_nanos(*duration_ns));
            }
            sorted_ns.sort_unstable();
            let found = histogram.percentiles();
            prop_assert_eq!(found.count, sorted_ns.len() as u64);
            let longest = sorted_ns[sorted_ns.len() - 1];
            prop_assert_eq!(found.highest, Duration::from_nanos(longest));
            for (percent, percentile) in [(50, found.p50), (95, found.p95), (99, found.p99)] {
                let rank = (sorted_ns.len() * percent).div_ceil(100).max(1);
                let exact_ns = sorted_ns[rank - 1] as f64;
                let error = percentile.as_nanos() as f64 / exact_ns - 1.0;
                prop_assert!(error.abs() <= 0.01, "p{}: {} of {:?}", percent, error, found);
            }
        }
    }
}
