//! Roles, and who has one.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What somebody may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees states, verdicts and evidence.
    Viewer,
    /// Runs the line: has images judged.
    Operator,
    /// Changes what the line judges by.
    Engineer,
}

impl Role {
    /// All roles, from the least.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Engineer];

    /// `viewer`, `operator` or `engineer`.
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

/// No role has this name.
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

/// What somebody is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// Being on this machine, where that is enough.
    Local,
    /// A certificate.
    Certificate,
    /// A token.
    Token,
}

impl How {
    /// `local`, `certificate` or `token`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Certificate => "certificate",
            Self::Token => "token",
        }
    }
}

/// Who makes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The client's name; [`super::LOCAL`] for whoever is known by being here.
    pub name: Arc<str>,
    /// What it may do.
    pub role: Role,
    /// What it is known by.
    pub how: How,
    /// Whether it is on this machine: on a Unix socket, or loopback.
    pub local: bool,
}
