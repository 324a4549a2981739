//! A point in time on two clocks. Core reads no clock: the caller passes moments in.

use std::time::{Instant, SystemTime};

/// A point in time on the wall clock and on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Wall clock. It may step, also backwards.
    pub utc: SystemTime,
    /// Monotonic clock. It never steps.
    pub monotonic: Instant,
}
