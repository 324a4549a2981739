//! The file of the clients: who they are, their roles, and what they are known by. A file of its own, as
//! it is written by others than the configuration, and for other eyes.

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::live::read;
use super::token::TokenHash;
use super::{LOCAL, Role, Unknown};
use crate::config::{ConfigError, Fault};

/// More clients than a plant has; every token is compared with all of them.
const MOST_CLIENTS: usize = 1000;

/// The longest name, bytes.
pub const LARGEST_NAME: usize = 64;

/// What a name may be, in words.
const NAME: &str = "1 to 64 of a-z, A-Z, 0-9, '-', '_', '.' and '@', and not \"local\"";
const TABLES: &str = "tables [[client]]";

/// Whether a client may be called so.
pub fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    (1..=LARGEST_NAME).contains(&text.len()) && text.bytes().all(plain) && text != LOCAL
}

/// One of them.
#[derive(Debug)]
pub(super) struct Client {
    /// Its name.
    pub name: Arc<str>,
    /// What it may do.
    pub role: Role,
    token: Option<TokenHash>,
    certificate: Option<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Clients(Vec<Client>);

impl Clients {
    /// Reads the file.
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

    /// Reads its text.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            file,
            text,
            faults: Vec::new(),
        };
        let clients = match DeTable::parse(text) {
            Ok(table) => reader.clients(table.get_ref()),
            // Not the error's own text: that quotes the line.
            Err(error) => {
                let place = reader.place(error.span().map_or(0, |span| span.start));
                let reason = error.message().replace('\n', ", ");
                reader.faults.push(Fault::Syntax { place, reason });
                Vec::new()
            }
        };
        if reader.faults.is_empty() {
            Ok(Self(clients))
        } else {
            Err(ConfigError {
                faults: reader.faults,
            })
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whose token this is. Takes as long whoever it is, and if it is nobody's.
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

    /// Whose certificate has these names.
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

/// Reads, and notes every fault.
struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    faults: Vec<Fault>,
}

/// The keys of a client as they stand there.
#[derive(Default)]
struct Entry {
    name: Option<String>,
    role: Option<Role>,
    token: Option<TokenHash>,
    certificate: Option<String>,
}

impl Reader<'_> {
    fn place(&self, offset: usize) -> String {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("{}:{line}", self.file)
    }

    fn clients(&mut self, table: &DeTable<'_>) -> Vec<Client> {
        let mut clients: Vec<Client> = Vec::new();
        for (key, value) in table {
            let (name, offset) = (key.get_ref().as_ref(), key.span().start);
            match (name, value.get_ref()) {
                ("client", DeValue::Array(entries)) => {
                    for entry in entries {
                        clients.extend(self.client(entry, &clients));
                    }
                }
                ("client", _) => self.refuse(offset, "client", "no list", TABLES),
                _ => self.unknown(offset, name, &["client"]),
            }
        }
        if clients.is_empty() && self.faults.is_empty() {
            self.miss(0, "client", &format!("{TABLES}, at least one"));
        }
        if clients.len() > MOST_CLIENTS {
            let found = format!("{} of them", clients.len());
            self.refuse(0, "client", found, format!("at most {MOST_CLIENTS}"));
        }
        clients
    }

    /// One client, unless something is wrong with it.
    fn client(&mut self, value: &Spanned<DeValue<'_>>, before: &[Client]) -> Option<Client> {
        let start = value.span().start;
        let DeValue::Table(table) = value.get_ref() else {
            self.refuse(start, "client", "no table", TABLES);
            return None;
        };
        let faults = self.faults.len();
        let mut entry = Entry::default();
        for (key, value) in table {
            let offset = key.span().start;
            self.key(&mut entry, key.get_ref(), offset, value.get_ref(), before);
        }
        let given = |name: &str| table.iter().any(|(key, _)| key.get_ref() == name);
        if !given("name") {
            self.miss(start, "client.name", NAME);
        }
        if !given("role") {
            self.miss(
                start,
                "client.role",
                "\"viewer\", \"operator\" or \"engineer\"",
            );
        }
        if !given("token_sha256") && !given("certificate") {
            let allowed = "set, or client.certificate must be: nobody could be this client";
            self.miss(start, "client.token_sha256", allowed);
        }
        if self.faults.len() > faults {
            return None;
        }
        Some(Client {
            name: entry.name?.into(),
            role: entry.role?,
            token: entry.token,
            certificate: entry.certificate,
        })
    }

    fn key(
        &mut self,
        entry: &mut Entry,
        name: &str,
        offset: usize,
        value: &DeValue<'_>,
        before: &[Client],
    ) {
        const KEYS: [&str; 4] = ["name", "role", "token_sha256", "certificate"];
        if !KEYS.contains(&name) {
            self.unknown(offset, &format!("client.{name}"), &KEYS);
            return;
        }
        let text = value.as_str().unwrap_or_default();
        let shown = if value.is_str() {
            format!("{text:?}")
        } else {
            "no text".to_owned()
        };
        let path = format!("client.{name}");
        match name {
            "name" if !is_name(text) => self.refuse(offset, &path, shown, NAME),
            "name" if before.iter().any(|client| *client.name == *text) => {
                self.refuse(offset, &path, shown, "another than every other client's");
            }
            "name" => entry.name = Some(text.to_owned()),
            "role" => match text.parse() {
                Ok(role) => entry.role = Some(role),
                Err(_) => {
                    let allowed = "\"viewer\", \"operator\" or \"engineer\"";
                    self.refuse(offset, &path, shown, allowed);
                }
            },
            "token_sha256" => match TokenHash::parse(text) {
                // What it is is not shown: it may be the token itself.
                None => {
                    let found = "a value that is not shown, as it may be a token";
                    let allowed = "64 hexadecimal digits, the SHA-256 of a token";
                    self.refuse(offset, &path, found, allowed);
                }
                Some(hash) => {
                    let same = |client: &Client| client.token.is_some_and(|token| token.is(&hash));
                    if before.iter().any(same) {
                        let allowed = "another than every other client's";
                        self.refuse(offset, &path, hash.hex(), allowed);
                    }
                    entry.token = Some(hash);
                }
            },
            _ if text.is_empty() || text.len() > 1024 => {
                let allowed =
                    "a common name, or an alternative name (DNS or URI), of a certificate";
                self.refuse(offset, &path, shown, allowed);
            }
            _ => {
                let same = |client: &Client| client.certificate.as_deref() == Some(text);
                if before.iter().any(same) {
                    self.refuse(offset, &path, shown, "another than every other client's");
                }
                entry.certificate = Some(text.to_owned());
            }
        }
    }

    fn refuse(
        &mut self,
        offset: usize,
        key: &str,
        found: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        self.faults.push(Fault::Value {
            place: self.place(offset),
            key: key.to_owned(),
            found: found.into(),
            allowed: allowed.into(),
        });
    }

    fn miss(&mut self, offset: usize, key: &str, allowed: &str) {
        self.faults.push(Fault::Missing {
            place: self.place(offset),
            key: key.to_owned(),
            allowed: allowed.to_owned(),
        });
    }

    fn unknown(&mut self, offset: usize, key: &str, known: &[&'static str]) {
        let last = key.rsplit('.').next().unwrap_or(key);
        self.faults.push(Fault::Unknown {
            place: self.place(offset),
            key: key.to_owned(),
            suggestion: crate::config::nearest(last, known.iter().copied()).map(str::to_owned),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn faults(text: &str) -> Vec<String> {
        match Clients::parse("clients.toml", text) {
            Ok(_) => Vec::new(),
            Err(error) => error.faults.iter().map(ToString::to_string).collect(),
        }
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(faults(text), expected, "{text}");
    }

    fn two() -> Clients {
        let text = format!(
            "[[client]]\nname = \"plc-7\"\nrole = \"operator\"\ntoken_sha256 = \"{HASH}\"\n\
             [[client]]\nname = \"hmi\"\nrole = \"viewer\"\ncertificate = \"hmi.line3\"\n\
             [[client]]\nname = \"mes\"\nrole = \"engineer\"\ncertificate = \"urn:mes\"\n"
        );
        Clients::parse("clients.toml", &text).expect("clients")
    }

    #[test]
    fn a_token_leads_to_its_client() {
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
    fn a_certificates_names_lead_to_its_client() {
        let clients = two();
        let check = |names: &[&str], expected: Result<&str, Unknown>| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let found = clients.by_certificate(&names);
            assert_eq!(found.map(|client| &*client.name), expected, "{names:?}");
        };
        let all = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        check(&["other", "hmi.line3"], Ok("hmi"));
        check(&["urn:mes"], Ok("mes"));
        // The client's own name is none of its certificate's.
        check(&["hmi"], Err(Unknown::Certificate(all(&["hmi"]))));
        check(&[], Err(Unknown::Certificate(Vec::new())));
        let both = &["hmi.line3", "urn:mes"];
        check(both, Err(Unknown::Ambiguous(all(both))));
    }

    #[test]
    fn every_fault_is_named_with_its_line() {
        check(
            "[[client]]\nname = \"a b\"\nrole = \"admin\"\ntoken_sha256 = \"inspectd_12\"\n\
             [[client]]\nnme = \"x\"\ncertificate = 3\n[clients]\n",
            &[
                "clients.toml:2: client.name: \"a b\", must be 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.' and '@', \
                 and not \"local\"",
                "clients.toml:3: client.role: \"admin\", must be \"viewer\", \"operator\" or \"engineer\"",
                "clients.toml:4: client.token_sha256: a value that is not shown, as it may be a token, must be 64 \
                 hexadecimal digits, the SHA-256 of a token",
                "clients.toml:7: client.certificate: no text, must be a common name, or an alternative name (DNS \
                 or URI), of a certificate",
                "clients.toml:6: client.nme: unknown key; did you mean \"name\"?",
                "clients.toml:5: client.name: missing, must be 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.' and '@', and \
                 not \"local\"",
                "clients.toml:5: client.role: missing, must be \"viewer\", \"operator\" or \"engineer\"",
                "clients.toml:8: clients: unknown key; did you mean \"client\"?",
            ],
        );
    }

    #[test]
    fn nobody_is_two_clients() {
        let entry = |name: &str, known: &str| {
            format!("[[client]]\nname = \"{name}\"\nrole = \"viewer\"\n{known}\n")
        };
        let (token, certificate) = (format!("token_sha256 = \"{HASH}\""), "certificate = \"c\"");
        let other = "another than every other client's";
        let check = |first: &str, second: &str, expected: &str| {
            check(&format!("{first}{second}"), &[expected]);
        };
        check(
            &entry("a", &token),
            &entry("a", certificate),
            &format!("clients.toml:6: client.name: \"a\", must be {other}"),
        );
        check(
            &entry("a", &token),
            &entry("b", &token),
            &format!("clients.toml:8: client.token_sha256: {HASH}, must be {other}"),
        );
        check(
            &entry("a", certificate),
            &entry("b", certificate),
            &format!("clients.toml:8: client.certificate: \"c\", must be {other}"),
        );
    }

    #[test]
    fn nobody_at_all_is_a_fault() {
        let missing = "clients.toml:1: client: missing, must be tables [[client]], at least one";
        check("", &[missing]);
        check("client = []", &[missing]);
        check(
            "client = \"x\"",
            &["clients.toml:1: client: no list, must be tables [[client]]"],
        );
        check(
            "client = [1]",
            &["clients.toml:1: client: no table, must be tables [[client]]"],
        );
        check(
            "[[client]]\nname = \"a\"\nrole = \"viewer\"\n",
            &[
                "clients.toml:1: client.token_sha256: missing, must be set, or client.certificate must be: nobody \
                 could be this client",
            ],
        );
        let syntax = faults("[[client]\nname = \"secret\"\n");
        assert!(
            syntax.len() == 1 && syntax[0].starts_with("clients.toml:1: not TOML"),
            "{syntax:?}"
        );
    }
}
