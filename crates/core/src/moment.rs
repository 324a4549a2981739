//! A point in time on two clocks. Core reads no clock: the caller passes moments in.

use std::time::{Duration, Instant, SystemTime};

/// A point in time on the wall clock and on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Wall clock. It may step, also backwards.
    pub utc: SystemTime,
    /// Monotonic clock. It never steps.
    pub monotonic: Instant,
}

impl Moment {
    /// The moment `age` earlier; on a clock that does not reach back so far, this one.
    #[must_use]
    pub fn before(self, age: Duration) -> Self {
        Self {
            utc: self.utc.checked_sub(age).unwrap_or(self.utc),
            monotonic: self.monotonic.checked_sub(age).unwrap_or(self.monotonic),
        }
    }
}
