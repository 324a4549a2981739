//! Tokens: 32 random bytes, known only to their owner. The daemon stores their SHA-256.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio_rustls::rustls::crypto::ring;

use super::Role;

/// Prefix of every token. It makes a leaked token recognisable, and distinguishes it from a hash.
const PREFIX: &str = "inspectd_";

/// SHA-256 of a token.
#[derive(Clone, Copy, Debug)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Computes the hash of a token.
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Parses 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Compares two hashes in constant time.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// The hash as 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

/// The system does not provide random bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system does not provide random bytes")]
pub struct NoRandomness;

/// Creates a token.
///
/// # Errors
/// When the system does not provide random bytes.
pub fn create() -> Result<String, NoRandomness> {
    let mut bytes = [0; 32];
    let random = ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(format!("{PREFIX}{}", hex(&bytes)))
}

/// The entry of the token's owner in the clients file. `name` must be valid.
pub fn entry(name: &str, role: Role, token: &str) -> String {
    let hash = TokenHash::of(token.as_bytes()).hex();
    format!("[[client]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken_sha256 = \"{hash}\"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_hash_parses_from_64_hexadecimal_digits_only() {
        let token = TokenHash::of(b"abc");
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(token.hex(), hex);
        let check = |text: &str, same: Option<bool>| {
            let parsed = TokenHash::parse(text).map(|hash| hash.is(&token));
            assert_eq!(parsed, same, "{text:?}");
        };
        check(hex, Some(true));
        check(&hex.to_uppercase(), Some(true));
        check(&hex.replace('b', "c"), Some(false));
        check(&hex[1..], None);
        check(&format!("+{}", &hex[1..]), None);
        check(&"é".repeat(32), None);
        check("", None);
    }

    #[test]
    fn tokens_are_random_and_do_not_parse_as_hashes() {
        let (one, other) = (create().expect("random"), create().expect("random"));
        assert_ne!(one, other);
        assert_eq!(one.len(), PREFIX.len() + 64);
        assert!(TokenHash::parse(&one).is_none());
    }
}
