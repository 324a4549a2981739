//! The configuration file: read once and validated as a whole, all faults at once.

pub mod key;
pub mod keys;
mod reader;
mod settings;
mod sinks;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use inspectd_client::Endpoint;
use inspectd_gateway::log::{Log, LogFormat};
use thiserror::Error;
use toml::de::DeTable;

use self::key::Key;
pub use self::reader::Fault;
use self::reader::{Document, Table};
pub use self::settings::{
    Broker, Daemon, EvidencePolicy, FileFormat, Files, Filter, Mqtt, MqttVersion, Nats, NatsLogin,
    NatsStream, Origin, Payload, Postgresql, Receiver, S3, Settings, SinkSettings, Sparkplug,
    TlsFiles, Webhook,
};

/// A larger file is refused.
const MAX_BYTES: u64 = 1 << 20;

/// The configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The file has faults.
    #[error("{}", listed(path, faults))]
    Faults {
        /// The file.
        path: PathBuf,
        /// All its faults, by line.
        faults: Vec<Fault>,
    },
}

fn listed(path: &Path, faults: &[Fault]) -> String {
    let lines = faults
        .iter()
        .map(|fault| format!("{}: {fault}", path.display()));
    lines.collect::<Vec<_>>().join("\n")
}

/// Reads a file.
///
/// # Errors
/// If it cannot be read, or has faults: all of them.
pub fn load(path: &Path) -> Result<Settings, ConfigError> {
    let unreadable = |reason: String| ConfigError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let bytes = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() > MAX_BYTES {
        return Err(unreadable("it is larger than 1 MiB".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let folder = std::path::absolute(path).ok();
    let folder = folder
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or(Path::new("/"));
    parse(&text, folder, &host_name()).map_err(|faults| ConfigError::Faults {
        path: path.to_owned(),
        faults,
    })
}

/// The name of this machine.
fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// Reads a text. Relative paths in it are relative to `folder`.
///
/// # Errors
/// All faults of the text, by line.
pub fn parse(text: &str, folder: &Path, host_name: &str) -> Result<Settings, Vec<Fault>> {
    let document = Document::new(text, folder);
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let offset = Some(error.span().map_or(0, |span| span.start));
            document.fault(offset, "", error.message().replace('\n', ", "));
            return Err(document.into_faults());
        }
    };
    let settings = read(&Table::root(&document, &root), host_name);
    let faults = document.into_faults();
    // A part is missing only if there is a fault.
    match settings {
        Some(settings) if faults.is_empty() => Ok(settings),
        _ => Err(faults),
    }
}

fn read(root: &Table<'_>, host_name: &str) -> Option<Settings> {
    let origin = origin(root, host_name);
    let state_folder = root.path(&keys::STATE_FOLDER);
    let shutdown_deadline = root.seconds(&keys::SHUTDOWN_DEADLINE_S);
    let daemon = daemon(&root.table("daemon"));
    let status_listen = status_listen(&root.table("status"));
    let log = log(&root.table("log"));
    let tables = root.tables("sinks");
    if tables.is_empty() {
        root.fault(
            "sinks",
            "is missing, must have a table for each sink: [sinks.ID]",
        );
    }
    // Faults of the sinks are reported also if the names have faults.
    let unnamed = Origin {
        box_name: String::new(),
        site: String::new(),
    };
    let sinks = sinks::read(&tables, origin.as_ref().unwrap_or(&unnamed));
    root.finish();
    Some(Settings {
        origin: origin?,
        state_folder: state_folder?,
        shutdown_deadline: shutdown_deadline?,
        daemon: daemon?,
        status_listen: status_listen.ok()?,
        log: log?,
        sinks: sinks?,
    })
}

fn origin(root: &Table<'_>, host_name: &str) -> Option<Origin> {
    let box_name = if root.has(&keys::BOX) {
        name(root, &keys::BOX)
    } else {
        let usable = is_name(host_name);
        if !usable {
            let message = format!("is missing, and the host name {host_name:?} cannot be used");
            root.fault("box", format!("{message}: must be {}", keys::NAME));
        }
        root.text(&keys::BOX);
        usable.then(|| host_name.to_owned())
    };
    let site = name(root, &keys::SITE);
    Some(Origin {
        box_name: box_name?,
        site: site?,
    })
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

fn name(table: &Table<'_>, key: &Key) -> Option<String> {
    checked(table, key, table.text(key), |text| is_name(text))
}

/// A value that must also satisfy `allowed`; otherwise it is a fault of the key.
fn checked<T>(
    table: &Table<'_>,
    key: &Key,
    value: Option<T>,
    allowed: impl FnOnce(&T) -> bool,
) -> Option<T> {
    let value = value?;
    if allowed(&value) {
        return Some(value);
    }
    table.fault(key.name, format!("must be {}", key.kind));
    None
}

/// A certificate and its key: both or none.
fn identity(table: &Table<'_>, certificate: &Key, key: &Key) -> Option<(PathBuf, PathBuf)> {
    match (table.path(certificate), table.path(key)) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => {
            table.fault(certificate.name, format!("requires `{}`", key.name));
            None
        }
        (None, Some(_)) => {
            table.fault(key.name, format!("requires `{}`", certificate.name));
            None
        }
    }
}

fn daemon(table: &Table<'_>) -> Option<Daemon> {
    let server: Option<Endpoint> = table.parsed(&keys::SERVER);
    let ca = table.path(&keys::CA);
    let identity = identity(table, &keys::CERTIFICATE, &keys::CLIENT_KEY);
    let token_file = table.path(&keys::TOKEN_FILE);
    let silence_timeout = table.seconds(&keys::SILENCE_TIMEOUT_S);
    table.finish();
    Some(Daemon {
        server: server?,
        ca,
        identity,
        token_file,
        silence_timeout: silence_timeout?,
    })
}

/// A value that has a fault, which is recorded.
struct Faulty;

fn status_listen(table: &Table<'_>) -> Result<Option<SocketAddr>, Faulty> {
    let text = table.text(&keys::STATUS_LISTEN);
    table.finish();
    match text.as_deref().map(|text| (text, text.parse())) {
        Some(("off", _)) => Ok(None),
        Some((_, Ok(address))) => Ok(Some(address)),
        Some((_, Err(_))) => {
            let message = format!("must be {}", keys::STATUS_LISTEN.kind);
            table.fault(keys::STATUS_LISTEN.name, message);
            Err(Faulty)
        }
        None => Err(Faulty),
    }
}

fn log(table: &Table<'_>) -> Option<Log> {
    let filter = table.text(&keys::LOG_FILTER);
    let filter = checked(table, &keys::LOG_FILTER, filter, |text| {
        tracing_subscriber::EnvFilter::try_new(text).is_ok()
    });
    let format = table.choice(&keys::LOG_FORMAT, |text| match text {
        "auto" => Some(LogFormat::Auto),
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        "journald" => Some(LogFormat::Journald),
        _ => None,
    });
    table.finish();
    Some(Log {
        filter: filter?,
        format: format?,
    })
}

#[cfg(test)]
mod tests;
