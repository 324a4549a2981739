//! Access to the journal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use inspectd_core::record::Verdict;
use tonic::Status;

use super::blocking::disk_work;
use super::service::GrpcService;
use super::status;
use crate::journal::{JournalError, Page};
use crate::pipeline::publisher::{Journal, Totals};

/// Shortest time limit of a read, for busy disks where `journal.stall_timeout_s` is shorter.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(1);

/// A page, or the evidence of a verdict, may take this many times as long as one entry: a hard disk takes about 8 s for
/// the up to 1001 verdicts of a page if each is read from another place, and the default of one entry is 2 s.
const PAGE_TIMEOUTS: u32 = 5;

impl GrpcService {
    /// Time limit of reading one entry of the journal. What a write may take before it counts as stalled, a read may
    /// take as well.
    pub(super) fn read_timeout(&self) -> Duration {
        let stall_timeout = self.pipeline.active().settings.journal.stall_timeout;
        stall_timeout.max(SHORTEST_TIMEOUT)
    }

    /// Time limit of reading a page of the journal, or the evidence of a verdict.
    pub(super) fn page_timeout(&self) -> Duration {
        self.read_timeout() * PAGE_TIMEOUTS
    }

    /// Reads one entry of the journal.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, Status> {
        self.read_within(self.read_timeout(), read).await
    }

    /// Reads a page of the journal.
    pub(super) async fn read_page(&self, page: Page) -> Result<Vec<Verdict>, Status> {
        let read = move |journal: &Journal| journal.readers().page(&page);
        self.read_within(self.page_timeout(), read).await
    }

    async fn read_within<T: Send + 'static>(
        &self,
        limit: Duration,
        read: impl FnOnce(&Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, Status> {
        let pipeline = Arc::clone(&self.pipeline);
        let read = move || match pipeline.journal() {
            Some(journal) => read(journal).map_err(|error| {
                if error.is_damage() {
                    journal.suspect_damage();
                }
                status::journal(&error)
            }),
            None => Err(status::no_journal()),
        };
        disk_work(&self.read_permits, limit, read).await?
    }

    /// Returns the journal.
    pub(super) fn journal(&self) -> Result<&Journal, Status> {
        let journal = self.pipeline.journal().ok_or_else(status::no_journal)?;
        // Its content is unknown until then: a consumer would be mistaken for a new one.
        if !journal.was_opened() {
            return Err(status::journal(&"the journal is not open yet"));
        }
        Ok(journal)
    }

    /// Returns the first sequence that was journalled at or after `time`; the next one if there is none.
    pub(super) async fn first_since(
        &self,
        time: SystemTime,
        totals: Totals,
    ) -> Result<u64, Status> {
        let first = self.read(move |journal| journal.readers().first_since(time));
        let first = first.await?;
        Ok(first.unwrap_or(totals.sequence + 1))
    }
}
