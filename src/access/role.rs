//! Roles and identities.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A role: which calls a client may make. Each role includes the preceding ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads status, verdicts and evidence.
    Viewer,
    /// Runs the line: requests inspections, activates recipes.
    Operator,
    /// Changes how parts are judged.
    Engineer,
}

impl Role {
    /// All roles, ascending.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Engineer];

    /// The name: `viewer`, `operator` or `engineer`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Engineer => "engineer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A text is not the name of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be \"viewer\", \"operator\" or \"engineer\"")]
pub struct RoleError;

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let named = |role: &Self| role.name() == text;
        Self::ALL.into_iter().find(named).ok_or(RoleError)
    }
}

/// How a client was identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// By its connection: a Unix socket, or loopback without configured clients.
    Local,
    /// By a client certificate.
    Certificate,
    /// By a token.
    Token,
}

impl AuthMethod {
    /// The name: `local`, `certificate` or `token`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Certificate => "certificate",
            Self::Token => "token",
        }
    }
}

/// The client that makes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name; [`super::LOCAL`] for [`AuthMethod::Local`].
    pub name: Arc<str>,
    /// Its role.
    pub role: Role,
    /// How it was identified.
    pub method: AuthMethod,
    /// Whether it is on this machine: on a Unix socket or loopback.
    pub local: bool,
}
