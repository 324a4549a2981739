//! Reading the file of the clients: the clients, or all its faults.

use super::{Client, MOST_CLIENTS, is_name};
use crate::access::token::TokenHash;
use crate::config::ConfigError;
use crate::config::document::{self, DocumentReader, Item, Table};

const TABLES: &str = "tables [[client]]";
const KEYS: [&str; 4] = ["name", "role", "token_sha256", "certificate"];

const NAME: &str = "1 to 64 of a-z, A-Z, 0-9, '-', '_', '.' and '@', and not \"local\"";
const ROLE: &str = "\"viewer\", \"operator\" or \"engineer\"";
const HASH: &str = "64 hexadecimal digits, the SHA-256 of a token";
const CERTIFICATE: &str = "a common name, or an alternative name (DNS or URI), of a certificate";
const UNIQUE: &str = "different from that of every other client";

/// Maximum length of a name in a certificate, bytes: more than certificates use in practice.
const LARGEST_CERTIFICATE_NAME: usize = 1024;

/// Reads `text`, the contents of `file`.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<Client>, ConfigError> {
    let (document, mut reader) = document::parse(file, text).map_err(|fault| ConfigError {
        faults: vec![fault],
    })?;
    let clients = clients(&mut reader, Table::root(&document));
    let faults = reader.into_faults();
    if faults.is_empty() {
        Ok(clients)
    } else {
        Err(ConfigError { faults })
    }
}

fn clients(reader: &mut DocumentReader, root: Table<'_>) -> Vec<Client> {
    reader.known(root, &["client"]);
    let mut clients: Vec<Client> = Vec::new();
    if let Some(item) = root.get("client") {
        match item.list() {
            None => reader.refuse(item.offset, "client", item.type_name(), TABLES),
            Some(list) => {
                for value in list {
                    clients.extend(client(reader, Item::new(value), &clients));
                }
            }
        }
    }
    if clients.is_empty() && reader.fault_count() == 0 {
        reader.missing(root, "client", format!("{TABLES}, at least one"));
    }
    if clients.len() > MOST_CLIENTS {
        let found = format!("{} of them", clients.len());
        reader.refuse(0, "client", found, format!("at most {MOST_CLIENTS}"));
    }
    clients
}

/// Reads one client; none, with a fault, if it is not valid. `before` are the clients before it.
fn client(reader: &mut DocumentReader, item: Item<'_>, before: &[Client]) -> Option<Client> {
    let Some(table) = item.table() else {
        reader.refuse(item.offset, "client", item.type_name(), TABLES);
        return None;
    };
    let table = Table::new(table, "client.", item.offset);
    let faults = reader.fault_count();
    reader.known(table, &KEYS);
    for (key, allowed) in [("name", NAME), ("role", ROLE)] {
        if table.get(key).is_none() {
            reader.missing(table, key, allowed);
        }
    }
    let name = text(reader, table, "name", |text| {
        let name = is_name(text).then(|| text.to_owned()).ok_or(NAME)?;
        unique(name, |name| {
            before.iter().any(|other| *other.name == **name)
        })
    });
    let role = text(reader, table, "role", |text| text.parse().map_err(|_| ROLE));
    let token = text(reader, table, "token_sha256", |text| {
        let hash = TokenHash::parse(text).ok_or(HASH)?;
        unique(hash, |hash| {
            let mut tokens = before.iter().filter_map(|other| other.token.as_ref());
            tokens.any(|token| token.is(hash))
        })
    });
    let certificate = text(reader, table, "certificate", |text| {
        if !(1..=LARGEST_CERTIFICATE_NAME).contains(&text.len()) {
            return Err(CERTIFICATE);
        }
        unique(text.to_owned(), |name| {
            before
                .iter()
                .any(|other| other.certificate.as_ref() == Some(name))
        })
    });
    if table.get("token_sha256").is_none() && table.get("certificate").is_none() {
        let allowed =
            "set unless client.certificate is set: nobody could authenticate as this client";
        reader.missing(table, "token_sha256", allowed);
    }
    if reader.fault_count() > faults {
        return None;
    }
    Some(Client {
        name: name?.into(),
        role: role?,
        token,
        certificate,
    })
}

/// Reads a key that must be a text. `accept` returns the allowed texts of one that it refuses. The value of
/// `token_sha256` is never shown, as it may be a token.
fn text<T>(
    reader: &mut DocumentReader,
    table: Table<'_>,
    key: &str,
    accept: impl FnOnce(&str) -> Result<T, &'static str>,
) -> Option<T> {
    let item = table.get(key)?;
    let given = item.text();
    match accept(given.unwrap_or_default()) {
        Ok(value) => Some(value),
        Err(allowed) => {
            let found = match given {
                None => item.type_name().to_owned(),
                Some(_) if key == "token_sha256" => {
                    "a value that is not shown, as it may be a token".to_owned()
                }
                Some(_) => item.found(),
            };
            reader.refuse(item.offset, table.path(key), found, allowed);
            None
        }
    }
}

/// Refuses a value that another client has.
fn unique<T>(value: T, taken: impl FnOnce(&T) -> bool) -> Result<T, &'static str> {
    if taken(&value) {
        Err(UNIQUE)
    } else {
        Ok(value)
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
    fn every_fault_is_reported_with_its_line() {
        check(
            "[[client]]\nname = \"a b\"\nrole = \"admin\"\ntoken_sha256 = \"inspectd_12\"\n\
             [[client]]\nnme = \"x\"\ncertificate = 3\n[clients]\n",
            &[
                "clients.toml:2: client.name: \"a b\", must be 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.' and '@', \
                 and not \"local\"",
                "clients.toml:3: client.role: \"admin\", must be \"viewer\", \"operator\" or \"engineer\"",
                "clients.toml:4: client.token_sha256: a value that is not shown, as it may be a token, must be 64 \
                 hexadecimal digits, the SHA-256 of a token",
                "clients.toml:5: client.name: missing, must be 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.' and '@', and \
                 not \"local\"",
                "clients.toml:5: client.role: missing, must be \"viewer\", \"operator\" or \"engineer\"",
                "clients.toml:6: client.nme: unknown key; did you mean \"name\"?",
                "clients.toml:7: client.certificate: a number, must be a common name, or an alternative name (DNS \
                 or URI), of a certificate",
                "clients.toml:8: clients: unknown key; did you mean \"client\"?",
            ],
        );
    }

    #[test]
    fn name_token_or_certificate_of_another_client_is_refused() {
        let entry = |name: &str, known: &str| {
            format!("[[client]]\nname = \"{name}\"\nrole = \"viewer\"\n{known}\n")
        };
        let (token, certificate) = (
            format!("token_sha256 = \"{DIGITS}\""),
            "certificate = \"c\"",
        );
        let other = "different from that of every other client";
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
    fn file_without_valid_clients_is_refused() {
        let missing = "clients.toml:1: client: missing, must be tables [[client]], at least one";
        check("", &[missing]);
        check("client = []", &[missing]);
        check(
            "client = \"x\"",
            &["clients.toml:1: client: a text, must be tables [[client]]"],
        );
        check(
            "client = [1]",
            &["clients.toml:1: client: a number, must be tables [[client]]"],
        );
        check(
            "[[client]]\nname = \"a\"\nrole = \"viewer\"\n",
            &[
                "clients.toml:1: client.token_sha256: missing, must be set unless client.certificate is set: \
                 nobody could authenticate as this client",
            ],
        );
        let syntax = faults("[[client]\nname = \"secret\"\n");
        assert!(
            syntax.len() == 1 && syntax[0].starts_with("clients.toml:1: not TOML"),
            "{syntax:?}"
        );
    }

    #[test]
    fn more_than_the_maximum_number_of_clients_is_refused() {
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
        fn any_text_is_read_or_refused_without_panic(text in ".*", key in "[a-z_\"]{1,12}", value in "\\PC{0,20}") {
            let _ = faults(&text);
            let _ = faults(&format!("[[client]]\n{key} = {value}\nname = {value:?}\n"));
        }
    }
}
