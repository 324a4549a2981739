//! `[users.NAME]`: who may connect, and with which role.

use std::collections::{BTreeMap, BTreeSet};

use super::{NAME, is_name};
use crate::password::PasswordHash;
use inspectd_gateway::config::Section;

/// What a user may do. Each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads states, results and recipes.
    Viewer,
    /// Starts and ends jobs.
    Operator,
    /// Prepares recipes, resets and halts.
    Engineer,
}

impl Role {
    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Engineer => "engineer",
        }
    }
}

/// How a user is recognised.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A password, by its hash.
    Password(Box<PasswordHash>),
    /// A certificate, by the SHA-1 of its DER form, which OPC UA calls its thumbprint.
    Certificate([u8; 20]),
}

/// A user.
#[derive(Clone, Debug)]
pub struct User {
    /// What the user may do.
    pub role: Role,
    /// How the user is recognised.
    pub proof: Proof,
}

/// Reads the users. `None` only if there is a fault.
pub fn users(document: &Section<'_>) -> Option<BTreeMap<String, User>> {
    let sections = document.sections("users");
    if sections.is_empty() {
        document.fault("users", "at least one user must be configured");
    }
    let mut found = BTreeMap::new();
    let mut thumbprints = BTreeSet::new();
    let mut complete = !sections.is_empty();
    for (name, section) in sections {
        if !is_name(&name) {
            section.fault("", &format!("the name of a user must be {NAME}"));
        }
        match user(&section) {
            Some(user) => {
                if let Proof::Certificate(thumbprint) = &user.proof
                    && !thumbprints.insert(*thumbprint)
                {
                    section.fault("certificate", "another user has the same certificate");
                }
                found.insert(name, user);
            }
            None => complete = false,
        }
        section.finish();
    }
    complete.then_some(found)
}

fn user(section: &Section<'_>) -> Option<User> {
    let roles = r#""viewer", "operator" or "engineer""#;
    let role = section.parsed("role", roles, |text| {
        let all = [Role::Viewer, Role::Operator, Role::Engineer];
        all.into_iter().find(|role| role.name() == text)
    });
    if !section.is_set("role") {
        section.fault("role", &format!("missing, must be {roles}"));
    }
    let hash = "a hash that `inspectd-opcua hash-password` printed";
    let hash = section.secret("password_hash", hash, |text| PasswordHash::parse(text).ok());
    let digits = "the SHA-1 of a certificate, 40 hexadecimal digits";
    let certificate = section.parsed("certificate", digits, thumbprint);
    match (
        section.is_set("password_hash"),
        section.is_set("certificate"),
    ) {
        (true, true) => section.fault("certificate", "not together with `password_hash`"),
        (false, false) => section.fault(
            "password_hash",
            "missing: `password_hash` or `certificate` must be set",
        ),
        _ => {}
    }
    let proof = hash
        .map(|hash| Proof::Password(Box::new(hash)))
        .or(certificate.map(Proof::Certificate))?;
    Some(User { role: role?, proof })
}

/// Reads a thumbprint; colons and spaces between its bytes are allowed.
fn thumbprint(text: &str) -> Option<[u8; 20]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !b": ".contains(byte)).collect();
    let mut bytes = [0; 20];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        let is_hexadecimal = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        *byte = u8::from_str_radix(pair, 16)
            .ok()
            .filter(|_| is_hexadecimal)?;
    }
    Some(bytes)
}
