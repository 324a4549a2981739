//! The configuration: one TOML file to validated settings, all faults at once.

mod limits;
mod reader;
mod server;
mod systems;
mod users;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inspectd_client::Endpoint;
use thiserror::Error;
use toml::de::DeTable;

pub use self::limits::Limits;
use self::reader::{Faults, Section};
pub use self::server::{Policy, Server};
pub use self::systems::Target;
pub use self::users::{Proof, Role, User};

/// The default path.
pub const DEFAULT_FILE: &str = "/etc/inspectd/opcua.toml";

/// The largest file that is read.
const LARGEST_BYTES: u64 = 1 << 20;

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

/// Settings of the connection to the daemon.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// The address.
    pub server: Endpoint,
    /// CA of the daemon's certificate, PEM.
    pub ca: Option<PathBuf>,
    /// Certificate and private key of this client, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// File with the token of this client.
    pub token_file: Option<PathBuf>,
    /// A daemon that says nothing for this long is away.
    pub answer_timeout: Duration,
}

/// Settings of the log.
#[derive(Clone, Debug)]
pub struct Log {
    /// The format.
    pub format: LogFormat,
    /// A filter of tracing.
    pub filter: String,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Systemd's journal if standard error is connected to it, otherwise text.
    Auto,
    /// Text on standard error.
    Text,
    /// A JSON object in each line on standard error.
    Json,
    /// Systemd's journal.
    Journald,
}

/// Why there are no settings.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// The faults of the file, a line for each.
    #[error("{}", .0.join("\n"))]
    Faults(Vec<String>),
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// If the file cannot be read, or has faults; all of them are in the error.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable {
            path: path.to_owned(),
            error,
        };
        if std::fs::metadata(path).map_err(unreadable)?.len() > LARGEST_BYTES {
            return Err(unreadable(io::Error::other("it is larger than 1 MiB")));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads a text; `file` is its name in faults. A relative path is relative to the folder of the file.
    ///
    /// # Errors
    /// If the text has faults; all of them are in the error.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let faults = Faults::new(file, text);
        let document = match DeTable::parse(text) {
            Ok(document) => document,
            Err(error) => {
                let place = error.span().map_or(0, |span| span.start);
                faults.add(place, &format!("not TOML: {}", error.message()));
                return Err(ConfigError::Faults(faults.into_lines()));
            }
        };
        let settings = {
            let document = Section::document(&faults, document.get_ref());
            let folder = Path::new(file).parent().unwrap_or(Path::new(""));
            let settings = settings(&document, folder);
            document.finish();
            settings
        };
        let lines = faults.into_lines();
        match settings {
            Some(settings) if lines.is_empty() => Ok(settings),
            _ => Err(ConfigError::Faults(lines)),
        }
    }
}

/// The settings; `None` only if there is a fault.
fn settings(document: &Section<'_>, folder: &Path) -> Option<Settings> {
    let server = server::server(document.section("server"));
    let pki = document.section("pki");
    let pki_folder = path(&pki, "folder", folder);
    pki.finish();
    let users = users::users(document);
    let daemon = daemon(document.section("daemon"), folder);
    let systems = systems::systems(document);
    let limits = limits::limits(document.section("limits"));
    let log = log(document.section("log"));
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

fn daemon(section: Section<'_>, folder: &Path) -> Option<Daemon> {
    let address = "http://HOST:PORT, https://HOST:PORT or unix:/PATH";
    let server = section.parsed("server", address, |text| text.parse().ok());
    let server = server.or_else(|| "http://127.0.0.1:50051".parse().ok());
    let certificate = path(&section, "certificate", folder);
    let key = path(&section, "key", folder);
    if certificate.is_some() != key.is_some() {
        let set = if certificate.is_some() {
            "certificate"
        } else {
            "key"
        };
        section.fault(set, "`certificate` and `key` must be set together");
    }
    let timeout = section.integer("answer_timeout_ms", 200..=60_000);
    let ca = path(&section, "ca", folder);
    let token_file = path(&section, "token_file", folder);
    section.finish();
    Some(Daemon {
        server: server?,
        ca,
        identity: certificate.zip(key),
        token_file,
        answer_timeout: Duration::from_millis(timeout.unwrap_or(2000)),
    })
}

fn log(section: Section<'_>) -> Log {
    let allowed = r#""auto", "text", "json" or "journald""#;
    let format = section.parsed("format", allowed, |text| match text {
        "auto" => Some(LogFormat::Auto),
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        "journald" => Some(LogFormat::Journald),
        _ => None,
    });
    let filter = section.parsed("filter", "a filter of tracing, such as \"info\"", |text| {
        let valid = tracing_subscriber::EnvFilter::try_new(text);
        valid.is_ok().then(|| text.to_owned())
    });
    section.finish();
    Log {
        format: format.unwrap_or(LogFormat::Auto),
        // The library reports every connection and every refused message.
        filter: filter.unwrap_or_else(|| "warn,inspectd_opcua=info".to_owned()),
    }
}

fn path(section: &Section<'_>, key: &'static str, folder: &Path) -> Option<PathBuf> {
    section.parsed(key, "a path", |text| {
        (!text.is_empty()).then(|| folder.join(text))
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
