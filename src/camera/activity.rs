//! What a capture thread is doing, and how long it may take.

use std::time::{Duration, Instant};

/// How long a camera may stop after it was asked to before its thread counts as hanging.
pub const STOP_GRACE: Duration = Duration::from_millis(500);

/// What a capture thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Opens its source.
    Opening,
    /// Waits, within bounds of its own, until other cameras have opened theirs.
    Queued,
    /// Waits until the next frame is due.
    Pausing,
    /// Waits for the source's frame.
    Reading,
    /// Hands a frame on; whoever takes it may let it wait.
    Delivering,
    /// Closes its source.
    Closing,
}

/// An activity and its beginning.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    /// What.
    pub activity: Activity,
    /// Since when.
    pub since: Instant,
}

/// How long activities may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Opening.
    pub open: Duration,
    /// Reading a frame; closing as well.
    pub read: Duration,
}

/// What a look at a capture thread says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// All is well; look again then, or once something has changed.
    Fine(Option<Instant>),
    /// It takes too long: it hangs.
    Stalled,
    /// It was asked to stop, and hangs.
    Stuck,
}

impl Phase {
    /// Looks at a thread at `now`, which was asked to stop at `stopping`.
    pub fn look(&self, limits: Limits, stopping: Option<Instant>, now: Instant) -> Look {
        let limit = match self.activity {
            Activity::Opening => Some(limits.open),
            Activity::Reading | Activity::Closing => Some(limits.read),
            Activity::Queued | Activity::Pausing | Activity::Delivering => None,
        };
        let overdue = limit.map(|limit| self.since + limit);
        // A frame that is being handed on is never left alone: it would be counted and lost.
        let stuck = stopping
            .filter(|_| self.activity != Activity::Delivering)
            .map(|asked| asked + STOP_GRACE);
        match (overdue, stuck) {
            (_, Some(stuck)) if now >= stuck => Look::Stuck,
            (Some(overdue), None) if now >= overdue => Look::Stalled,
            (overdue, stuck) => Look::Fine(stuck.or(overdue)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Activity::*;
    use super::*;

    #[test]
    fn only_what_the_source_owes_is_timed_and_a_stop_is_short() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let limits = Limits {
            open: Duration::from_secs(5),
            read: Duration::from_secs(2),
        };
        let check = |activity, stopping: Option<u64>, now, expected| {
            let since = ms(0);
            let look = Phase { activity, since }.look(limits, stopping.map(ms), ms(now));
            assert_eq!(look, expected, "{activity:?}, {stopping:?}, at {now} ms");
        };
        check(Opening, None, 4999, Look::Fine(Some(ms(5000))));
        check(Opening, None, 5000, Look::Stalled);
        check(Reading, None, 1999, Look::Fine(Some(ms(2000))));
        check(Reading, None, 2000, Look::Stalled);
        check(Closing, None, 2000, Look::Stalled);
        check(Queued, None, 99_999, Look::Fine(None));
        check(Pausing, None, 99_999, Look::Fine(None));
        check(Delivering, None, 99_999, Look::Fine(None));
        check(Delivering, Some(10), 99_999, Look::Fine(None));
        check(Reading, Some(100), 599, Look::Fine(Some(ms(600))));
        check(Reading, Some(100), 600, Look::Stuck);
        check(Queued, Some(100), 600, Look::Stuck);
        check(Reading, Some(1900), 2000, Look::Fine(Some(ms(2400))));
    }
}
