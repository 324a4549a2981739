//! The open streams, and the consumers that they belong to.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::Status;

use super::client_shares::ClientShares;
use super::status;
use crate::access::{AuthMethod, Identity, Role};

/// Most consumers whose client is remembered: as many as the journal keeps.
const OWNER_LIMIT: usize = 256;

/// Counts of streams.
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
    /// Open streams of each client.
    shares: ClientShares,
    /// The client that a consumer belongs to, the first one that uses it, until the journal has it.
    owners: Mutex<HashMap<String, Arc<str>>>,
}

impl StreamRegistry {
    /// Allows `limit` open streams.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            open: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
            consumers: Mutex::default(),
            shares: ClientShares::new((limit / 4).max(1)),
            owners: Mutex::default(),
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

    /// Opens a stream, if the limits allow it; it counts as open until the slot is dropped. A client with credentials may
    /// have a quarter of all streams. Local clients without access control have no names.
    pub(super) fn open(self: &Arc<Self>, identity: &Identity) -> Result<StreamSlot, Status> {
        let share = self.shares.of(identity).map(Semaphore::try_acquire_owned);
        let share = share.transpose().map_err(|_| {
            let name = &identity.name;
            let message = format!("{name} has a quarter of server.stream_limit open");
            status::exhausted("streams", message)
        })?;
        // From here on, dropping the slot undoes what was counted.
        let slot = StreamSlot {
            registry: Arc::clone(self),
            _share: share,
        };
        let open = self.open.fetch_add(1, Ordering::Relaxed);
        if open >= self.limit {
            let message = format!("{open} streams are open; server.stream_limit is reached");
            return Err(status::exhausted("streams", message));
        }
        Ok(slot)
    }

    /// Checks that a client may use a consumer: it is an operator at least, and the consumer is not that of another client.
    /// `recorded` is its client as the journal has it. Returns the client that it belongs to; `None` for local clients
    /// without access control, which have no names.
    pub(super) fn own(
        &self,
        consumer: &str,
        identity: &Identity,
        recorded: Option<Arc<str>>,
    ) -> Result<Option<Arc<str>>, Status> {
        if identity.role < Role::Operator {
            return Err(status::consumer_denied(format!(
                "consumer {consumer} requires the role operator; {} has the role {}",
                identity.name, identity.role
            )));
        }
        if identity.method == AuthMethod::Local {
            return Ok(None);
        }
        let mut owners = self.owners.lock();
        let owner = recorded.or_else(|| owners.get(consumer).cloned());
        match &owner {
            Some(owner) if *owner != identity.name => {
                return Err(status::consumer_denied(format!(
                    "consumer {consumer} belongs to the client {owner}; ForgetConsumer releases it"
                )));
            }
            None if owners.len() < OWNER_LIMIT => {
                owners.insert(consumer.to_owned(), Arc::clone(&identity.name));
            }
            Some(_) | None => {}
        }
        Ok(Some(Arc::clone(&identity.name)))
    }

    /// Releases a consumer from its client. Returns whether it had one here.
    pub(super) fn disown(&self, consumer: &str) -> bool {
        self.owners.lock().remove(consumer).is_some()
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
pub(super) struct StreamSlot {
    registry: Arc<StreamRegistry>,
    _share: Option<OwnedSemaphorePermit>,
}

impl StreamSlot {
    /// Counts verdicts that the stream's client missed.
    pub(super) fn add_missed(&self, count: u64) {
        self.registry.missed.fetch_add(count, Ordering::Relaxed);
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.registry.open.fetch_sub(1, Ordering::Relaxed);
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
