//! Audit logs on disk: appending, forged entries, files of other kinds, killed processes.

mod appending;
mod files;
mod forging;
mod killed;
mod python;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::clock::SystemClock;

/// A folder with a log in it.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    /// Creates a log of `count` different entries, in one transaction: one each would take some milliseconds.
    fn with(count: u64) -> Self {
        let site = Self::new();
        let audit = site.open();
        let mut inner = audit.lock();
        let transaction = inner.store.connection.transaction().expect("begun");
        let mut tail = Tail::START;
        for number in 1..=count {
            let next = chain::chained(tail, 1_785_000_000_000_000_000, entry(&number.to_string()));
            rows::insert(&transaction, &next).expect("inserted");
            tail = tail.follow(&next).expect("the next");
        }
        transaction.commit().expect("committed");
        drop(inner);
        site
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.sqlite")
    }

    fn open(&self) -> Audit {
        open(&self.path()).expect("a log")
    }

    /// Changes the file behind the log's back.
    fn forge(&self, sql: &str) {
        let connection = Connection::open(self.path()).expect("a database");
        connection.execute_batch(sql).expect("SQL");
    }

    fn verified(&self) -> Verified {
        verify(&self.path(), None).expect("an intact chain")
    }

    /// The first broken entry.
    fn broken(&self) -> ChainBreak {
        broken(&self.path())
    }
}

fn open(path: &Path) -> Result<Audit, AuditError> {
    Audit::open(path, Arc::new(SystemClock))
}

fn broken(path: &Path) -> ChainBreak {
    match verify(path, None) {
        Err(VerifyError::Broken { broken, .. }) => broken,
        other => panic!("{other:?}"),
    }
}

fn entry(subject: &str) -> AuditEntry {
    AuditEntry {
        who: "anna".to_owned(),
        role: "engineer".to_owned(),
        origin: Origin::Rpc("10.0.0.5:1234".parse().expect("an address")),
        action: Action::Threshold,
        subject: subject.to_owned(),
        before: "0.5".to_owned(),
        after: "0.6".to_owned(),
    }
}
