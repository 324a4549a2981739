//! The clients file: names, roles and credentials of the clients. It is separate from the configuration,
//! because other people write and read it.

mod reader;

use std::path::Path;
use std::sync::Arc;

use super::reloadable::read;
use super::token::TokenHash;
use super::{LOCAL, Role, Unknown};
use crate::config::{ConfigError, Fault};

/// Maximum number of clients: more than a plant has. Every token is compared with all of them.
const MOST_CLIENTS: usize = 1000;

/// Maximum length of a name in bytes.
pub const LARGEST_NAME: usize = 64;

/// Whether a text is a valid name of a client.
pub fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    (1..=LARGEST_NAME).contains(&text.len()) && text.bytes().all(plain) && text != LOCAL
}

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    /// Its name.
    pub name: Arc<str>,
    /// Its role.
    pub role: Role,
    token: Option<TokenHash>,
    certificate: Option<String>,
}

/// All clients.
#[derive(Debug, Default)]
pub(super) struct Clients(Vec<Client>);

impl Clients {
    /// Reads the clients file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let place = path.display().to_string();
        let text = read(path).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not UTF-8"))
        });
        match text {
            Ok(text) => Self::parse(&place, &text),
            Err(error) => Err(ConfigError {
                faults: vec![Fault::Unreadable {
                    place,
                    reason: error.to_string(),
                }],
            }),
        }
    }

    /// Parses the text of a clients file.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        reader::read(file, text).map(Self)
    }

    /// Number of clients.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The client with this token. The time does not depend on the client, or on whether there is one.
    pub fn by_token(&self, token: &[u8]) -> Option<&Client> {
        let shown = TokenHash::of(token);
        let mut found = None;
        for client in &self.0 {
            if client.token.as_ref().is_some_and(|token| token.is(&shown)) {
                found = Some(client);
            }
        }
        found
    }

    /// The client whose certificate has one of these names.
    pub fn by_certificate(&self, names: &[String]) -> Result<&Client, Unknown> {
        let named = |client: &&Client| {
            let wanted = client.certificate.as_ref();
            wanted.is_some_and(|wanted| names.contains(wanted))
        };
        let mut found = self.0.iter().filter(named);
        match (found.next(), found.next()) {
            (Some(client), None) => Ok(client),
            (None, _) => Err(Unknown::Certificate(names.to_vec())),
            (Some(_), Some(_)) => Err(Unknown::Ambiguous(names.to_vec())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn two() -> Clients {
        let text = format!(
            "[[client]]\nname = \"plc-7\"\nrole = \"operator\"\ntoken_sha256 = \"{HASH}\"\n\
             [[client]]\nname = \"hmi\"\nrole = \"viewer\"\ncertificate = \"hmi.line3\"\n\
             [[client]]\nname = \"mes\"\nrole = \"engineer\"\ncertificate = \"urn:mes\"\n"
        );
        Clients::parse("clients.toml", &text).expect("clients")
    }

    #[test]
    fn token_identifies_its_client() {
        let clients = two();
        let check = |token: &[u8], expected: Option<(&str, Role)>| {
            let found = clients.by_token(token);
            let found = found.map(|client| (&*client.name, client.role));
            assert_eq!(found, expected, "{token:?}");
        };
        check(b"abc", Some(("plc-7", Role::Operator)));
        check(b"abcd", None);
        check(HASH.as_bytes(), None);
        check(b"", None);
    }

    #[test]
    fn certificate_names_identify_their_client() {
        let clients = two();
        let check = |names: &[&str], expected: Result<&str, Unknown>| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let found = clients.by_certificate(&names);
            assert_eq!(found.map(|client| &*client.name), expected, "{names:?}");
        };
        let all = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        check(&["other", "hmi.line3"], Ok("hmi"));
        check(&["urn:mes"], Ok("mes"));
        // The name of a client is not a name of its certificate.
        check(&["hmi"], Err(Unknown::Certificate(all(&["hmi"]))));
        check(&[], Err(Unknown::Certificate(Vec::new())));
        let both = &["hmi.line3", "urn:mes"];
        check(both, Err(Unknown::Ambiguous(all(both))));
    }
}
