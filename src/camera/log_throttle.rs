//! A rate limit for repeated log messages.

use std::time::{Duration, Instant};

/// Allows one message per interval and counts the suppressed ones.
#[derive(Clone, Debug)]
pub struct LogThrottle {
    interval: Duration,
    last: Option<Instant>,
    suppressed: u64,
}

impl LogThrottle {
    /// Allows at most one message per `interval`.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            last: None,
            suppressed: 0,
        }
    }

    /// Returns whether a message may be logged at `now`: if so, the number of messages that were
    /// suppressed since the last one.
    pub fn allow(&mut self, now: Instant) -> Option<u64> {
        let early = self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < self.interval);
        if early {
            self.suppressed += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::clock::tests::ManualClock;

    #[test]
    fn one_message_per_interval_is_allowed_with_the_number_of_suppressed_ones() {
        let clock = ManualClock::new();
        let start = clock.now().monotonic;
        let mut throttle = LogThrottle::new(Duration::from_mins(1));
        let mut check = |second, expected: Option<u64>| {
            let allowed = throttle.allow(start + Duration::from_secs(second));
            assert_eq!(allowed, expected, "second {second}");
        };
        check(0, Some(0));
        check(1, None);
        check(59, None);
        check(60, Some(2));
        check(61, None);
        check(500, Some(1));
        check(560, Some(0));
    }
}
