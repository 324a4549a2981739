//! How long to wait before a source is opened anew.

use std::time::Duration;

/// Pauses that double from the first to the longest.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses from `first` up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        let next = first.min(longest);
        Self {
            first,
            longest,
            next,
        }
    }

    /// The pause that is due now; the next one is twice as long.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        pause
    }

    /// After a success: the next pause is the first again.
    pub fn reset(&mut self) {
        self.next = self.first.min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_over_after_a_success() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(500), ms(3000));
        let pauses: Vec<Duration> = (0..5).map(|_| backoff.pause()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 3000, 3000].map(ms));
        backoff.reset();
        assert_eq!(backoff.pause(), ms(500));
    }

    #[test]
    fn a_first_pause_above_the_longest_is_cut() {
        let mut backoff = Backoff::new(Duration::from_secs(9), Duration::from_secs(2));
        assert_eq!(backoff.pause(), Duration::from_secs(2));
    }
}
