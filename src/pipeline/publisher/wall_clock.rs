//! The wall clock, as far as it can be trusted with the age of verdicts.
//!
//! A wall clock may be wrong, also at the start, and a removed verdict does not come back when the clock is corrected.
//! So time counts only if it was observed: a step forward while the daemon runs, and a longer time without the daemon, are
//! jumps, whose time does not count towards the age of earlier verdicts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use inspectd_core::moment::Moment;

/// A smaller difference of the clocks is not a step.
const STEP_LIMIT: Duration = Duration::from_mins(10);

/// A longer time between the last verdict of an earlier run and the start may be a wrong clock.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// A clock that kept going for this long after a jump is reported no longer.
const REPORTED_FOR: Duration = Duration::from_hours(24);

/// Prefix of the counters in the journal that hold the jumps: the rest of the name is the last sequence before the jump,
/// the value its seconds.
const COUNTER: &str = "clock/jump/";

/// Jumps of the wall clock.
#[derive(Debug)]
pub(super) struct WallClock {
    last: Moment,
    /// By the last sequence before each.
    jumps: BTreeMap<u64, Duration>,
    reported: Option<(Instant, Duration)>,
}

/// A counter of the journal with its new value.
pub(super) type Change = (String, u64);

impl WallClock {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            last: now,
            jumps: BTreeMap::new(),
            reported: None,
        }
    }

    /// Takes over the jumps of a journal that was opened, whose newest verdict is `sequence`, recorded at `recorded`.
    pub(super) fn opened(
        &mut self,
        now: Moment,
        counters: &BTreeMap<String, u64>,
        sequence: u64,
        recorded: Option<SystemTime>,
    ) -> Vec<Change> {
        for (name, &seconds) in counters {
            let at = name.strip_prefix(COUNTER).and_then(|at| at.parse().ok());
            if let Some(at) = at.filter(|_| seconds > 0) {
                self.jumps.insert(at, Duration::from_secs(seconds));
            }
        }
        self.last = now;
        let Some(recorded) = recorded else {
            return Vec::new();
        };
        match now.utc.duration_since(recorded) {
            Ok(pause) if pause > LONGEST_PAUSE => self.forward(now, sequence, pause),
            Ok(_) => Vec::new(),
            Err(behind) => self.backward(behind.duration()),
        }
    }

    /// Compares the clocks. `sequence` is the newest. Returns the counters to write.
    pub(super) fn observe(&mut self, now: Moment, sequence: u64) -> Vec<Change> {
        let elapsed = now.monotonic.saturating_duration_since(self.last.monotonic);
        let expected = self.last.utc + elapsed;
        self.last = now;
        match now.utc.duration_since(expected) {
            Ok(ahead) if ahead > STEP_LIMIT => self.forward(now, sequence, ahead),
            Err(behind) if behind.duration() > STEP_LIMIT => self.backward(behind.duration()),
            _ => Vec::new(),
        }
    }

    fn forward(&mut self, now: Moment, sequence: u64, by: Duration) -> Vec<Change> {
        let jump = self.jumps.entry(sequence).or_default();
        *jump += by;
        self.reported = Some((now.monotonic, by));
        vec![change(sequence, *jump)]
    }

    /// A clock that was set back undoes the latest jumps.
    fn backward(&mut self, mut by: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        for (&sequence, jump) in self.jumps.iter_mut().rev() {
            let undone = by.min(*jump);
            *jump -= undone;
            by -= undone;
            // Counters have whole seconds.
            if jump.as_secs() == 0 {
                *jump = Duration::ZERO;
            }
            changes.push(change(sequence, *jump));
            if by.is_zero() {
                break;
            }
        }
        self.jumps.retain(|_, jump| !jump.is_zero());
        if self.jumps.is_empty() {
            self.reported = None;
        }
        changes
    }

    /// The time at which a verdict must have been recorded to have its age by `now`; `oldest` is the oldest stored
    /// sequence.
    pub(super) fn aged_since(&self, now: Moment, age: Duration, oldest: u64) -> Option<SystemTime> {
        let jumps: Duration = self.jumps.range(oldest..).map(|(_, jump)| *jump).sum();
        now.utc.checked_sub(jumps)?.checked_sub(age)
    }

    /// Drops jumps that no stored verdict is older than. Returns the counters to write.
    pub(super) fn forget_before(&mut self, oldest: u64) -> Vec<Change> {
        let kept = self.jumps.split_off(&oldest);
        let gone = std::mem::replace(&mut self.jumps, kept);
        gone.into_keys()
            .map(|sequence| change(sequence, Duration::ZERO))
            .collect()
    }

    /// The jump that a person should know of, if there is one.
    pub(super) fn reported(&self, now: Moment) -> Option<Duration> {
        let (at, by) = self.reported?;
        let since = now.monotonic.saturating_duration_since(at);
        (since < REPORTED_FOR).then_some(by)
    }
}

fn change(sequence: u64, jump: Duration) -> Change {
    (format!("{COUNTER}{sequence}"), jump.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    const DAY: Duration = Duration::from_hours(24);

    fn later(start: Moment, monotonic: Duration, wall: Duration) -> Moment {
        Moment {
            utc: start.utc + wall,
            monotonic: start.monotonic + monotonic,
        }
    }

    #[test]
    fn verdicts_before_a_step_forward_do_not_age_by_it() {
        let start = SystemClock.now();
        let mut clock = WallClock::new(start);
        assert!(
            clock
                .observe(later(start, DAY / 24, DAY / 24), 5)
                .is_empty()
        );
        let stepped = later(start, DAY / 12, 400 * DAY);
        let changes = clock.observe(stepped, 7);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].0, "clock/jump/7");
        let aged = |clock: &WallClock, oldest| clock.aged_since(stepped, 90 * DAY, oldest);
        let since = aged(&clock, 3).expect("in range");
        assert!(since < start.utc, "old verdicts stay");
        assert!(aged(&clock, 8).expect("in range") > start.utc);
        assert!(clock.reported(stepped).is_some());
        // Corrected.
        let corrected = later(start, DAY / 11, DAY / 11);
        let changes = clock.observe(corrected, 9);
        assert_eq!(changes, [("clock/jump/7".to_owned(), 0)]);
        assert_eq!(clock.reported(corrected), None);
    }

    #[test]
    fn wrong_clock_at_the_start_is_a_jump_and_remembered_until_its_verdicts_are_gone() {
        let start = SystemClock.now();
        let mut clock = WallClock::new(start);
        let open = |clock: &mut WallClock, counters: &[Change], pause: Duration| {
            let counters = counters.iter().cloned().collect();
            clock.opened(start, &counters, 40, Some(start.utc - pause))
        };
        assert!(open(&mut clock, &[], DAY / 2).is_empty());
        let jump = open(&mut clock, &[], 400 * DAY);
        assert_eq!(jump, [("clock/jump/40".to_owned(), 400 * 86_400)]);
        // After a restart with the same wrong clock.
        let mut clock = WallClock::new(start);
        assert!(open(&mut clock, &jump, Duration::ZERO).is_empty());
        let since = clock.aged_since(start, 90 * DAY, 1).expect("in range");
        assert!(since < start.utc - 400 * DAY);
        assert_eq!(clock.forget_before(40), []);
        assert_eq!(clock.forget_before(41), [("clock/jump/40".to_owned(), 0)]);
    }

    #[test]
    fn clock_that_is_behind_the_newest_verdict_undoes_the_latest_jump() {
        let start = SystemClock.now();
        let mut clock = WallClock::new(start);
        let counters = BTreeMap::from([("clock/jump/40".to_owned(), 400 * 86_400)]);
        let changes = clock.opened(start, &counters, 50, Some(start.utc + 399 * DAY));
        assert_eq!(changes, [("clock/jump/40".to_owned(), 86_400)]);
    }
}
