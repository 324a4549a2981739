//! The audit log for changes: a change that cannot be recorded is not made.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::audit::{Audit, AuditEntry, AuditError};
use crate::clock::SharedClock;

const FILE: &str = "audit.sqlite";

/// The audit log in the journal's folder; absent without a folder. If it cannot be opened, each change
/// tries again, and is refused as long as that fails.
#[derive(Debug)]
pub struct AuditSink {
    path: Option<PathBuf>,
    clock: SharedClock,
    open: Mutex<Option<Arc<Audit>>>,
}

impl AuditSink {
    /// The audit log in `folder`.
    pub fn new(folder: Option<&Path>, clock: SharedClock) -> Self {
        Self {
            path: folder.map(|folder| folder.join(FILE)),
            clock,
            open: Mutex::default(),
        }
    }

    /// Returns the log; none without a folder.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn log(&self) -> Result<Option<Arc<Audit>>, AuditError> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        let mut open = self.open.lock();
        if let Some(audit) = &*open {
            return Ok(Some(Arc::clone(audit)));
        }
        let audit = Arc::new(Audit::open(path, self.clock.clone())?);
        *open = Some(Arc::clone(&audit));
        Ok(Some(audit))
    }

    /// Records a change that is about to be made.
    ///
    /// # Errors
    /// When it was not recorded: then it must not be made.
    pub fn record(&self, entry: AuditEntry) -> Result<(), AuditError> {
        match self.log()? {
            Some(audit) => audit.append(entry).map(drop),
            None => Ok(()),
        }
    }
}
