//! The author of a change, for the audit log.

use std::net::SocketAddr;

use crate::access::{Identity, Role};
use crate::audit::{Action, AuditEntry, Origin};

/// The author of a change, and the way the change was requested.
#[derive(Clone, Debug)]
pub struct Actor {
    name: String,
    role: String,
    origin: Origin,
    /// Whether the actor is on this machine: a change lock excludes all others.
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

    /// A configuration file that changed.
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

    /// Name of the actor.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the audit entry of an action by this actor.
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
