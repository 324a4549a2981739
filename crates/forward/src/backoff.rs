//! Pauses before another attempt: they double up to a maximum, and are random, so that many boxes do not call a
//! receiver at the same time.

use std::time::Duration;

use rand::Rng;

/// Pauses after failures in a row.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses from `first` to `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            failures: 0,
        }
    }

    /// Records a success: the next pause is the first one again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Records a failure. Returns the pause before the next attempt.
    pub fn next(&mut self) -> Duration {
        let pause = self.next_by(rand::rng().random_range(0.0..=1.0));
        pause.min(self.most)
    }

    /// As [`Backoff::next`], with `random` from 0 to 1.
    fn next_by(&mut self, random: f64) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let full = self.first.saturating_mul(factor).min(self.most);
        full.mul_f64(1.0 - random / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_doubles_up_to_the_maximum_and_begins_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_mins(1));
        let pauses: Vec<_> = (0..40).map(|_| backoff.next_by(0.0).as_millis()).collect();
        assert_eq!(
            pauses[..9],
            [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
        );
        assert_eq!(pauses[39], 60_000);
        backoff.reset();
        assert_eq!(backoff.next_by(0.0).as_millis(), 500);
    }

    #[test]
    fn random_part_leaves_at_least_half_of_the_pause() {
        let mut backoff = Backoff::new(Duration::from_secs(4), Duration::from_secs(4));
        assert_eq!(backoff.next_by(1.0), Duration::from_secs(2));
        for _ in 0..100 {
            let pause = backoff.next();
            assert!((2..=4).contains(&pause.as_secs()), "{pause:?}");
        }
    }
}
