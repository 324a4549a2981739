//! Due times of frames, for sources that could deliver at any rate.

use std::time::{Duration, Instant};

/// Frames at a fixed rate. Each due time follows from the one before and not from the clock, so that
/// small delays do not accumulate.
#[derive(Clone, Debug)]
pub struct Schedule {
    interval: Duration,
    due: Option<Instant>,
}

impl Schedule {
    /// `fps` frames per second, finite and above 0.
    pub fn new(fps: f64) -> Self {
        Self {
            interval: Duration::from_secs_f64(fps.recip()),
            due: None,
        }
    }

    /// Returns when the next frame is due. A late frame is due immediately. After a delay of an interval
    /// or more the schedule restarts, so that missed frames do not arrive in a burst.
    pub fn next(&mut self, now: Instant) -> Instant {
        let due = match self.due {
            Some(due) if now < due + self.interval => due,
            _ => now,
        };
        self.due = Some(due + self.interval);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::clock::tests::ManualClock;

    #[test]
    fn small_delays_do_not_accumulate_and_long_ones_restart_the_schedule() {
        let start = ManualClock::new().now().monotonic;
        let ms = |ms| start + Duration::from_millis(ms);
        let mut schedule = Schedule::new(10.0);
        let mut check = |now, due| assert_eq!(schedule.next(ms(now)), ms(due), "at {now} ms");
        check(0, 0);
        check(7, 100);
        check(130, 200);
        // Late by less than an interval: due immediately, and the next one is on time again.
        check(390, 300);
        check(391, 400);
        // Late by three intervals: the schedule restarts.
        check(830, 830);
        check(831, 930);
    }
}
