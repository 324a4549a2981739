//! Parts by time.

use std::time::{Duration, SystemTime};

use inspectd_core::decision::Decision;

use super::ReportInterval;
use crate::pipeline::camera_stats::DecisionCounts;

/// Maximum number of intervals.
const INTERVAL_LIMIT: u32 = 96;

/// Lengths of intervals up to half a day, minutes. Longer ones are whole days.
const LENGTHS_MIN: [u64; 10] = [1, 5, 10, 15, 30, 60, 120, 240, 360, 720];

const DAY: Duration = Duration::from_hours(24);

/// Counts of intervals of equal length, from the begin of the period on. The last one ends with the period.
#[derive(Debug)]
pub(super) struct Intervals {
    from: SystemTime,
    length: Duration,
    counts: Vec<DecisionCounts>,
}

impl Intervals {
    /// The shortest intervals of which there are not too many.
    pub(super) fn new(from: SystemTime, to: SystemTime) -> Self {
        let period = to.duration_since(from).unwrap_or_default();
        let length = length(period);
        let count = period.as_nanos().div_ceil(length.as_nanos());
        let count = count.clamp(1, u128::from(INTERVAL_LIMIT)) as usize;
        Self {
            from,
            length,
            counts: vec![DecisionCounts::default(); count],
        }
    }

    /// Counts a part. Times outside the period count as in the first or the last interval.
    pub(super) fn add(&mut self, time: SystemTime, decision: Decision) {
        let since = time.duration_since(self.from).unwrap_or_default();
        let last = self.counts.len() - 1;
        let index = since.as_nanos() / self.length.as_nanos();
        let index = usize::try_from(index).map_or(last, |index| index.min(last));
        self.counts[index].add(decision);
    }

    /// Returns the intervals, in order.
    pub(super) fn finish(self) -> Vec<ReportInterval> {
        let Self {
            from,
            length,
            counts,
        } = self;
        (0..)
            .zip(counts)
            .map(|(index, parts)| ReportInterval {
                from: from + length * index,
                parts,
            })
            .collect()
    }
}

/// The length of the intervals of a period.
fn length(period: Duration) -> Duration {
    let fits = |length: &Duration| *length * INTERVAL_LIMIT >= period;
    let mut lengths = LENGTHS_MIN.into_iter().map(Duration::from_mins);
    lengths.find(fits).unwrap_or_else(|| {
        let all = DAY * INTERVAL_LIMIT;
        let days = period.as_nanos().div_ceil(all.as_nanos());
        DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX))
    })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn period_is_divided_into_the_shortest_intervals_of_at_most_96() {
        let check = |period: Duration, length: Duration, count: usize| {
            let intervals = Intervals::new(UNIX_EPOCH, UNIX_EPOCH + period);
            assert_eq!(
                (intervals.length, intervals.counts.len()),
                (length, count),
                "{period:?}"
            );
        };
        let minutes = Duration::from_mins;
        let hours = Duration::from_hours;
        check(Duration::from_nanos(1), minutes(1), 1);
        check(minutes(1), minutes(1), 1);
        check(minutes(96), minutes(1), 96);
        check(minutes(96) + Duration::from_nanos(1), minutes(5), 20);
        check(hours(8), minutes(5), 96);
        check(hours(12), minutes(10), 72);
        check(hours(24), minutes(15), 96);
        check(hours(25), minutes(30), 50);
        check(hours(4 * 24), hours(1), 96);
        check(hours(7 * 24), hours(2), 84);
        check(hours(30 * 24), hours(12), 60);
        check(hours(96 * 24), hours(24), 96);
        check(hours(365 * 24), hours(4 * 24), 92);
        check(hours(50 * 365 * 24), hours(191 * 24), 96);
    }

    #[test]
    fn part_counts_in_the_interval_of_its_time() {
        let from = UNIX_EPOCH + Duration::from_secs(7);
        let mut intervals = Intervals::new(from, from + Duration::from_secs(150));
        for (second, decision) in [
            (0, Decision::Pass),
            (59, Decision::Reject),
            (60, Decision::Review),
            (149, Decision::Fault),
            (1000, Decision::Fault),
        ] {
            intervals.add(from + Duration::from_secs(second), decision);
        }
        intervals.add(UNIX_EPOCH, Decision::Pass);
        let counts = |pass, reject, review, fault| DecisionCounts {
            pass,
            reject,
            review,
            fault,
        };
        let expected = [
            (7, counts(2, 1, 0, 0)),
            (67, counts(0, 0, 1, 0)),
            (127, counts(0, 0, 0, 2)),
        ];
        let expected = expected.map(|(second, parts)| ReportInterval {
            from: UNIX_EPOCH + Duration::from_secs(second),
            parts,
        });
        assert_eq!(intervals.finish(), expected);
    }
}
