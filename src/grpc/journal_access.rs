//! Access to the journal.

use std::sync::Arc;
use std::time::SystemTime;

use tonic::Status;

use super::blocking::blocking;
use super::service::GrpcService;
use super::status;
use crate::journal::JournalError;
use crate::pipeline::Pipeline;
use crate::pipeline::publisher::{Journal, Totals};

/// Reads the journal on a thread that may wait for the disk.
pub(super) async fn read<T: Send + 'static>(
    pipeline: &Arc<Pipeline>,
    read: impl FnOnce(&Journal) -> Result<T, JournalError> + Send + 'static,
) -> Result<T, Status> {
    let pipeline = Arc::clone(pipeline);
    blocking(move || match pipeline.journal() {
        Some(journal) => read(journal).map_err(|error| {
            if error.is_damage() {
                journal.report_damage(&error);
            }
            status::journal(&error)
        }),
        None => Err(status::no_journal()),
    })
    .await?
}

impl GrpcService {
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
        let first = read(&self.pipeline, move |journal| {
            journal.readers().first_since(time)
        })
        .await?;
        Ok(first.unwrap_or(totals.sequence + 1))
    }
}
