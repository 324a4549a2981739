//! The hash chain: the hash of an entry covers all its fields and the hash of the previous entry. No IO.
//!
//! `docs/audit.md` describes the encoding for verification without this program. Code and document must
//! agree.

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::entry::{AuditEntry, StoredEntry};
use super::hash::Hash;

/// Identifies the encoding, so that no other use of SHA-256 hashes the same bytes.
const DOMAIN: &[u8] = b"inspectd audit 1";

/// Computes the hash of an entry. Numbers are encoded as 8 bytes, big endian; a text as its length in bytes,
/// then its bytes. Different entries therefore have different encodings.
pub fn hash(entry: &StoredEntry) -> Hash {
    let mut digest = Sha256::new();
    digest.update(DOMAIN);
    digest.update(entry.number.to_be_bytes());
    digest.update(entry.time_ns.to_be_bytes());
    for text in texts(entry) {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest.update(entry.previous_hash.0);
    Hash(digest.finalize().into())
}

fn texts(entry: &StoredEntry) -> [&str; 7] {
    [
        &entry.who,
        &entry.role,
        &entry.origin,
        &entry.action,
        &entry.subject,
        &entry.before,
        &entry.after,
    ]
}

/// Creates the entry that follows `tail`.
pub fn chained(tail: Tail, time_ns: i64, entry: AuditEntry) -> StoredEntry {
    let mut stored = StoredEntry {
        number: tail.number + 1,
        time_ns,
        who: entry.who,
        role: entry.role,
        origin: entry.origin.to_string(),
        action: entry.action.to_string(),
        subject: entry.subject,
        before: entry.before,
        after: entry.after,
        previous_hash: tail.hash,
        hash: Hash::GENESIS,
    };
    stored.hash = hash(&stored);
    stored
}

/// What is wrong with an entry.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ChainFault {
    /// Its place has another number: entries were removed or added.
    #[error("is missing; the next entry is {found}")]
    Missing {
        /// The number found in its place.
        found: i64,
    },
    /// Its `previous_hash` is not the hash of the previous entry.
    #[error("its previous_hash is not the hash of the previous entry")]
    PreviousHash,
    /// Its hash does not match its fields.
    #[error("its hash does not match its fields")]
    Hash,
    /// Its fields cannot be read.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// Error of SQLite.
        reason: String,
    },
    /// It is not the entry that this process appended.
    #[error("was replaced or removed while the daemon was running")]
    Replaced,
}

/// The first broken entry of a chain.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("entry {number}: {fault}")]
pub struct ChainBreak {
    /// Its number.
    pub number: u64,
    /// What is wrong with it.
    pub fault: ChainFault,
}

/// The end of a chain, which the next entry follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The last entry's number; 0 before the first.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Tail {
    /// The tail of an empty log.
    pub const START: Self = Self {
        number: 0,
        hash: Hash::GENESIS,
    };

    /// Verifies `entry` and returns the tail after it.
    ///
    /// # Errors
    /// When it does not follow this tail.
    pub fn follow(self, entry: &StoredEntry) -> Result<Self, ChainBreak> {
        let number = self.number + 1;
        let broken = |fault| Err(ChainBreak { number, fault });
        if entry.number != number {
            return broken(ChainFault::Missing {
                found: entry.number.cast_signed(),
            });
        }
        if entry.previous_hash != self.hash {
            return broken(ChainFault::PreviousHash);
        }
        if entry.hash != hash(entry) {
            return broken(ChainFault::Hash);
        }
        Ok(Self {
            number,
            hash: entry.hash,
        })
    }
}
