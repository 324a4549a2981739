//! Verification and reading of a whole log, one entry at a time, of a running daemon or from a copy.

use std::path::Path;

use super::chain::{ChainBreak, Tail};
use super::entry::StoredEntry;
use super::error::{AuditError, VerifyError};
use super::hash::Hash;
use super::rows;
use super::store::{ALL, Store};

/// Result of the verification of an intact log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Number of entries.
    pub entries: u64,
    /// Hash of the last entry; [`Hash::GENESIS`] for an empty log.
    pub head: Hash,
    /// Time of the first entry, in nanoseconds since 1970.
    pub first_ns: Option<i64>,
    /// Time of the last entry, in nanoseconds since 1970.
    pub last_ns: Option<i64>,
    /// Number of the entry with the expected hash.
    pub expected: Option<u64>,
}

/// Verifies a whole log. The file is only read; a daemon may write it at the same time.
///
/// A chain does not show that entries at its end were removed. `expected` does: a hash that was noted
/// earlier, which an entry must have. [`Hash::GENESIS`] is part of every log.
///
/// # Errors
/// When an entry is broken, no entry has the expected hash, or the file cannot be read.
pub fn verify(path: &Path, expected: Option<Hash>) -> Result<Verified, VerifyError> {
    let store = Store::open_read_only(path)?;
    let (mut first_ns, mut last_ns) = (None, None);
    let mut found = (expected == Some(Hash::GENESIS)).then_some(0);
    // From the lowest possible number: entries before number 1 are faults too.
    let walked = walk(&store, i64::MIN, Some(Tail::START), |entry| {
        first_ns.get_or_insert(entry.time_ns);
        last_ns = Some(entry.time_ns);
        if expected == Some(entry.hash) {
            found = Some(entry.number);
        }
    });
    let path = path.to_owned();
    let tail = match walked {
        Ok(tail) => tail,
        Err(WalkError::Broken(broken)) => return Err(VerifyError::Broken { path, broken }),
        Err(WalkError::Read(error)) => return Err(VerifyError::Read(error)),
    };
    match expected {
        Some(head) if found.is_none() => Err(VerifyError::Head {
            path,
            entries: tail.number,
            head,
        }),
        _ => Ok(Verified {
            entries: tail.number,
            head: tail.hash,
            first_ns,
            last_ns,
            expected: found,
        }),
    }
}

/// Why a walk along the chain stopped before the last entry.
pub(super) enum WalkError {
    /// The chain is broken.
    Broken(ChainBreak),
    /// The file cannot be read.
    Read(AuditError),
}

impl From<AuditError> for WalkError {
    fn from(error: AuditError) -> Self {
        Self::Read(error)
    }
}

/// Verifies the chain after the number `after`, and returns its tail. Without `start`, the hash before the
/// first entry is taken from that entry.
pub(super) fn walk(
    store: &Store,
    after: i64,
    start: Option<Tail>,
    mut see: impl FnMut(&StoredEntry),
) -> Result<Tail, WalkError> {
    let mut tail = start.unwrap_or(Tail {
        number: after.cast_unsigned(),
        hash: Hash::GENESIS,
    });
    let mut known = start.is_some();
    store.each(after, ALL, |row| match row {
        Ok(entry) => {
            if !known {
                tail.hash = entry.previous_hash;
                known = true;
            }
            tail = tail.follow(&entry).map_err(WalkError::Broken)?;
            see(&entry);
            Ok(())
        }
        Err(error) if rows::is_damage(&error) => {
            Err(WalkError::Broken(rows::unreadable(tail.number + 1, &error)))
        }
        Err(error) => Err(WalkError::Read(store.error(error))),
    })?;
    Ok(tail)
}

/// A log, open for reading.
#[derive(Debug)]
pub struct Reader {
    store: Store,
}

impl Reader {
    /// Opens the file of a running daemon, or a copy.
    ///
    /// # Errors
    /// When the file cannot be read, or is not an audit log.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let store = Store::open_read_only(path)?;
        Ok(Self { store })
    }

    /// Up to `limit` entries with numbers above `after`, in order. They are not verified.
    ///
    /// # Errors
    /// When an entry cannot be read.
    pub fn entries(&self, after: u64, limit: usize) -> Result<Vec<StoredEntry>, AuditError> {
        entries(&self.store, after, limit)
    }
}

pub(super) fn entries(
    store: &Store,
    after: u64,
    limit: usize,
) -> Result<Vec<StoredEntry>, AuditError> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut entries = Vec::new();
    store.each(after, limit, |row| {
        entries.push(store.with_path(row)?);
        Ok::<_, AuditError>(())
    })?;
    Ok(entries)
}
