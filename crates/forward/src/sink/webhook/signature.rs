//! Signatures of requests: HMAC-SHA256 over `ID.TIMESTAMP.BODY`, as in the specification Standard Webhooks.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The first characters of a secret in base64.
const PREFIX: &str = "whsec_";
/// The fewest bytes of a secret.
const SHORTEST: usize = 16;

/// Signs requests with a secret.
pub(super) struct Signer(Vec<u8>);

impl Signer {
    /// A signer with the secret of a file: `whsec_` and base64, or a text.
    pub fn new(text: &str) -> Result<Self, String> {
        let secret = match text.strip_prefix(PREFIX) {
            Some(encoded) => BASE64_STANDARD
                .decode(encoded)
                .map_err(|error| format!("the secret is not base64 after {PREFIX}: {error}"))?,
            None => text.as_bytes().to_vec(),
        };
        if secret.len() < SHORTEST {
            return Err(format!("the secret must have at least {SHORTEST} bytes"));
        }
        Ok(Self(secret))
    }

    /// Returns the header `webhook-signature`.
    pub fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length is allowed");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The id of a request: the same for the same body.
pub(super) fn message_id(body: &[u8]) -> String {
    let hash = Sha256::digest(body);
    let mut digits = String::new();
    for byte in hash.iter().take(16) {
        write!(digits, "{byte:02x}").expect("writing to memory cannot fail");
    }
    format!("msg_{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the reference libraries of Standard Webhooks.
    #[test]
    fn signature_is_that_of_the_reference() {
        let signer = Signer::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signature = signer.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn short_and_damaged_secrets_are_refused() {
        let check =
            |text: &str, accepted: bool| assert_eq!(Signer::new(text).is_ok(), accepted, "{text}");
        check("0123456789abcdef", true);
        check("0123456789abcde", false);
        check("whsec_AAAA", false);
        check("whsec_?", false);
    }

    #[test]
    fn id_depends_on_the_body_only() {
        assert_eq!(message_id(b"a"), message_id(b"a"));
        assert_ne!(message_id(b"a"), message_id(b"b"));
        assert_eq!(message_id(b"a").len(), 36);
    }
}
