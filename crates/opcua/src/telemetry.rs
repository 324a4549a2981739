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

use crate::config::{Log, LogFormat};

/// Identifier of the program in systemd's journal.
const IDENTIFIER: &str = "inspectd-opcua";

/// Prefix of field names in systemd's journal.
const FIELD_PREFIX: &str = "INSPECTD";

/// Starts the log of the process.
///
/// # Errors
/// If the filter is not valid, or the journal is configured and cannot be reached.
pub fn init(log: &Log) -> anyhow::Result<()> {
    let stream = std::env::var("JOURNAL_STREAM").ok();
    let journal = match log.format {
        LogFormat::Journald => {
            Some(journal().context("log.format: the journal cannot be reached")?)
        }
        // The journal still reads standard error if its socket cannot be reached.
        LogFormat::Auto if is_stream(stream.as_deref(), io::stderr()) => journal().ok(),
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

fn journal() -> io::Result<tracing_journald::Layer> {
    let layer = tracing_journald::layer()?;
    Ok(layer
        .with_syslog_identifier(IDENTIFIER.to_owned())
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
