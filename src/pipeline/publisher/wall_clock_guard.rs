//! Whether the wall clock can be trusted with removing old verdicts.

use std::time::{Duration, SystemTime};

use inspectd_core::moment::Moment;
use tracing::warn;

/// A larger step forward may be a mistake, and removed verdicts do not come back when the clock is
/// corrected.
const STEP_LIMIT: Duration = Duration::from_mins(10);

/// After such a step, nothing is removed for its age for this long.
const DISTRUST: Duration = Duration::from_hours(1);

/// Compares the wall clock with the monotonic clock.
#[derive(Debug)]
pub(super) struct WallClockGuard {
    last: Moment,
    stepped: Option<std::time::Instant>,
}

impl WallClockGuard {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            last: now,
            stepped: None,
        }
    }

    /// The wall clock's time, unless it was set forward within the last hour.
    pub(super) fn trusted(&mut self, now: Moment) -> Option<SystemTime> {
        let elapsed = now.monotonic.saturating_duration_since(self.last.monotonic);
        let ahead = now.utc.duration_since(self.last.utc + elapsed);
        let ahead = ahead.unwrap_or_default();
        if ahead > STEP_LIMIT {
            warn!(
                ahead_s = ahead.as_secs(),
                "the wall clock was set forward: no verdict is removed for its age for an hour"
            );
            self.stepped = Some(now.monotonic);
        }
        self.last = now;
        let trusted = self
            .stepped
            .is_none_or(|stepped| now.monotonic.saturating_duration_since(stepped) >= DISTRUST);
        trusted.then_some(now.utc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    #[test]
    fn a_step_of_the_wall_clock_by_a_day_is_distrusted_for_an_hour() {
        let start = SystemClock.now();
        let mut guard = WallClockGuard::new(start);
        let mut check = |monotonic_s: u64, wall_s: u64, trusted: bool| {
            let now = Moment {
                utc: start.utc + Duration::from_secs(wall_s),
                monotonic: start.monotonic + Duration::from_secs(monotonic_s),
            };
            let found = guard.trusted(now).is_some();
            assert_eq!(found, trusted, "{monotonic_s} s, wall clock {wall_s} s");
        };
        check(10, 10, true);
        check(20, 500, true);
        check(30, 90_000, false);
        check(40, 40, false);
        check(3640, 3640, true);
        check(3650, 0, true);
    }
}
