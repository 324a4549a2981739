//! The pause before a source is reopened.

use std::time::Duration;

/// Pauses that double from the first to the maximum.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses from `first` up to `max`.
    pub fn new(first: Duration, max: Duration) -> Self {
        let next = first.min(max);
        Self { first, max, next }
    }

    /// Returns the current pause and doubles the next one.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.max);
        pause
    }

    /// Resets the next pause to the first, after a success.
    pub fn reset(&mut self) {
        self.next = self.first.min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_maximum_and_restart_after_a_success() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(500), ms(3000));
        let pauses: Vec<Duration> = (0..5).map(|_| backoff.pause()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 3000, 3000].map(ms));
        backoff.reset();
        assert_eq!(backoff.pause(), ms(500));
    }

    #[test]
    fn a_first_pause_above_the_maximum_is_limited_to_it() {
        let mut backoff = Backoff::new(Duration::from_secs(9), Duration::from_secs(2));
        assert_eq!(backoff.pause(), Duration::from_secs(2));
    }
}
