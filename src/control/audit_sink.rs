//! The audit log as changes meet it: what cannot be recorded is not done.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::audit::{Audit, AuditEntry, AuditError};
use crate::clock::SystemClock;

const FILE: &str = "audit.sqlite";

/// The audit log in the journal's folder; none without one. Where it cannot be opened it is tried again
/// with each change, which is refused until then.
#[derive(Debug)]
pub struct AuditSink {
    path: Option<PathBuf>,
    open: Mutex<Option<Arc<Audit>>>,
}

impl AuditSink {
    /// In this folder.
    pub fn new(folder: Option<&Path>) -> Self {
        Self {
            path: folder.map(|folder| folder.join(FILE)),
            open: Mutex::default(),
        }
    }

    /// The log; nothing without a folder.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn log(&self) -> Result<Option<Arc<Audit>>, AuditError> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(audit) = &*open {
            return Ok(Some(Arc::clone(audit)));
        }
        let audit = Arc::new(Audit::open(path, Arc::new(SystemClock))?);
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
