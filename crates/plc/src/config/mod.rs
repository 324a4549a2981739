//! The configuration: one TOML file to validated settings, all faults at once.

mod station;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use inspectd_gateway::config::{self, ConfigError, Section};
use inspectd_gateway::daemon::Daemon;
use inspectd_gateway::log::Log;
use ipnet::IpNet;

pub use self::station::{StationSettings, Target};

/// The default path.
pub const DEFAULT_FILE: &str = "/etc/inspectd/plc.toml";

/// The settings of the program.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Modbus server.
    pub modbus: Modbus,
    /// The connection to the daemon.
    pub daemon: Daemon,
    /// The folder of the state files.
    pub state_folder: PathBuf,
    /// The log.
    pub log: Log,
    /// The stations by id; at least one.
    pub stations: BTreeMap<String, StationSettings>,
}

/// Settings of the Modbus server.
#[derive(Clone, Debug)]
pub struct Modbus {
    /// The address that it listens on.
    pub listen: SocketAddr,
    /// The networks from which PLCs may connect. Empty: this machine only.
    pub allowed: Vec<IpNet>,
    /// The most connections.
    pub connection_limit: usize,
    /// A connection without a request for this long is closed.
    pub idle_timeout: Duration,
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
    let modbus = modbus(document.section("modbus"));
    let daemon = Daemon::read(document.section("daemon"), folder);
    let state = document.section("state");
    let state_folder = state.path("folder", folder);
    state.finish();
    let log = Log::read(document.section("log"), "info");
    let stations = station::stations(document);
    Some(Settings {
        modbus,
        daemon: daemon?,
        state_folder: state_folder.unwrap_or_else(|| "/var/lib/inspectd-plc".into()),
        log,
        stations: stations?,
    })
}

fn modbus(section: Section<'_>) -> Modbus {
    let address = "an IP address and a port, such as \"127.0.0.1:1502\"";
    let listen = section.parsed("listen", address, |text| text.parse::<SocketAddr>().ok());
    let listen = listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 1502)));
    let network = "an IP address or a network, such as \"192.168.10.5\" or \"192.168.10.0/24\"";
    let allowed = section.list("allowed", network, |text| {
        let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse().ok().or_else(address)
    });
    if !listen.ip().is_loopback() && allowed.is_empty() {
        let fault =
            "must list the PLCs, because `listen` is not on loopback and Modbus has no passwords";
        section.fault("allowed", fault);
    }
    let limit = section.integer("connection_limit", 1..=256).unwrap_or(8);
    let idle = section.integer("idle_timeout_s", 1..=86_400).unwrap_or(60);
    section.finish();
    Modbus {
        listen,
        allowed,
        connection_limit: limit as usize,
        idle_timeout: Duration::from_secs(idle),
    }
}

#[cfg(test)]
mod tests;
