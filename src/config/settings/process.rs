//! The sections of the process and its log.

use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::config::field::choice;
use crate::config::group::section;
use crate::config::key::{Key, Unit};
use crate::config::kind::Kind;

section! {
    /// Start and shutdown of the process.
    pub struct Life = "life" {
        /// Maximum time of an orderly shutdown; then the process exits regardless.
        shutdown_deadline: Duration =
            Key::preset("shutdown_deadline_s", Kind::Number(0.1, 300.0), "10").unit(Unit::Seconds),

        /// Whether the process exits, with exit code 0, once every camera has ended.
        exit_when_ended: bool = Key::preset("exit_when_ended", Kind::Flag, "false"),

        /// Whether a changed configuration file is reloaded automatically.
        watch_files: bool = Key::preset("watch_files", Kind::Flag, "true"),
    }
}

choice! {
    /// Destination and format of log messages.
    pub enum LogFormat {
        /// The systemd journal if systemd reads standard error, otherwise text.
        Auto = "auto",
        /// Lines on standard error.
        Text = "text",
        /// One JSON object on each line of standard error.
        Json = "json",
        /// The systemd journal, with fields.
        Journald = "journald",
    }
}

section! {
    /// The log.
    pub struct Log = "log" {
        /// Filter of log messages, in the syntax of tracing's `EnvFilter`.
        filter: String = Key::preset(
            "filter",
            Kind::Text(is_filter, "a filter of tracing, such as \"info,inspectd=debug\""),
            "info",
        )
        .live(),

        /// Destination and format. `text` and `json` go to standard error, `journald` to the systemd journal
        /// with its fields. `auto` is `journald` if systemd reads standard error, otherwise `text`.
        format: LogFormat = Key::preset("format", Kind::Choice(LogFormat::WORDS), "auto"),
    }
}

fn is_filter(text: &str) -> bool {
    !text.trim().is_empty() && EnvFilter::try_new(text).is_ok()
}
