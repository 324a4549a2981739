//! The clock. It is passed in wherever time decides, so that tests advance it instead of sleeping.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use inspectd_core::moment::Moment;

/// Reads the wall clock and the monotonic clock.
pub trait Clock: Debug + Send + Sync {
    /// Returns the present moment.
    fn now(&self) -> Moment;
}

/// A clock shared by threads.
pub type SharedClock = Arc<dyn Clock>;

/// The system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // The one place that reads the clocks.
    fn now(&self) -> Moment {
        Moment {
            utc: SystemTime::now(),
            monotonic: Instant::now(),
        }
    }
}

/// The reading of the monotonic clock, milliseconds, to compare with timestamps of drivers (V4L2,
/// `V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC`). [`Instant`] does not show its reading.
pub fn monotonic_ms() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use parking_lot::Mutex;

    use super::*;

    /// A clock that only moves when a test advances it.
    #[derive(Debug)]
    pub(crate) struct ManualClock(Mutex<Moment>);

    impl ManualClock {
        /// Starts at the present moment.
        pub(crate) fn new() -> Arc<Self> {
            Arc::new(Self(Mutex::new(SystemClock.now())))
        }

        /// Advances both clocks.
        pub(crate) fn advance(&self, by: Duration) {
            let mut now = self.0.lock();
            now.utc += by;
            now.monotonic += by;
        }
    }

    impl Clock for ManualClock {
        fn now(&self) -> Moment {
            *self.0.lock()
        }
    }

    #[test]
    fn a_manual_clock_moves_only_when_it_is_advanced() {
        let clock = ManualClock::new();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        clock.advance(Duration::from_secs(5));
        let after = clock.now();
        assert_eq!(after.monotonic - before.monotonic, Duration::from_secs(5));
        assert_eq!(
            after.utc.duration_since(before.utc).expect("later"),
            Duration::from_secs(5)
        );
    }
}
