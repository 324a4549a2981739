//! Rate limit of each client: a token bucket (GCRA, crate `governor`).

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::clock::SharedClock;

/// Number of buckets from which full ones are removed; a full bucket is equal to a new one. There is one for
/// each client that has called, and a clients file has fewer clients.
const PRUNE_AT: usize = 4096;

/// The buckets of all clients.
#[derive(Debug)]
pub(super) struct RateLimit {
    buckets:
        RateLimiter<Arc<str>, HashMapStateStore<Arc<str>>, MonotonicClock, NoOpMiddleware<Instant>>,
}

/// The monotonic clock of a [`SharedClock`].
#[derive(Clone, Debug)]
struct MonotonicClock(SharedClock);

impl GovernorClock for MonotonicClock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        self.0.now().monotonic
    }
}

impl RateLimit {
    /// Allows each client `per_second` calls per second on average, and `burst` at once.
    ///
    /// # Panics
    /// When a number is not positive. The configuration has checked both.
    pub fn new(per_second: f64, burst: u32, clock: SharedClock) -> Self {
        let quota = Quota::with_period(Duration::from_secs_f64(1.0 / per_second))
            .expect("less than 1e9 calls per second")
            .allow_burst(NonZeroU32::new(burst).expect("a burst of at least 1"));
        Self {
            buckets: RateLimiter::hashmap_with_clock(quota, MonotonicClock(clock)),
        }
    }

    /// Takes a call of the client `name` from its bucket.
    ///
    /// # Errors
    /// The time until the next call is allowed.
    pub fn admit(&self, name: &Arc<str>) -> Result<(), Duration> {
        if self.buckets.len() >= PRUNE_AT {
            self.buckets.retain_recent();
        }
        let checked = self.buckets.check_key(name);
        checked.map_err(|refused| refused.wait_time_from(self.buckets.clock().now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::ManualClock;

    #[test]
    fn burst_passes_then_the_rate_limits() {
        let clock = ManualClock::new();
        let limit = RateLimit::new(10.0, 3, clock.clone());
        let check = |name: &str, after_ms, expected: Result<(), u64>| {
            clock.advance(Duration::from_millis(after_ms));
            let found = limit.admit(&name.into());
            let expected = expected.map_err(Duration::from_millis);
            assert_eq!(found, expected, "{name} after {after_ms} ms");
        };
        check("a", 0, Ok(()));
        check("a", 0, Ok(()));
        check("a", 0, Ok(()));
        check("a", 0, Err(100));
        check("b", 0, Ok(()));
        check("a", 60, Err(40));
        check("a", 40, Ok(()));
        check("a", 0, Err(100));
        // Long silence allows no more than the burst.
        check("a", 60_000, Ok(()));
        check("a", 0, Ok(()));
        check("a", 0, Ok(()));
        check("a", 0, Err(100));
    }

    #[test]
    fn full_buckets_are_removed() {
        let clock = ManualClock::new();
        let limit = RateLimit::new(1.0, 1, clock.clone());
        for client in 0..2 * PRUNE_AT {
            assert_eq!(limit.admit(&client.to_string().into()), Ok(()));
            clock.advance(Duration::from_millis(10));
        }
        assert!(limit.buckets.len() <= PRUNE_AT, "{}", limit.buckets.len());
        let last = (2 * PRUNE_AT - 1).to_string().into();
        assert!(limit.admit(&last).is_err(), "a recent bucket is kept");
    }
}
