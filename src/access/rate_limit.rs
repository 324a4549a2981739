//! How often each client may call: a bucket of tokens each, as the moment at which it is full again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Buckets that are remembered. There are as many as clients that called, and a file has fewer; names
/// that went from it make place once this many are reached, the fullest bucket first.
const REMEMBERED: usize = 4096;

/// Buckets by client.
#[derive(Debug)]
pub(super) struct Rate {
    /// What a call costs.
    interval: Duration,
    /// How far ahead of its rate a client may be.
    ahead: Duration,
    /// When each bucket is full again; one that is not here is full.
    full: HashMap<Arc<str>, Instant>,
}

impl Rate {
    /// `per_second` calls a second in the long run, `burst` at once.
    pub fn new(per_second: f64, burst: u32) -> Self {
        let interval = Duration::from_secs_f64(1.0 / per_second);
        Self {
            interval,
            ahead: interval.saturating_mul(burst.saturating_sub(1)),
            full: HashMap::new(),
        }
    }

    /// Takes a call of `name` out of its bucket.
    ///
    /// # Errors
    /// How long until there is one again, if it is empty.
    pub fn admit(&mut self, name: &Arc<str>, now: Instant) -> Result<(), Duration> {
        let full = self.full.get(name).map_or(now, |full| now.max(*full));
        let wait = (full - now).saturating_sub(self.ahead);
        if !wait.is_zero() {
            return Err(wait);
        }
        if self.full.len() >= REMEMBERED && !self.full.contains_key(name) {
            self.forget();
        }
        self.full.insert(Arc::clone(name), full + self.interval);
        Ok(())
    }

    fn forget(&mut self) {
        let fullest = self.full.iter().min_by_key(|(_, full)| **full);
        if let Some(name) = fullest.map(|(name, _)| Arc::clone(name)) {
            self.full.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(10.0, 3);
        let mut check = |name: &str, at_ms, expected: Result<(), u64>| {
            let now = start + Duration::from_millis(at_ms);
            let found = rate.admit(&name.into(), now);
            let expected = expected.map_err(Duration::from_millis);
            assert_eq!(found, expected, "{name} at {at_ms} ms");
        };
        check("a", 0, Ok(()));
        check("a", 0, Ok(()));
        check("a", 0, Ok(()));
        check("a", 0, Err(100));
        check("b", 0, Ok(()));
        check("a", 60, Err(40));
        check("a", 100, Ok(()));
        check("a", 100, Err(100));
        // A long silence saves up no more than the burst.
        check("a", 60_000, Ok(()));
        check("a", 60_000, Ok(()));
        check("a", 60_000, Ok(()));
        check("a", 60_000, Err(100));
    }

    #[test]
    fn no_more_clients_are_remembered_than_that() {
        let start = Instant::now();
        let mut rate = Rate::new(1.0, 1);
        for client in 0..2 * REMEMBERED as u64 {
            let now = start + Duration::from_micros(client);
            let admitted = rate.admit(&client.to_string().into(), now);
            assert_eq!(admitted, Ok(()), "{client}");
        }
        assert_eq!(rate.full.len(), REMEMBERED);
        let last = (2 * REMEMBERED - 1).to_string().into();
        assert!(rate.admit(&last, start).is_err(), "the newest is kept");
    }
}
