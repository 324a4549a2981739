//! Hashes of passwords: Argon2id in the PHC string format.

use std::fmt::{self, Debug, Formatter};

use argon2::password_hash::phc;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use thiserror::Error;

/// The longest password, in bytes.
pub const LONGEST_BYTES: usize = 1024;

/// The hash of a password.
#[derive(Clone)]
pub struct PasswordHash(phc::PasswordHash);

/// A password cannot be hashed, or a text is not a hash.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct PasswordError(String);

/// Does not show the hash.
impl Debug for PasswordHash {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

impl PasswordHash {
    /// Reads a hash, which must be one of Argon2.
    ///
    /// # Errors
    /// If the text is not such a hash.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        let error = |error: &dyn fmt::Display| PasswordError(error.to_string());
        let hash = phc::PasswordHash::new(text).map_err(|it| error(&it))?;
        if hash.hash.is_none() || !hash.algorithm.as_str().starts_with("argon2") {
            return Err(PasswordError("not a hash of Argon2".to_owned()));
        }
        Ok(Self(hash))
    }

    /// Hashes a password with a new salt. Takes some ten milliseconds.
    ///
    /// # Errors
    /// If the password is empty or too long, or the system has no random numbers.
    pub fn create(password: &str) -> Result<Self, PasswordError> {
        if password.is_empty() || password.len() > LONGEST_BYTES {
            let message = format!("a password has 1 to {LONGEST_BYTES} bytes");
            return Err(PasswordError(message));
        }
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(Self)
            .map_err(|error| PasswordError(error.to_string()))
    }

    /// Returns whether this is the hash of a password. Takes some ten milliseconds.
    pub fn matches(&self, password: &str) -> bool {
        password.len() <= LONGEST_BYTES
            && Argon2::default()
                .verify_password(password.as_bytes(), &self.0)
                .is_ok()
    }

    /// Returns the text, for the configuration.
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_matches_its_password_only() {
        let hash = PasswordHash::create("correct").expect("a hash");
        let read = PasswordHash::parse(&hash.text()).expect("a hash");
        assert!(read.matches("correct"));
        assert!(!read.matches("Correct"));
        assert!(!read.matches(""));
        assert!(!read.matches(&"x".repeat(LONGEST_BYTES + 1)));
        let other = PasswordHash::create("correct").expect("a hash");
        assert_ne!(other.text(), hash.text(), "each hash has its own salt");
    }

    #[test]
    fn texts_that_are_not_hashes_of_argon2_are_refused() {
        for text in ["", "secret", "$2b$12$abc", "$argon2id$v=19$m=19456,t=2,p=1"] {
            assert!(PasswordHash::parse(text).is_err(), "{text:?}");
        }
        assert!(PasswordHash::create("").is_err());
    }
}
