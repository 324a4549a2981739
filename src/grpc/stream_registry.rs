//! The streams that are open, and whose they are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tonic::Status;

use super::status;

/// Counts of verdict streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// Open streams.
    pub open: usize,
    /// Verdicts that slow clients missed since the start.
    pub missed: u64,
}

/// Open streams, and what they missed. Bounded.
#[derive(Debug)]
pub struct StreamRegistry {
    limit: usize,
    open: AtomicUsize,
    missed: AtomicU64,
    /// The newest stream of each consumer; it is told when there is a newer one.
    consumers: Mutex<HashMap<String, watch::Sender<bool>>>,
}

impl StreamRegistry {
    /// Allows `limit` streams at a time.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            open: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
            consumers: Mutex::default(),
        }
    }

    /// The counts now.
    pub fn counts(&self) -> StreamCounts {
        StreamCounts {
            open: self.open.load(Ordering::Relaxed),
            missed: self.missed.load(Ordering::Relaxed),
        }
    }

    /// Whether a stream of this consumer is open.
    pub(super) fn is_connected(&self, consumer: &str) -> bool {
        self.lock().contains_key(consumer)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, watch::Sender<bool>>> {
        self.consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// One more stream, if there may be one; it counts until the entry is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Entry, Status> {
        let grow = |open| (open < self.limit).then_some(open + 1);
        let grown = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow);
        match grown {
            Ok(_) => Ok(Entry(Arc::clone(self))),
            Err(open) => Err(status::exhausted(
                "streams",
                format!("{open} verdict streams are open, as many as server.stream_limit allows"),
            )),
        }
    }

    /// A stream of this consumer; an older one of it has to end.
    pub(super) fn consume(self: &Arc<Self>, consumer: &str) -> Consuming {
        let (sender, superseded) = watch::channel(false);
        if let Some(older) = self.lock().insert(consumer.to_owned(), sender) {
            older.send_replace(true);
        }
        Consuming {
            book: Arc::clone(self),
            consumer: consumer.to_owned(),
            superseded,
        }
    }
}

/// An open stream's place in the book.
#[derive(Debug)]
pub(super) struct Entry(Arc<StreamRegistry>);

impl Entry {
    /// The stream's client misses so many verdicts.
    pub(super) fn missed(&self, count: u64) {
        self.0.missed.fetch_add(count, Ordering::Relaxed);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The stream of a consumer.
#[derive(Debug)]
pub(super) struct Consuming {
    book: Arc<StreamRegistry>,
    consumer: String,
    superseded: watch::Receiver<bool>,
}

impl Consuming {
    /// Whether the consumer has a newer stream.
    pub(super) fn is_superseded(&self) -> bool {
        *self.superseded.borrow()
    }

    /// Waits until it has.
    pub(super) async fn superseded(&mut self) {
        // A sender that is gone has said so before.
        let _ = self.superseded.wait_for(|&superseded| superseded).await;
    }
}

impl Drop for Consuming {
    fn drop(&mut self) {
        // Who is newer says so under this lock.
        let mut consumers = self.book.lock();
        if !self.is_superseded() {
            consumers.remove(&self.consumer);
        }
    }
}
