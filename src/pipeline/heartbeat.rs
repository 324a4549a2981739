//! How long a thread has been at its present piece of work; the watchdog asks for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::SharedClock;

/// Records when a thread started its present piece of work.
#[derive(Debug)]
pub struct Heartbeat {
    clock: SharedClock,
    start: Instant,
    /// Milliseconds from `start`, plus one; 0 while the thread waits for work.
    busy_since_ms: AtomicU64,
}

impl Heartbeat {
    /// A thread that waits for work.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            start: clock.now().monotonic,
            clock,
            busy_since_ms: AtomicU64::new(0),
        }
    }

    /// Starts a piece of work, which ends when the guard is dropped.
    pub fn work(&self) -> WorkGuard<'_> {
        let since = self.elapsed().as_millis() as u64 + 1;
        self.busy_since_ms.store(since, Ordering::Relaxed);
        WorkGuard(self)
    }

    /// Duration of the present piece of work; `None` while the thread waits for work.
    pub fn busy_for(&self) -> Option<Duration> {
        match self.busy_since_ms.load(Ordering::Relaxed) {
            0 => None,
            since => Some(
                self.elapsed()
                    .saturating_sub(Duration::from_millis(since - 1)),
            ),
        }
    }

    fn elapsed(&self) -> Duration {
        self.clock
            .now()
            .monotonic
            .saturating_duration_since(self.start)
    }
}

/// A piece of work, until it is dropped.
#[derive(Debug)]
pub struct WorkGuard<'a>(&'a Heartbeat);

impl Drop for WorkGuard<'_> {
    fn drop(&mut self) {
        self.0.busy_since_ms.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::ManualClock;

    #[test]
    fn busy_for_is_the_time_since_work_started_and_none_afterwards() {
        let clock = ManualClock::new();
        let heartbeat = Heartbeat::new(clock.clone());
        assert_eq!(heartbeat.busy_for(), None);
        let work = heartbeat.work();
        clock.advance(Duration::from_millis(1500));
        assert_eq!(heartbeat.busy_for(), Some(Duration::from_millis(1500)));
        drop(work);
        assert_eq!(heartbeat.busy_for(), None);
    }
}
