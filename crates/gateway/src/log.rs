//! The log: text or JSON on standard error, or systemd's journal.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use anyhow::Context;
use tracing::Subscriber;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::Section;

/// Prefix of field names in systemd's journal.
const FIELD_PREFIX: &str = "INSPECTD";

/// Settings of the log: the table `log`.
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

impl Log {
    /// Reads the table. `filter` is the default of its filter.
    pub fn read(section: Section<'_>, filter: &str) -> Self {
        let allowed = r#""auto", "text", "json" or "journald""#;
        let format = section.parsed("format", allowed, |text| match text {
            "auto" => Some(LogFormat::Auto),
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            "journald" => Some(LogFormat::Journald),
            _ => None,
        });
        let allowed = "a filter of tracing, such as \"info\"";
        let found = section.parsed("filter", allowed, |text| {
            let valid = EnvFilter::try_new(text);
            valid.is_ok().then(|| text.to_owned())
        });
        section.finish();
        Self {
            format: format.unwrap_or(LogFormat::Auto),
            filter: found.unwrap_or_else(|| filter.to_owned()),
        }
    }
}

/// Starts the log of the process. `program` is its identifier in systemd's journal.
///
/// # Errors
/// If the filter is not valid, or the journal is configured and cannot be reached.
pub fn init(log: &Log, program: &str) -> anyhow::Result<()> {
    let stream = std::env::var("JOURNAL_STREAM").ok();
    let journal = match log.format {
        LogFormat::Journald => {
            Some(journal(program).context("log.format: the journal cannot be reached")?)
        }
        // The journal still reads standard error if its socket cannot be reached.
        LogFormat::Auto if is_stream(stream.as_deref(), io::stderr()) => journal(program).ok(),
        _ => None,
    };
    let filter = EnvFilter::try_new(&log.filter).context("log.filter")?;
    let registry = tracing_subscriber::registry().with(filter);
    match journal {
        Some(journal) => registry.with(journal).try_init()?,
        None => registry.with(lines(log.format)).try_init()?,
    }
    Ok(())
}

fn journal(program: &str) -> io::Result<tracing_journald::Layer> {
    let layer = tracing_journald::layer()?;
    Ok(layer
        .with_syslog_identifier(program.to_owned())
        .with_field_prefix(Some(FIELD_PREFIX.to_owned())))
}

/// A layer that writes lines of text or JSON.
fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let layer = fmt::layer().with_writer(io::stderr).with_ansi(colours());
    match format {
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
        _ => layer.compact().boxed(),
    }
}

fn colours() -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !forbidden && io::stderr().is_terminal()
}

/// Whether `output` is the stream named by `JOURNAL_STREAM`, `DEVICE:INODE` (systemd.exec(5)).
fn is_stream(journal_stream: Option<&str>, output: impl AsFd) -> bool {
    let Some((device, inode)) = journal_stream.and_then(|text| text.split_once(':')) else {
        return false;
    };
    let metadata = output
        .as_fd()
        .try_clone_to_owned()
        .and_then(|fd| File::from(fd).metadata());
    metadata.is_ok_and(|is| device.parse() == Ok(is.dev()) && inode.parse() == Ok(is.ino()))
}
