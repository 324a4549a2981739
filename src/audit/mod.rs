//! The audit log: who changed what, when, from what to what. Each entry is hashed together with the one
//! before it, so that a change of what was recorded shows; `docs/audit.md` says how to verify it.
//!
//! It is a SQLite file of its own, in which an entry is a transaction that is on the disk before it is
//! acknowledged: it survives the end of the process, or of the machine, at any moment.
//!
//! Policy: what cannot be recorded must not happen. Who changes something appends first, and refuses
//! the change where that fails. A chain that is broken already does not stop the line: it is told, and
//! goes on from its end. Nothing is ever removed; the file grows by the size of its entries.

mod chain;
mod entry;
mod error;
mod rows;
mod store;
#[cfg(test)]
mod tests;
mod verify;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rusqlite::TransactionBehavior;

pub use chain::{Broken, Fault, Hash, HashError};
pub use entry::{Action, Entry, Numbered, Origin};
pub use error::{AuditError, VerifyError};
pub use verify::{Reader, Verified, verify};

use chain::Tail;
use store::{LONGEST_TEXT, Store};
use verify::Stop;

/// How many entries are verified on opening: milliseconds, however long the log.
const VERIFIED_ON_OPENING: u64 = 1024;

/// The log, open to be appended to.
#[derive(Debug)]
pub struct Audit {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    /// The end of the chain when it was last seen.
    tail: Tail,
    /// What was found to be wrong first.
    broken: Option<Broken>,
}

/// How the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The last entry's number.
    pub entries: u64,
    /// Its hash: what to note elsewhere, and to expect on verifying.
    pub head: Hash,
    /// Where the chain was found to be broken, on opening or since.
    pub broken: Option<Broken>,
}

impl Audit {
    /// Opens the log, or makes it. The last 1024 entries are verified: whether they hold tells
    /// [`Audit::state`], and the program's log. Two programs may have one log open.
    ///
    /// # Errors
    /// When the file cannot be written, or is no audit log.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let store = Store::open(path)?;
        let mut inner = Inner {
            store,
            tail: Tail::START,
            broken: None,
        };
        inner.verify_end()?;
        let inner = Mutex::new(inner);
        Ok(Self { inner })
    }

    /// Records an entry. It is on the disk when this returns, which takes as long as the disk does, and
    /// up to 5 s where another program holds the file: not for a thread that must not wait.
    ///
    /// # Errors
    /// When it was not recorded: the disk is full, the file read-only, locked or damaged, a text longer
    /// than 1 MiB. What was to be recorded must then be refused.
    pub fn append(&self, entry: Entry) -> Result<Numbered, AuditError> {
        within_bounds(&entry)?;
        let mut inner = self.lock();
        let appended = inner.append(entry);
        inner
            .store
            .told(appended)?
            .map_err(|broken| AuditError::Tail {
                path: inner.store.path.clone(),
                broken,
            })
    }

    /// Up to `limit` entries with numbers above `after`, in order. They are not verified.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn entries(&self, after: u64, limit: usize) -> Result<Vec<Numbered>, AuditError> {
        verify::entries(&self.lock().store, after, limit)
    }

    /// How the log is, as far as this process has seen it.
    pub fn state(&self) -> State {
        let inner = self.lock();
        State {
            entries: inner.tail.number,
            head: inner.tail.hash,
            broken: inner.broken.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A transaction that a panic left is rolled back: the file is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn note(&mut self, broken: Broken) {
        let path = self.store.path.display();
        tracing::error!(%path, %broken, "the audit log is broken: it was changed by hand, or damaged");
        self.broken.get_or_insert(broken);
    }

    /// Verifies the last entries; `tail` is then the end, so far as there is one to follow.
    fn verify_end(&mut self) -> Result<(), AuditError> {
        match self.store.told(rows::tail(&self.store.connection))? {
            Ok(tail) => self.tail = tail,
            Err(broken) => {
                self.note(broken);
                return Ok(());
            }
        }
        let after = self.tail.number.saturating_sub(VERIFIED_ON_OPENING);
        let start = (after == 0).then_some(Tail::START);
        match verify::walk(&self.store, after.cast_signed(), start, |_| {}) {
            Ok(_) => Ok(()),
            Err(Stop::Broken(broken)) => {
                self.note(broken);
                Ok(())
            }
            Err(Stop::Read(error)) => Err(error),
        }
    }

    /// One transaction: the end is read from the file, where another program may have appended.
    fn append(&mut self, entry: Entry) -> rusqlite::Result<Result<Numbered, Broken>> {
        let transaction = self
            .store
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let replaced = !rows::holds(&transaction, self.tail)?;
        let tail = match rows::tail(&transaction)? {
            Ok(tail) => tail,
            Err(broken) => return Ok(Err(broken)),
        };
        let appended = chain::chained(tail, now_ns(), entry);
        rows::insert(&transaction, &appended)?;
        transaction.commit()?;
        if replaced {
            self.note(Broken {
                number: self.tail.number,
                fault: Fault::Replaced,
            });
        }
        self.tail = Tail {
            number: appended.number,
            hash: appended.hash,
        };
        Ok(Ok(appended))
    }
}

/// Until the year 2262.
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock before 1970 was never set.
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

fn within_bounds(entry: &Entry) -> Result<(), AuditError> {
    let texts = [
        ("who", &entry.who),
        ("role", &entry.role),
        ("subject", &entry.subject),
        ("before", &entry.before),
        ("after", &entry.after),
    ];
    let long = texts.iter().find(|(_, text)| text.len() > LONGEST_TEXT);
    long.map_or(Ok(()), |(field, text)| {
        Err(AuditError::TooLong {
            field,
            bytes: text.len(),
        })
    })
}
