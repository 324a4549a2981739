//! The log: text or JSON on standard error, or systemd's journal. Its filter can be changed at run time.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::config::settings::{Log, LogFormat};

/// Identifier of the daemon in systemd's journal.
const IDENTIFIER: &str = "inspectd";

/// Prefix of field names in systemd's journal: `camera` becomes `INSPECTD_CAMERA`.
const FIELD_PREFIX: &str = "INSPECTD";

/// Why the log cannot be started or changed.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter is not valid.
    #[error(
        "log.filter: {filter:?}, must be a filter of tracing, such as \"info,inspectd=debug\": {source}"
    )]
    Filter {
        /// The given text.
        filter: String,
        /// The reason.
        source: ParseError,
    },
    /// Systemd's journal is not reachable.
    #[error("log.format = \"journald\": the journal's socket cannot be reached: {0}")]
    Journal(io::Error),
    /// A log was started before.
    #[error("a log was already started: {0}")]
    Again(#[from] TryInitError),
    /// The log has ended.
    #[error("the log filter cannot be changed: {0}")]
    Ended(#[from] reload::Error),
}

/// The log of the process.
#[derive(Clone, Debug)]
pub struct Telemetry {
    filter: Handle<EnvFilter, Registry>,
    format: LogFormat,
}

/// Starts the log of the process. Colours are used on terminals, unless `NO_COLOR` is set.
///
/// # Errors
/// When the filter is not valid, the journal is configured but not reachable, or a log was started before.
pub fn init(log: &Log) -> Result<Telemetry, TelemetryError> {
    let journal_stream = std::env::var("JOURNAL_STREAM").ok();
    let (format, journal) = match log.format {
        LogFormat::Journald => (
            LogFormat::Journald,
            Some(journal().map_err(TelemetryError::Journal)?),
        ),
        LogFormat::Auto if is_stream(journal_stream.as_deref(), io::stderr()) => match journal() {
            Ok(journal) => (LogFormat::Journald, Some(journal)),
            // The journal still reads standard error.
            Err(_) => (LogFormat::Text, None),
        },
        LogFormat::Auto => (LogFormat::Text, None),
        format => (format, None),
    };
    let (filter, handle) = reload::Layer::new(parse(&log.filter)?);
    let registry = tracing_subscriber::registry().with(filter);
    match journal {
        Some(journal) => registry.with(journal).try_init()?,
        None => registry
            .with(lines(format, colours(), io::stderr))
            .try_init()?,
    }
    Ok(Telemetry {
        filter: handle,
        format,
    })
}

impl Telemetry {
    /// Returns the effective format; never [`LogFormat::Auto`].
    pub fn format(&self) -> LogFormat {
        self.format
    }

    /// Replaces the filter.
    ///
    /// # Errors
    /// When it is not valid; then the filter is unchanged.
    pub fn set_filter(&self, filter: &str) -> Result<(), TelemetryError> {
        Ok(self.filter.reload(parse(filter)?)?)
    }
}

fn parse(filter: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(filter).map_err(|source| TelemetryError::Filter {
        filter: filter.to_owned(),
        source,
    })
}

fn journal() -> io::Result<tracing_journald::Layer> {
    let layer = tracing_journald::layer()?;
    Ok(layer
        .with_syslog_identifier(IDENTIFIER.to_owned())
        .with_field_prefix(Some(FIELD_PREFIX.to_owned())))
}

/// A layer that writes lines of text or JSON.
fn lines<S, W>(format: LogFormat, colours: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer).with_ansi(colours);
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

/// Whether `output` is the stream named by `JOURNAL_STREAM`, `DEVICE:INODE` (systemd.exec(5)). A process
/// that inherited the variable but not the stream does not write to the journal.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    /// Collects the written bytes.
    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).expect("text")
        }
    }

    fn logged(
        format: LogFormat,
        colours: bool,
        filter: &str,
        act: impl FnOnce(&Telemetry),
    ) -> String {
        let output = Output::default();
        let writer = output.clone();
        let (filter, handle) = reload::Layer::new(parse(filter).expect("a filter"));
        let subscriber =
            tracing_subscriber::registry()
                .with(filter)
                .with(lines(format, colours, move || writer.clone()));
        let telemetry = Telemetry {
            filter: handle,
            format,
        };
        tracing::subscriber::with_default(subscriber, || act(&telemetry));
        output.text()
    }

    #[test]
    fn a_new_filter_takes_effect_immediately_and_an_invalid_one_is_refused() {
        let text = logged(LogFormat::Text, false, "info", |telemetry| {
            tracing::debug!("first");
            telemetry.set_filter("debug").expect("a filter");
            tracing::debug!("second");
            let error = telemetry
                .set_filter("inspectd=loud")
                .expect_err("not a level");
            assert!(
                error
                    .to_string()
                    .starts_with("log.filter: \"inspectd=loud\", must be"),
                "{error}"
            );
            tracing::debug!("third");
        });
        assert!(!text.contains("first"), "{text}");
        assert!(text.contains("second") && text.contains("third"), "{text}");
    }

    #[test]
    fn text_is_one_line_with_its_fields_and_colours_only_on_request() {
        let act = |_: &Telemetry| tracing::info!(camera = "left", "opened");
        let plain = logged(LogFormat::Text, false, "info", act);
        assert_eq!(plain.lines().count(), 1);
        assert!(
            plain.contains("INFO") && plain.contains("opened camera=\"left\""),
            "{plain}"
        );
        assert!(!plain.contains('\u{1b}'), "{plain}");
        assert!(logged(LogFormat::Text, true, "info", act).contains('\u{1b}'));
    }

    #[test]
    fn json_contains_the_message_and_the_fields_at_the_top_level() {
        let text = logged(LogFormat::Json, false, "info", |_| {
            tracing::info!(camera = "left", frame = 7, "opened");
        });
        let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let seen = (
            &line["message"],
            &line["camera"],
            &line["frame"],
            &line["level"],
        );
        assert_eq!(
            seen,
            (&"opened".into(), &"left".into(), &7.into(), &"INFO".into())
        );
    }

    #[test]
    fn the_journal_stream_is_recognised_by_device_and_inode() {
        let file = tempfile::tempfile().expect("a file");
        let is = file.metadata().expect("metadata");
        let (device, inode) = (is.dev(), is.ino());
        let check = |stream: Option<String>, expected| {
            assert_eq!(is_stream(stream.as_deref(), &file), expected, "{stream:?}");
        };
        check(Some(format!("{device}:{inode}")), true);
        check(Some(format!("{device}:{}", inode + 1)), false);
        check(Some(format!("{}:{inode}", device + 1)), false);
        check(Some("nonsense".to_owned()), false);
        check(Some(String::new()), false);
        check(None, false);
    }
}
