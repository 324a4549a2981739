//! Access to the journal for everything but writing verdicts.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::commit_queue::{AcknowledgeError, Acknowledgement, Change, CommitQueue, JournalTrouble};
use crate::clock::SharedClock;
use crate::journal::{Consumer, Label, Readers};

/// Receives the outcome of an acknowledgement once it is durable.
pub type Acknowledged = oneshot::Receiver<Result<(), AcknowledgeError>>;

/// The journal of a running pipeline: readers, consumers and counters.
#[derive(Debug)]
pub struct Journal {
    pub(super) queue: Arc<CommitQueue>,
    pub(super) readers: Arc<Readers>,
    pub(super) clock: SharedClock,
}

impl Journal {
    /// The readers of verdicts.
    pub fn readers(&self) -> &Readers {
        &self.readers
    }

    /// Has the file checked, because a reader met damage. If the check finds it, the file is set aside.
    pub fn suspect_damage(&self) {
        self.queue.suspect_damage();
    }

    /// The consumers by name.
    pub fn consumers(&self) -> BTreeMap<String, Consumer> {
        self.queue.consumers()
    }

    /// Whether it was opened since the start. Before that, its content is unknown.
    pub fn was_opened(&self) -> bool {
        self.queue.was_opened()
    }

    /// Why verdicts are not journalled; `None` if they are.
    pub fn trouble(&self) -> Option<JournalTrouble> {
        self.queue.trouble()
    }

    /// Size of the write-ahead log when the journal's thread last looked, bytes. Does not wait for the disk.
    pub fn wal_bytes(&self) -> u64 {
        self.queue.wal_bytes()
    }

    /// Records that `consumer`, which belongs to `client`, has all verdicts up to `sequence`. An acknowledged sequence
    /// never decreases, and a client that was recorded stays.
    ///
    /// # Errors
    /// When there are too many consumers, or writes are stalled.
    pub fn acknowledge(
        &self,
        consumer: &str,
        sequence: u64,
        client: Option<Arc<str>>,
    ) -> Result<Acknowledged, AcknowledgeError> {
        let state = Consumer {
            acknowledged: sequence,
            changed: self.clock.now().utc,
            client,
        };
        self.change(Change::Consumer(consumer.to_owned(), Some(state)))
    }

    /// Removes a consumer.
    ///
    /// # Errors
    /// When writes are stalled.
    pub fn forget(&self, consumer: &str) -> Result<Acknowledged, AcknowledgeError> {
        self.change(Change::Consumer(consumer.to_owned(), None))
    }

    /// Records the label of a verdict; `None` removes it.
    ///
    /// # Errors
    /// When writes are stalled.
    pub fn label(
        &self,
        sequence: u64,
        label: Option<Label>,
    ) -> Result<Acknowledged, AcknowledgeError> {
        self.change(Change::Label(sequence, label))
    }

    fn change(&self, change: Change) -> Result<Acknowledged, AcknowledgeError> {
        let (done, receiver) = oneshot::channel();
        self.queue.acknowledge(Acknowledgement { change, done })?;
        Ok(receiver)
    }

    /// The last value of a counter; 0 if it was never set.
    pub fn counter(&self, name: &str) -> u64 {
        self.queue.counter(name)
    }

    /// Sets a counter, which is written with the next verdicts.
    pub fn count(&self, name: &str, value: u64) {
        self.queue.count(name, value);
    }
}
