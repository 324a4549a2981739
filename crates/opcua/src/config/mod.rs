//! The configuration: one TOML file to validated settings, all faults at once.

mod limits;
mod server;
mod systems;
mod users;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use inspectd_gateway::config::{self, ConfigError, Section};
use inspectd_gateway::daemon::Daemon;
use inspectd_gateway::log::Log;

pub use self::limits::Limits;
pub use self::server::{Policy, Server};
pub use self::systems::Target;
pub use self::users::{Proof, Role, User};

/// The default path.
pub const DEFAULT_FILE: &str = "/etc/inspectd/opcua.toml";

/// The settings of the program.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The OPC UA server.
    pub server: Server,
    /// The folder of the certificates.
    pub pki_folder: PathBuf,
    /// The users by name; at least one.
    pub users: BTreeMap<String, User>,
    /// The connection to the daemon.
    pub daemon: Daemon,
    /// The vision systems by name; at least one.
    pub systems: BTreeMap<String, Target>,
    /// The limits.
    pub limits: Limits,
    /// The log.
    pub log: Log,
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// If the file cannot be read, or has faults; all of them are in the error.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        config::read(path, settings)
    }

    /// Reads a text; `file` is its name in faults.
    #[cfg(test)]
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        config::parse(file, text, settings)
    }
}

/// The settings; `None` only if there is a fault.
fn settings(document: &Section<'_>, folder: &Path) -> Option<Settings> {
    let server = server::server(document.section("server"));
    let pki = document.section("pki");
    let pki_folder = pki.path("folder", folder);
    pki.finish();
    let users = users::users(document);
    let daemon = Daemon::read(document.section("daemon"), folder);
    let systems = systems::systems(document);
    let limits = limits::limits(document.section("limits"));
    // The library reports every connection and every refused message.
    let log = Log::read(document.section("log"), "warn,inspectd_opcua=info");
    Some(Settings {
        server: server?,
        pki_folder: pki_folder.unwrap_or_else(|| "/var/lib/inspectd-opcua/pki".into()),
        users: users?,
        daemon: daemon?,
        systems: systems?,
        limits,
        log,
    })
}

/// What the name of a user, a system, a camera or a group may be.
const NAME: &str = "1 to 64 of a-z, 0-9, '-' and '_'";

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests;
