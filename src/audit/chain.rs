//! How entries hang together: each one's hash covers all its fields and the hash before. Pure.
//!
//! `docs/audit.md` describes the encoding for those who verify without this program; the two must say
//! the same.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::entry::{Entry, Numbered};

/// Names the encoding, so that no other use of SHA-256 gives the same bytes to hash.
const DOMAIN: &[u8] = b"inspectd audit 1";

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the first entry has as the hash before it.
    pub const GENESIS: Self = Self([0; 32]);
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is no hash.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("must be a SHA-256: 64 hexadecimal digits")]
pub struct HashError;

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(HashError);
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let digits = &text[2 * at..2 * at + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| HashError)?;
        }
        Ok(Self(bytes))
    }
}

/// The hash that an entry must have. Numbers are 8 bytes, most significant first; a text is the number
/// of its bytes, then they: no two entries give the same bytes.
pub fn hash(entry: &Numbered) -> Hash {
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

fn texts(entry: &Numbered) -> [&str; 7] {
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

/// The entry that follows `tail`.
pub fn chained(tail: Tail, time_ns: i64, entry: Entry) -> Numbered {
    let mut numbered = Numbered {
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
    numbered.hash = hash(&numbered);
    numbered
}

/// What is wrong with an entry.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// Another number is in its place, or none: entries were removed or added.
    #[error("it is missing, the next one is {found}")]
    Missing {
        /// The number that is there.
        found: i64,
    },
    /// It does not name the hash of the entry before.
    #[error("its previous_hash is not the hash of the entry before it")]
    Previous,
    /// Its fields are not those that its hash was made of.
    #[error("its hash is not that of its fields")]
    Hash,
    /// Its fields cannot be read.
    #[error("it cannot be read: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// It is not the entry that this process appended.
    #[error("it was replaced or removed while the daemon ran")]
    Replaced,
}

/// Where a chain breaks first.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("entry {number}: {fault}")]
pub struct Broken {
    /// The entry.
    pub number: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// The end of a chain: what the next entry has to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The last entry's number; 0 before the first.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Tail {
    /// Before the first entry.
    pub const START: Self = Self {
        number: 0,
        hash: Hash::GENESIS,
    };

    /// The end of the chain once `entry` is part of it.
    ///
    /// # Errors
    /// When it does not belong there.
    pub fn follow(self, entry: &Numbered) -> Result<Self, Broken> {
        let number = self.number + 1;
        let broken = |fault| Err(Broken { number, fault });
        if entry.number != number {
            return broken(Fault::Missing {
                found: entry.number.cast_signed(),
            });
        }
        if entry.previous_hash != self.hash {
            return broken(Fault::Previous);
        }
        if entry.hash != hash(entry) {
            return broken(Fault::Hash);
        }
        Ok(Self {
            number,
            hash: entry.hash,
        })
    }
}
