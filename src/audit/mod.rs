//! The audit log: who changed what, when, from which value to which. The entries are a hash chain, so that
//! later changes of entries are detected; `docs/audit.md` describes how to verify it.
//!
//! The log is a SQLite file of its own. Each entry is a transaction that is durable before it is
//! acknowledged, so that it survives a crash of the process or the machine at any moment.
//!
//! Policy: a change that cannot be recorded is refused. The caller appends first, then applies the change.
//! A broken chain does not stop inspection: it is reported, and new entries follow its last one. Entries are
//! never removed or rewritten; the file grows by the size of its entries.

mod chain;
mod entry;
mod error;
mod hash;
mod rows;
mod store;
#[cfg(test)]
mod tests;
mod verify;

use std::path::Path;
use std::time::SystemTime;

use parking_lot::{Mutex, MutexGuard};
use rusqlite::TransactionBehavior;

use crate::clock::SharedClock;
pub use chain::{ChainBreak, ChainFault};
pub use entry::{Action, AuditEntry, Origin, StoredEntry};
pub use error::{AuditError, VerifyError};
pub use hash::{Hash, HashError};
pub use verify::{Reader, Verified, verify};

use chain::Tail;
use entry::LONGEST_TEXT;
use store::Store;
use verify::WalkError;

/// Entries that are verified on opening. This takes milliseconds, for a log of any length.
const VERIFIED_ON_OPENING: u64 = 1024;

/// The log, open for appending.
#[derive(Debug)]
pub struct Audit {
    inner: Mutex<Inner>,
    clock: SharedClock,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    /// The end of the chain after the last access.
    tail: Tail,
    /// The first break that was found.
    broken: Option<ChainBreak>,
}

/// State of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditState {
    /// Number of the last entry.
    pub entries: u64,
    /// Its hash. A copy that is stored elsewhere shows later that no entry was removed.
    pub head: Hash,
    /// The first break of the chain that was found, on opening or later.
    pub broken: Option<ChainBreak>,
}

impl Audit {
    /// Opens the log, or creates it. Verifies the last 1024 entries: a break is logged and is in
    /// [`Audit::state`]. Two processes may have the same log open. `clock` gives the times of new entries.
    ///
    /// # Errors
    /// When the file cannot be written, is not an audit log, or is one of a later version.
    pub fn open(path: &Path, clock: SharedClock) -> Result<Self, AuditError> {
        let store = Store::open(path)?;
        let mut inner = Inner {
            store,
            tail: Tail::START,
            broken: None,
        };
        inner.verify_end()?;
        let inner = Mutex::new(inner);
        Ok(Self { inner, clock })
    }

    /// Records an entry, durably. Blocks for a write to the disk, and up to 5 s while another process has
    /// locked the file.
    ///
    /// # Errors
    /// When the entry was not recorded: the disk is full, the file is read-only, locked or damaged, or a text
    /// is longer than 1 MiB. The caller must then refuse the change.
    pub fn append(&self, entry: AuditEntry) -> Result<StoredEntry, AuditError> {
        check_lengths(&entry)?;
        let time_ns = nanoseconds(self.clock.now().utc);
        let mut inner = self.lock();
        let appended = inner.append(time_ns, entry);
        inner
            .store
            .with_path(appended)?
            .map_err(|broken| AuditError::Tail {
                path: inner.store.path.clone(),
                broken,
            })
    }

    /// Up to `limit` entries with numbers above `after`, in order. They are not verified.
    ///
    /// # Errors
    /// When an entry cannot be read.
    pub fn entries(&self, after: u64, limit: usize) -> Result<Vec<StoredEntry>, AuditError> {
        verify::entries(&self.lock().store, after, limit)
    }

    /// The state of the log, as this process has seen it last.
    pub fn state(&self) -> AuditState {
        let inner = self.lock();
        AuditState {
            entries: inner.tail.number,
            head: inner.tail.hash,
            broken: inner.broken.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    /// Logs a break. Keeps it if it is the first one.
    fn report(&mut self, broken: ChainBreak) {
        let path = self.store.path.display();
        tracing::error!(%path, %broken, "the audit log is broken: an entry was changed, or the file is damaged");
        self.broken.get_or_insert(broken);
    }

    /// Verifies the last entries and sets `tail`, unless the last entry cannot be read.
    fn verify_end(&mut self) -> Result<(), AuditError> {
        match self.store.with_path(rows::tail(&self.store.connection))? {
            Ok(tail) => self.tail = tail,
            Err(broken) => {
                self.report(broken);
                return Ok(());
            }
        }
        let after = self.tail.number.saturating_sub(VERIFIED_ON_OPENING);
        let start = (after == 0).then_some(Tail::START);
        match verify::walk(&self.store, after.cast_signed(), start, |_| {}) {
            Ok(_) => Ok(()),
            Err(WalkError::Broken(broken)) => {
                self.report(broken);
                Ok(())
            }
            Err(WalkError::Read(error)) => Err(error),
        }
    }

    /// Appends in one transaction, which reads the tail from the file: another process may have appended.
    fn append(
        &mut self,
        time_ns: i64,
        entry: AuditEntry,
    ) -> rusqlite::Result<Result<StoredEntry, ChainBreak>> {
        let transaction = self
            .store
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let replaced = !rows::holds(&transaction, self.tail)?;
        let tail = match rows::tail(&transaction)? {
            Ok(tail) => tail,
            Err(broken) => return Ok(Err(broken)),
        };
        let appended = chain::chained(tail, time_ns, entry);
        rows::insert(&transaction, &appended)?;
        transaction.commit()?;
        if replaced {
            self.report(ChainBreak {
                number: self.tail.number,
                fault: ChainFault::Replaced,
            });
        }
        self.tail = Tail {
            number: appended.number,
            hash: appended.hash,
        };
        Ok(Ok(appended))
    }
}

/// Nanoseconds since 1970. Times before 1970 and after the year 2262 are clamped.
fn nanoseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX)
}

fn check_lengths(entry: &AuditEntry) -> Result<(), AuditError> {
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
