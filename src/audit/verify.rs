//! Verification of a whole log, an entry at a time, and reading it, beside the daemon or from a copy.

use std::path::Path;

use super::chain::{Broken, Hash, Tail};
use super::entry::Numbered;
use super::error::{AuditError, VerifyError};
use super::rows;
use super::store::{ALL, Store};

/// A log whose chain is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many entries it has.
    pub entries: u64,
    /// The last one's hash; [`Hash::GENESIS`] if there is none.
    pub head: Hash,
    /// When the first was made, in nanoseconds since 1970.
    pub first_ns: Option<i64>,
    /// When the last was made.
    pub last_ns: Option<i64>,
    /// The number of the entry with the expected hash, where one was expected.
    pub expected: Option<u64>,
}

/// Verifies all of a log. It is only read, and stays open to the daemon.
///
/// A chain cannot show that its end was cut off. `expected` can: a hash that was noted earlier, which
/// some entry must have; [`Hash::GENESIS`] is any log's.
///
/// # Errors
/// The first entry that is broken; that no entry has the expected hash; that the file cannot be read.
pub fn verify(path: &Path, expected: Option<Hash>) -> Result<Verified, VerifyError> {
    let store = Store::open_read_only(path)?;
    let (mut first_ns, mut last_ns) = (None, None);
    let mut found = (expected == Some(Hash::GENESIS)).then_some(0);
    // From the lowest number there is: entries before the first are surplus.
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
        Err(Stop::Broken(broken)) => return Err(VerifyError::Broken { path, broken }),
        Err(Stop::Read(error)) => return Err(VerifyError::Read(error)),
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

/// What ends a walk along the chain.
pub(super) enum Stop {
    /// The chain does.
    Broken(Broken),
    /// The file cannot be read.
    Read(AuditError),
}

impl From<AuditError> for Stop {
    fn from(error: AuditError) -> Self {
        Self::Read(error)
    }
}

/// Follows the chain after a number to its end, which it returns. Where the hash up to there is not
/// known, it is taken from the first entry.
pub(super) fn walk(
    store: &Store,
    after: i64,
    start: Option<Tail>,
    mut see: impl FnMut(&Numbered),
) -> Result<Tail, Stop> {
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
            tail = tail.follow(&entry).map_err(Stop::Broken)?;
            see(&entry);
            Ok(())
        }
        Err(error) if rows::is_damage(&error) => {
            Err(Stop::Broken(rows::unreadable(tail.number + 1, &error)))
        }
        Err(error) => Err(Stop::Read(store.error(error))),
    })?;
    Ok(tail)
}

/// A log that is only read.
#[derive(Debug)]
pub struct Reader {
    store: Store,
}

impl Reader {
    /// Opens the file of a running daemon, or a copy.
    ///
    /// # Errors
    /// When it cannot be read, or is no audit log.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let store = Store::open_read_only(path)?;
        Ok(Self { store })
    }

    /// Up to `limit` entries with numbers above `after`, in order. They are not verified.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn entries(&self, after: u64, limit: usize) -> Result<Vec<Numbered>, AuditError> {
        entries(&self.store, after, limit)
    }
}

pub(super) fn entries(
    store: &Store,
    after: u64,
    limit: usize,
) -> Result<Vec<Numbered>, AuditError> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut entries = Vec::new();
    store.each(after, limit, |row| {
        entries.push(store.told(row)?);
        Ok::<_, AuditError>(())
    })?;
    Ok(entries)
}
