//! A point in time on two clocks.

use std::time::{Instant, SystemTime};

/// A point in time on the wall clock and on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Wall clock. It may step, also backwards.
    pub utc: SystemTime,
    /// Monotonic clock. It never steps.
    pub monotonic: Instant,
}

impl Moment {
    /// Returns the current time.
    #[expect(
        clippy::disallowed_methods,
        reason = "callers that do not have a Clock yet"
    )]
    pub fn now() -> Self {
        Self {
            utc: SystemTime::now(),
            monotonic: Instant::now(),
        }
    }
}
