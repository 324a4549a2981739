//! Failures that repeat fill no log: the first is told at once, later ones once in a while with their
//! number.

use std::time::{Duration, Instant};

/// What may be told, and what was left out since something was.
#[derive(Clone, Debug)]
pub struct LogThrottle {
    every: Duration,
    last: Option<Instant>,
    suppressed: u64,
}

impl LogThrottle {
    /// At most one line in `every`.
    pub fn new(every: Duration) -> Self {
        Self {
            every,
            last: None,
            suppressed: 0,
        }
    }

    /// Whether what happens `now` is told: then how many before it were not.
    pub fn allow(&mut self, now: Instant) -> Option<u64> {
        let early = self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < self.every);
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

    #[test]
    fn the_first_is_told_at_once_and_later_ones_once_a_minute() {
        let start = Instant::now();
        let mut repeats = LogThrottle::new(Duration::from_secs(60));
        let mut check = |second, expected: Option<u64>| {
            let told = repeats.allow(start + Duration::from_secs(second));
            assert_eq!(told, expected, "second {second}");
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
