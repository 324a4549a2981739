//! Pauses between attempts.

use std::time::Duration;

/// The pause before another attempt. It doubles with each failure, up to a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub initial: Duration,
    /// The longest pause.
    pub max: Duration,
}

impl Default for Backoff {
    /// 250 ms, up to 5 s.
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(250),
            max: Duration::from_secs(5),
        }
    }
}

impl Backoff {
    /// Returns the pause after this number of failures, counted from 0.
    pub(crate) fn pause(self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
        self.initial.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_doubles_up_to_the_maximum() {
        let check = |failures, expected| {
            let pause = Backoff::default().pause(failures);
            assert_eq!(pause, Duration::from_millis(expected), "{failures}");
        };
        check(0, 250);
        check(1, 500);
        check(4, 4000);
        check(5, 5000);
        check(100, 5000);
    }
}
