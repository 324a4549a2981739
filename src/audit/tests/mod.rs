//! Logs on a disk, as they are written, forged, cut off and killed.

mod appending;
mod files;
mod forging;
mod killed;
mod python;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

/// A folder with a log in it.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    /// With `count` entries, each of other fields. They are written at once: a transaction each takes
    /// the disk some milliseconds.
    fn with(count: u64) -> Self {
        let site = Self::new();
        let audit = site.open();
        let mut inner = audit.lock();
        let transaction = inner.store.connection.transaction().expect("begun");
        let mut tail = Tail::START;
        for number in 1..=count {
            let next = chain::chained(tail, now_ns(), entry(&number.to_string()));
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
        Audit::open(&self.path()).expect("a log")
    }

    /// Does what the log never would.
    fn forge(&self, sql: &str) {
        let connection = Connection::open(self.path()).expect("a database");
        connection.execute_batch(sql).expect("SQL");
    }

    fn verified(&self) -> Verified {
        verify(&self.path(), None).expect("a whole chain")
    }

    /// What is broken first.
    fn broken(&self) -> Broken {
        broken(&self.path())
    }
}

fn broken(path: &Path) -> Broken {
    match verify(path, None) {
        Err(VerifyError::Broken { broken, .. }) => broken,
        other => panic!("{other:?}"),
    }
}

fn entry(subject: &str) -> Entry {
    Entry {
        who: "anna".to_owned(),
        role: "engineer".to_owned(),
        origin: Origin::Rpc("10.0.0.5:1234".parse().expect("an address")),
        action: Action::Threshold,
        subject: subject.to_owned(),
        before: "0.5".to_owned(),
        after: "0.6".to_owned(),
    }
}
