//! Who changes something, for the audit log.

use std::net::SocketAddr;

use crate::access::{Identity, Role};
use crate::audit::{Action, AuditEntry, Origin};

/// Who changes something, and which way that comes.
#[derive(Clone, Debug)]
pub struct Actor {
    name: String,
    role: String,
    origin: Origin,
    /// Whether it is on this machine: a lock holds for everybody else.
    pub local: bool,
}

impl Actor {
    fn on_this_machine(name: &str, origin: Origin) -> Self {
        Self {
            name: name.to_owned(),
            role: Role::Engineer.to_string(),
            origin,
            local: true,
        }
    }

    /// A signal to the process.
    pub fn signal() -> Self {
        Self::on_this_machine("signal", Origin::Signal)
    }

    /// A file that changed.
    pub fn file() -> Self {
        Self::on_this_machine("file", Origin::File)
    }

    /// The process itself.
    pub fn process() -> Self {
        Self::on_this_machine("inspectd", Origin::Start)
    }

    /// A client.
    pub fn client(identity: &Identity, address: Option<SocketAddr>) -> Self {
        Self {
            name: identity.name.to_string(),
            role: identity.role.to_string(),
            origin: address.map_or(Origin::Local, Origin::Rpc),
            local: identity.local,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does, as the audit log has it.
    pub fn entry(&self, action: Action, subject: &str, before: &str, after: &str) -> AuditEntry {
        AuditEntry {
            who: self.name.clone(),
            role: self.role.clone(),
            origin: self.origin,
            action,
            subject: subject.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }
}
