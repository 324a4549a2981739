//! When a source that could go at any speed gives its next frame.

use std::time::{Duration, Instant};

/// Frames at a steady rate. Deadlines follow from each other rather than from the clock, so that small
/// delays do not add up.
#[derive(Clone, Debug)]
pub struct Schedule {
    interval: Duration,
    due: Option<Instant>,
}

impl Schedule {
    /// `fps` frames a second: a finite number above 0.
    pub fn new(fps: f64) -> Self {
        Self {
            interval: Duration::from_secs_f64(fps.recip()),
            due: None,
        }
    }

    /// When the next frame is due. One that is late comes at once; after a delay of an interval and
    /// more the schedule starts over, so that missed frames do not come in a burst.
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

    #[test]
    fn small_delays_do_not_add_up_and_long_ones_cause_no_burst() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let mut schedule = Schedule::new(10.0);
        let mut check = |now, due| assert_eq!(schedule.next(ms(now)), ms(due), "at {now} ms");
        check(0, 0);
        check(7, 100);
        check(130, 200);
        // Late by less than an interval: at once, and the one after it is on time again.
        check(390, 300);
        check(391, 400);
        // Late by three intervals: the schedule starts over.
        check(830, 830);
        check(831, 930);
    }
}
