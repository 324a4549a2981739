//! From the text of the file to its clients, or to every fault in it at once.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Client, MOST_CLIENTS, is_name};
use crate::access::Role;
use crate::access::token::TokenHash;
use crate::config::{ConfigError, Fault};

const TABLES: &str = "tables [[client]]";
const KEYS: [&str; 4] = ["name", "role", "token_sha256", "certificate"];

const NAME: &str = "1 to 64 of a-z, A-Z, 0-9, '-', '_', '.' and '@', and not \"local\"";
const ROLE: &str = "\"viewer\", \"operator\" or \"engineer\"";
const HASH: &str = "64 hexadecimal digits, the SHA-256 of a token";
const CERTIFICATE: &str = "a common name, or an alternative name (DNS or URI), of a certificate";
const ANOTHER: &str = "another than every other client's";

/// No name in a certificate is longer, in any that was seen.
const LARGEST_CERTIFICATE_NAME: usize = 1024;

/// Reads `text`, which is that of `file`.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<Client>, ConfigError> {
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
    let faults = reader.faults;
    if faults.is_empty() {
        Ok(clients)
    } else {
        Err(ConfigError { faults })
    }
}

/// Reads, and notes every fault.
struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    faults: Vec<Fault>,
}

/// The keys of a client that were good.
#[derive(Default)]
struct Entry {
    name: Option<String>,
    role: Option<Role>,
    token: Option<TokenHash>,
    certificate: Option<String>,
}

impl Entry {
    /// Takes one of [`KEYS`]; `before` are the clients before this one.
    ///
    /// # Errors
    /// What is allowed, if the text is not.
    fn take(&mut self, key: &str, text: &str, before: &[Client]) -> Result<(), &'static str> {
        let taken = |same: &dyn Fn(&Client) -> bool| before.iter().any(same);
        match key {
            "name" => {
                if !is_name(text) {
                    return Err(NAME);
                }
                if taken(&|client| *client.name == *text) {
                    return Err(ANOTHER);
                }
                self.name = Some(text.to_owned());
            }
            "role" => self.role = Some(text.parse().map_err(|_| ROLE)?),
            "token_sha256" => {
                let hash = TokenHash::parse(text).ok_or(HASH)?;
                if taken(&|client| client.token.is_some_and(|token| token.is(&hash))) {
                    return Err(ANOTHER);
                }
                self.token = Some(hash);
            }
            _ => {
                if text.is_empty() || text.len() > LARGEST_CERTIFICATE_NAME {
                    return Err(CERTIFICATE);
                }
                if taken(&|client| client.certificate.as_deref() == Some(text)) {
                    return Err(ANOTHER);
                }
                self.certificate = Some(text.to_owned());
            }
        }
        Ok(())
    }
}

impl Reader<'_> {
    fn place(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
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
            self.refuse(0, "client", &found, &format!("at most {MOST_CLIENTS}"));
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
            self.key(&mut entry, key, value.get_ref(), before);
        }
        let given = |name: &str| table.iter().any(|(key, _)| key.get_ref() == name);
        if !given("name") {
            self.miss(start, "client.name", NAME);
        }
        if !given("role") {
            self.miss(start, "client.role", ROLE);
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
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &DeValue<'_>,
        before: &[Client],
    ) {
        let (name, offset) = (key.get_ref().as_ref(), key.span().start);
        let path = format!("client.{name}");
        if !KEYS.contains(&name) {
            self.unknown(offset, &path, &KEYS);
            return;
        }
        let text = value.as_str();
        if let Err(allowed) = entry.take(name, text.unwrap_or_default(), before) {
            let found = match text {
                None => "no text".to_owned(),
                Some(_) if name == "token_sha256" => {
                    "a value that is not shown, as it may be a token".to_owned()
                }
                Some(text) => format!("{text:?}"),
            };
            self.refuse(offset, &path, &found, allowed);
        }
    }

    fn refuse(&mut self, offset: usize, key: &str, found: &str, allowed: &str) {
        self.faults.push(Fault::Value {
            place: self.place(offset),
            key: key.to_owned(),
            found: found.to_owned(),
            allowed: allowed.to_owned(),
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
        let meant = crate::config::nearest(last, known.iter().copied());
        self.faults.push(Fault::Unknown {
            place: self.place(offset),
            key: key.to_owned(),
            suggestion: meant.map(str::to_owned),
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGITS: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn faults(text: &str) -> Vec<String> {
        match read("clients.toml", text) {
            Ok(_) => Vec::new(),
            Err(error) => error.faults.iter().map(ToString::to_string).collect(),
        }
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(faults(text), expected, "{text}");
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
        let (token, certificate) = (
            format!("token_sha256 = \"{DIGITS}\""),
            "certificate = \"c\"",
        );
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
            &format!(
                "clients.toml:8: client.token_sha256: a value that is not shown, as it may be a token, must be {other}"
            ),
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

    #[test]
    fn there_is_an_end_to_clients() {
        let entry = |number: usize| {
            format!(
                "[[client]]\nname = \"c{number}\"\nrole = \"viewer\"\ncertificate = \"c{number}\"\n"
            )
        };
        let most: String = (0..MOST_CLIENTS).map(entry).collect();
        check(&most, &[]);
        let more = format!("{most}{}", entry(MOST_CLIENTS));
        check(
            &more,
            &["clients.toml:1: client: 1001 of them, must be at most 1000"],
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*", key in "[a-z_\"]{1,12}", value in "\\PC{0,20}") {
            let _ = faults(&text);
            let _ = faults(&format!("[[client]]\n{key} = {value}\nname = {value:?}\n"));
        }
    }
}
