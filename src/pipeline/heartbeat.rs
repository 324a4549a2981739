//! Whether a thread that should move does: what the watchdog asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Marks when a thread began its present piece of work.
#[derive(Debug)]
pub struct Heartbeat {
    start: Instant,
    /// Milliseconds from `start`, plus one; 0 while the thread waits for work.
    busy_since_ms: AtomicU64,
}

impl Heartbeat {
    /// A thread that waits.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            busy_since_ms: AtomicU64::new(0),
        }
    }

    /// Work begins; it ends when what is given back is dropped.
    pub fn work(&self) -> Working<'_> {
        let since = self.start.elapsed().as_millis() as u64 + 1;
        self.busy_since_ms.store(since, Ordering::Relaxed);
        Working(self)
    }

    /// How long the present piece of work takes already; nothing while the thread waits.
    pub fn busy_for(&self) -> Option<Duration> {
        match self.busy_since_ms.load(Ordering::Relaxed) {
            0 => None,
            since => Some(
                self.start
                    .elapsed()
                    .saturating_sub(Duration::from_millis(since - 1)),
            ),
        }
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self::new()
    }
}

/// Work goes on while this is there.
#[derive(Debug)]
pub struct Working<'a>(&'a Heartbeat);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.busy_since_ms.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_counts_from_its_begin_to_its_end() {
        let beat = Heartbeat::new();
        assert_eq!(beat.busy_for(), None);
        let working = beat.work();
        std::thread::sleep(Duration::from_millis(5));
        assert!(beat.busy_for().expect("busy") >= Duration::from_millis(4));
        drop(working);
        assert_eq!(beat.busy_for(), None);
    }
}
