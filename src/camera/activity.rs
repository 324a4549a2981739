//! The activities of a capture thread, with their time limits.

use std::time::{Duration, Instant};

/// Time that a capture thread has to stop before it counts as hanging.
pub const STOP_GRACE: Duration = Duration::from_millis(500);

/// An activity of a capture thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Opens the source.
    Opening,
    /// Waits until the next frame is due.
    Pausing,
    /// Waits for a frame of the source.
    Reading,
    /// Delivers a frame to the sink, which may block.
    Delivering,
    /// Closes the source.
    Closing,
}

/// The current activity of a capture thread.
#[derive(Clone, Copy, Debug)]
pub struct CurrentActivity {
    /// The activity.
    pub activity: Activity,
    /// When it began.
    pub since: Instant,
}

/// Time limits of activities.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Limit of opening.
    pub open: Duration,
    /// Limit of reading a frame, and of closing.
    pub read: Duration,
}

/// Whether a capture thread makes progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Within its limits; check again at this time, or after a change.
    OnTime(Option<Instant>),
    /// The activity exceeded its limit.
    Stalled,
    /// The thread was asked to stop and did not within [`STOP_GRACE`].
    Stuck,
}

impl CurrentActivity {
    /// Checks a thread at `now` that was asked to stop at `stopping`.
    pub fn progress(&self, limits: Limits, stopping: Option<Instant>, now: Instant) -> Progress {
        let limit = match self.activity {
            Activity::Opening => Some(limits.open),
            Activity::Reading | Activity::Closing => Some(limits.read),
            Activity::Pausing | Activity::Delivering => None,
        };
        let overdue = limit.map(|limit| self.since + limit);
        // A delivery is never abandoned: its frame would be counted and lost.
        let stuck = stopping
            .filter(|_| self.activity != Activity::Delivering)
            .map(|stopping| stopping + STOP_GRACE);
        match (overdue, stuck) {
            (_, Some(stuck)) if now >= stuck => Progress::Stuck,
            (Some(overdue), None) if now >= overdue => Progress::Stalled,
            (overdue, stuck) => Progress::OnTime(stuck.or(overdue)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Activity::*;
    use super::*;
    use crate::clock::Clock;
    use crate::clock::tests::ManualClock;

    #[test]
    fn only_opening_reading_and_closing_have_limits_and_a_stop_has_a_grace_period() {
        let start = ManualClock::new().now().monotonic;
        let ms = |ms| start + Duration::from_millis(ms);
        let limits = Limits {
            open: Duration::from_secs(5),
            read: Duration::from_secs(2),
        };
        let check = |activity, stopping: Option<u64>, now, expected| {
            let since = ms(0);
            let progress =
                CurrentActivity { activity, since }.progress(limits, stopping.map(ms), ms(now));
            assert_eq!(
                progress, expected,
                "{activity:?}, {stopping:?}, at {now} ms"
            );
        };
        check(Opening, None, 4999, Progress::OnTime(Some(ms(5000))));
        check(Opening, None, 5000, Progress::Stalled);
        check(Reading, None, 1999, Progress::OnTime(Some(ms(2000))));
        check(Reading, None, 2000, Progress::Stalled);
        check(Closing, None, 2000, Progress::Stalled);
        check(Pausing, None, 99_999, Progress::OnTime(None));
        check(Delivering, None, 99_999, Progress::OnTime(None));
        check(Delivering, Some(10), 99_999, Progress::OnTime(None));
        check(Reading, Some(100), 599, Progress::OnTime(Some(ms(600))));
        check(Reading, Some(100), 600, Progress::Stuck);
        check(Pausing, Some(100), 600, Progress::Stuck);
        check(Reading, Some(1900), 2000, Progress::OnTime(Some(ms(2400))));
    }
}
