//! The records that are sent together.

use std::time::Duration;

use tokio::time::Instant;

use crate::continuation::Memory;
use crate::progress::Ticket;
use crate::record::Record;

/// A batch that is being collected.
#[derive(Debug)]
pub struct Batch {
    limit: usize,
    window: Duration,
    records: Vec<Record>,
    entries: Vec<(Ticket, Option<Memory>)>,
    /// When the first record arrived.
    begun: Option<Instant>,
}

impl Batch {
    /// An empty batch of at most `limit` records, which is due `window` after its first record.
    pub fn new(limit: usize, window: Duration) -> Self {
        Self {
            limit,
            window,
            records: Vec::new(),
            entries: Vec::new(),
            begun: None,
        }
    }

    /// Adds a record.
    pub fn push(&mut self, record: Record, ticket: Ticket, memory: Option<Memory>, now: Instant) {
        self.begun.get_or_insert(now);
        self.records.push(record);
        self.entries.push((ticket, memory));
    }

    /// Returns the records.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Returns whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns how many items may be received before the batch is checked again; at least 1.
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.records.len()).max(1)
    }

    /// Returns whether the batch is to be sent.
    pub fn is_due(&self, now: Instant) -> bool {
        self.records.len() >= self.limit || (!self.is_empty() && self.deadline() <= now)
    }

    /// Returns when the batch is due; of an empty one, some time later.
    pub fn deadline(&self) -> Instant {
        self.begun.unwrap_or_else(Instant::now) + self.window
    }

    /// Empties the batch. Returns the tickets of its records, and the memory to store.
    pub fn take(&mut self) -> Vec<(Ticket, Option<Memory>)> {
        self.begun = None;
        self.records.clear();
        std::mem::take(&mut self.entries)
    }
}

#[cfg(test)]
mod tests {
    use inspectd_client::Decision;

    use super::*;
    use crate::progress::Progress;
    use crate::record::tests::record;

    #[test]
    fn batch_is_due_when_it_is_full_or_its_time_is_over() {
        let mut progress = Progress::default();
        let mut batch = Batch::new(2, Duration::from_millis(200));
        let start = Instant::now();
        let later = |millis| start + Duration::from_millis(millis);
        assert!(!batch.is_due(later(9_000)));
        batch.push(record(1, Decision::Pass), progress.receive(1), None, start);
        assert_eq!(
            (
                batch.is_due(later(199)),
                batch.is_due(later(200)),
                batch.room()
            ),
            (false, true, 1)
        );
        batch.push(
            record(2, Decision::Pass),
            progress.receive(2),
            None,
            later(100),
        );
        assert!(batch.is_due(later(100)));
        for (ticket, _) in batch.take() {
            progress.confirm(ticket);
        }
        assert_eq!((progress.confirmed(), batch.is_empty()), (2, true));
    }
}
