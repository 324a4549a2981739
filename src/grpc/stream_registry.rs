//! The open streams, and the consumers that they belong to.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;
use tonic::Status;

use super::status;

/// Counts of verdict streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// Open streams.
    pub open: usize,
    /// Verdicts missed by slow clients since the start.
    pub missed: u64,
}

/// Counts open streams up to a limit, and the verdicts that they missed.
#[derive(Debug)]
pub struct StreamRegistry {
    limit: usize,
    open: AtomicUsize,
    missed: AtomicU64,
    /// The newest stream of each consumer; the value becomes true when a newer one replaces it.
    consumers: Mutex<HashMap<String, watch::Sender<bool>>>,
}

impl StreamRegistry {
    /// Allows `limit` open streams.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            open: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
            consumers: Mutex::default(),
        }
    }

    /// Returns the current counts.
    pub fn counts(&self) -> StreamCounts {
        StreamCounts {
            open: self.open.load(Ordering::Relaxed),
            missed: self.missed.load(Ordering::Relaxed),
        }
    }

    /// Whether a stream of this consumer is open.
    pub(super) fn is_connected(&self, consumer: &str) -> bool {
        self.consumers.lock().contains_key(consumer)
    }

    /// Opens a stream, if the limit allows it; it counts as open until the slot is dropped.
    pub(super) fn open(self: &Arc<Self>) -> Result<StreamSlot, Status> {
        let grow = |open| (open < self.limit).then_some(open + 1);
        let grown = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow);
        match grown {
            Ok(_) => Ok(StreamSlot(Arc::clone(self))),
            Err(open) => Err(status::exhausted(
                "streams",
                format!("{open} verdict streams are open; server.stream_limit is reached"),
            )),
        }
    }

    /// Registers a stream of a consumer; an older one of the same consumer must end.
    pub(super) fn consume(self: &Arc<Self>, consumer: &str) -> ConsumerStream {
        let (sender, superseded) = watch::channel(false);
        if let Some(older) = self.consumers.lock().insert(consumer.to_owned(), sender) {
            older.send_replace(true);
        }
        ConsumerStream {
            registry: Arc::clone(self),
            consumer: consumer.to_owned(),
            superseded,
        }
    }
}

/// Keeps a stream counted as open.
#[derive(Debug)]
pub(super) struct StreamSlot(Arc<StreamRegistry>);

impl StreamSlot {
    /// Counts verdicts that the stream's client missed.
    pub(super) fn add_missed(&self, count: u64) {
        self.0.missed.fetch_add(count, Ordering::Relaxed);
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The stream of a consumer.
#[derive(Debug)]
pub(super) struct ConsumerStream {
    registry: Arc<StreamRegistry>,
    consumer: String,
    superseded: watch::Receiver<bool>,
}

impl ConsumerStream {
    /// Whether a newer stream of the consumer has replaced this one.
    pub(super) fn is_superseded(&self) -> bool {
        *self.superseded.borrow()
    }

    /// Waits until a newer stream of the consumer replaces this one.
    pub(super) async fn superseded(&mut self) {
        // The sender is only dropped after it has sent true.
        let _ = self.superseded.wait_for(|&superseded| superseded).await;
    }
}

impl Drop for ConsumerStream {
    fn drop(&mut self) {
        // A newer stream replaces this one while it holds this lock.
        let mut consumers = self.registry.consumers.lock();
        if !self.is_superseded() {
            consumers.remove(&self.consumer);
        }
    }
}
