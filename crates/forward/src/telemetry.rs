//! The log: text or JSON on standard error, or the systemd journal.

use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{Log, LogFormat};

/// Identifier of the program in the systemd journal.
const IDENTIFIER: &str = "inspectd-forward";
/// Prefix of field names in the systemd journal: `sink` becomes `INSPECTD_SINK`.
const FIELD_PREFIX: &str = "INSPECTD";

/// The log cannot be started.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter is not valid.
    #[error("log.filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The systemd journal is not reachable.
    #[error("log.format = \"journald\": the journal's socket cannot be reached: {0}")]
    Journal(io::Error),
    /// A log was started before.
    #[error("a log was already started: {0}")]
    Again(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts the log of the process.
///
/// # Errors
/// If the journal is configured and not reachable, or a log was started before.
pub fn init(log: &Log) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&log.filter)?;
    let layer = match log.format {
        LogFormat::Journald => journal().map_err(TelemetryError::Journal)?,
        // The journal still reads standard error if its socket cannot be reached.
        LogFormat::Auto if is_journal() => journal().unwrap_or_else(|_| lines(false)),
        LogFormat::Auto | LogFormat::Text => lines(false),
        LogFormat::Json => lines(true),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()?;
    Ok(())
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

fn journal() -> io::Result<BoxedLayer> {
    let layer = tracing_journald::layer()?;
    let layer = layer.with_syslog_identifier(IDENTIFIER.to_owned());
    Ok(layer
        .with_field_prefix(Some(FIELD_PREFIX.to_owned()))
        .boxed())
}

fn lines(json: bool) -> BoxedLayer {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = !forbidden && io::stderr().is_terminal();
    let layer = fmt::layer().with_writer(io::stderr).with_ansi(colours);
    if json {
        layer
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed()
    } else {
        layer.compact().boxed()
    }
}

/// Whether systemd reads standard error: systemd.exec(5), `JOURNAL_STREAM`.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    rustix::fs::fstat(io::stderr())
        .is_ok_and(|status| stream == format!("{}:{}", status.st_dev, status.st_ino))
}
