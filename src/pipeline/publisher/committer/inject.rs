//! Failures of writes that the simulation injects.

use std::io;

use crate::journal::{Batch, JournalError, Store};

/// Failures of the next write.
#[derive(Default)]
pub(in crate::pipeline) struct Inject {
    /// The next write fails and leaves nothing on the disk.
    pub(in crate::pipeline) fail_before: bool,
    /// The next write fails and is on the disk nevertheless.
    pub(in crate::pipeline) fail_after: bool,
    /// Called within the next write.
    pub(in crate::pipeline) during: Option<Box<dyn FnOnce() + Send>>,
}

impl Inject {
    pub(super) fn commit(&mut self, store: &mut Store, batch: &Batch) -> Result<(), JournalError> {
        let failed = || JournalError::Mark(io::Error::other("injected"));
        if let Some(during) = self.during.take() {
            during();
        }
        if std::mem::take(&mut self.fail_before) {
            return Err(failed());
        }
        store.commit(batch)?;
        if std::mem::take(&mut self.fail_after) {
            return Err(failed());
        }
        Ok(())
    }
}
