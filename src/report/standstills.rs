//! Times without verdicts.

use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::ReportStandstill;

/// Maximum number of standstills of a report. Shorter ones only count in the sum.
const STANDSTILL_LIMIT: usize = 100;

/// Finds the times without verdicts that are longer than a limit.
#[derive(Debug)]
pub(super) struct Standstills {
    longer_than: Duration,
    /// Starts of the daemon, in order.
    starts: Vec<SystemTime>,
    /// When the last verdict was journalled, or the begin of the period.
    last: SystemTime,
    /// The run of the daemon that the last verdict is of.
    run: Option<Uuid>,
    /// The longest, and less than as many others.
    longest: Vec<ReportStandstill>,
    total: Duration,
}

impl Standstills {
    /// From the begin of the period on.
    pub(super) fn new(
        from: SystemTime,
        longer_than: Duration,
        mut starts: Vec<SystemTime>,
    ) -> Self {
        starts.sort_unstable();
        Self {
            longer_than,
            starts,
            last: from,
            run: None,
            longest: Vec::new(),
            total: Duration::ZERO,
        }
    }

    /// A verdict was journalled. The clock may have been set back since the last one: there is no standstill then.
    pub(super) fn add(&mut self, time: SystemTime, run: Uuid) {
        let restarted = self.run.is_some_and(|last| last != run);
        self.end(time, restarted);
        self.last = time;
        self.run = Some(run);
    }

    /// Returns the standstills until the end of the period, longest first, and the sum of all.
    pub(super) fn finish(mut self, to: SystemTime) -> (Vec<ReportStandstill>, Duration) {
        self.end(to, false);
        self.prune();
        (self.longest, self.total)
    }

    /// Ends a time without verdicts.
    fn end(&mut self, to: SystemTime, restarted: bool) {
        let from = self.last;
        let length = to.duration_since(from).unwrap_or_default();
        if length <= self.longer_than {
            return;
        }
        self.total += length;
        self.longest.push(ReportStandstill {
            from,
            to,
            started: restarted || self.is_started_between(from, to),
        });
        if self.longest.len() >= 2 * STANDSTILL_LIMIT {
            self.prune();
        }
    }

    fn is_started_between(&self, from: SystemTime, to: SystemTime) -> bool {
        let next = self.starts.partition_point(|start| *start < from);
        self.starts.get(next).is_some_and(|start| *start <= to)
    }

    /// Keeps only the longest; of equally long ones, the earliest.
    fn prune(&mut self) {
        self.longest.sort_by(|one, other| {
            let by_length = other.length().cmp(&one.length());
            by_length.then_with(|| one.from.cmp(&other.from))
        });
        self.longest.truncate(STANDSTILL_LIMIT);
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    const RUN: Uuid = Uuid::from_u128(1);

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    fn standstill(from: u64, to: u64, started: bool) -> ReportStandstill {
        ReportStandstill {
            from: at(from),
            to: at(to),
            started,
        }
    }

    /// The standstills of a period from 100 s to 200 s that are longer than 10 s.
    fn of(verdicts: &[(u64, Uuid)], starts: &[u64]) -> (Vec<ReportStandstill>, u64) {
        let starts = starts.iter().copied().map(at).collect();
        let mut standstills = Standstills::new(at(100), Duration::from_secs(10), starts);
        for &(second, run) in verdicts {
            standstills.add(at(second), run);
        }
        let (longest, total) = standstills.finish(at(200));
        (longest, total.as_secs())
    }

    #[test]
    fn longer_times_without_verdicts_are_standstills_from_the_begin_to_the_end_of_the_period() {
        let check = |verdicts: &[u64], expected: &[(u64, u64)]| {
            let verdicts: Vec<_> = verdicts.iter().map(|&second| (second, RUN)).collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|&(from, to)| standstill(from, to, false))
                .collect();
            assert_eq!(of(&verdicts, &[]).0, expected, "{verdicts:?}");
        };
        check(&[], &[(100, 200)]);
        check(&[150], &[(100, 150), (150, 200)]);
        check(&[110, 130, 190], &[(130, 190), (110, 130)]);
        let all: Vec<u64> = (100..200).step_by(10).collect();
        check(&all, &[]);
        // The clock was set back.
        check(&[195, 100, 105], &[(100, 195), (105, 200)]);
    }

    #[test]
    fn standstill_with_a_start_of_the_daemon_is_marked() {
        let other = Uuid::from_u128(2);
        let (longest, total) = of(&[(120, RUN), (150, other), (160, other)], &[105]);
        assert_eq!(
            longest,
            [
                standstill(160, 200, false),
                // By the runs of the verdicts.
                standstill(120, 150, true),
                // By the audit log.
                standstill(100, 120, true),
            ]
        );
        assert_eq!(total, 90);
    }

    proptest! {
        #[test]
        fn the_longest_hundred_are_listed_and_all_are_in_the_sum(
            gaps in prop::collection::vec(1u64..1000, 0..600),
        ) {
            let mut standstills = Standstills::new(at(0), Duration::from_secs(500), Vec::new());
            let mut now = 0;
            for gap in &gaps {
                now += gap;
                standstills.add(at(now), RUN);
            }
            let (listed, total) = standstills.finish(at(now));
            let mut long: Vec<u64> = gaps.into_iter().filter(|&gap| gap > 500).collect();
            prop_assert_eq!(total.as_secs(), long.iter().sum::<u64>());
            long.sort_unstable_by(|one, other| other.cmp(one));
            long.truncate(STANDSTILL_LIMIT);
            let listed: Vec<u64> = listed.iter().map(|one| one.length().as_secs()).collect();
            prop_assert_eq!(listed, long);
        }
    }
}
