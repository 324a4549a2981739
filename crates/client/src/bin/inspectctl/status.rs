//! `inspectctl status`: the state of the line, once or every second.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use clap::Args;
use inspectd_client::proto::{
    Configuration, Engine, Journal, LineState, Shift, Status, WatchStatusRequest,
};
use inspectd_client::{Client, Error};

use crate::failure::Failure;
use crate::{cameras, format, json};

/// Moves the cursor to the top left and erases the screen.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    /// Print the state every second, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

/// Prints the state.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    if !arguments.watch {
        return print(&client.status().await?, arguments);
    }
    let mut line = client.line();
    let call = line.watch_status(WatchStatusRequest::default());
    let mut statuses = client.answer(call).await?;
    while let Some(response) = statuses
        .message()
        .await
        .map_err(|status| Error::from_stream(&status))?
    {
        print(&response.status.unwrap_or_default(), arguments)?;
    }
    Err(Error::stream_closed().into())
}

fn print(status: &Status, arguments: &Arguments) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    if arguments.json {
        return Ok(json::write(&mut out, &json::Status::from(status))?);
    }
    if arguments.watch && std::io::stdout().is_terminal() {
        write!(out, "{CLEAR}")?;
    }
    write!(out, "{}", describe(status))?;
    if arguments.watch && !std::io::stdout().is_terminal() {
        writeln!(out)?;
    }
    Ok(out.flush()?)
}

/// Describes the state as text.
fn describe(status: &Status) -> String {
    let mut out = String::new();
    let style = state_style(status.state());
    let decisions = status.decisions.unwrap_or_default();
    let _ = writeln!(
        out,
        "line      {style}{}{style:#}, inspectd {}, up {}, run {}",
        format::line_state(status.state()).to_uppercase(),
        status.version,
        status.uptime.map_or_else(|| "-".to_owned(), format::span),
        status.run_id
    );
    let _ = writeln!(
        out,
        "model     {}, threshold {:.4}",
        format::model(status.model.as_ref()),
        status.threshold
    );
    for alarm in &status.alarms {
        let warning = format::warning_style();
        let since = alarm.since_time.as_ref();
        let since = since.map_or_else(|| "-".to_owned(), ToString::to_string);
        let _ = writeln!(
            out,
            "ALARM     {warning}{}{warning:#} (since {since})",
            alarm.message
        );
    }
    out += &engine(&status.engine.clone().unwrap_or_default());
    out += &configuration(&status.configuration.clone().unwrap_or_default());
    let _ = writeln!(
        out,
        "verdicts  {}: {} pass, {} reject, {} review, {} fault",
        status.sequence, decisions.pass, decisions.reject, decisions.review, decisions.fault
    );
    if let Some(shift) = &status.shift {
        out += &describe_shift(shift);
    }
    let _ = writeln!(
        out,
        "streams   {} open, {} missed by slow clients",
        status.streams,
        format::count(status.missed_by_slow_clients, "verdict")
    );
    if let Some(journal) = &status.journal {
        out += &describe_journal(journal, status.sequence);
    }
    if status.late_views > 0 {
        let warning = format::warning_style();
        let views = format::count(status.late_views, "view");
        let _ = writeln!(
            out,
            "parts     {warning}{views} came after the part was decided{warning:#}"
        );
    }
    out.push('\n');
    out + &cameras::describe(&status.cameras)
}

/// Describes the present shift: its begin, its end and its counts.
fn describe_shift(shift: &Shift) -> String {
    let decisions = shift.decisions.unwrap_or_default();
    let time =
        |time: Option<&prost_types::Timestamp>| time.map_or_else(|| "-".to_owned(), format::second);
    let mut out = format!(
        "shift     {} to {}: {} pass, {} reject, {} review, {} fault\n",
        time(shift.start_time.as_ref()),
        time(shift.end_time.as_ref()),
        decisions.pass,
        decisions.reject,
        decisions.review,
        decisions.fault
    );
    if shift.counting {
        let warning = format::warning_style();
        let _ = writeln!(
            out,
            "          {warning}verdicts before the start of the daemon are still being counted{warning:#}"
        );
    }
    out
}

fn engine(engine: &Engine) -> String {
    let mut out = format!(
        "engine    {}, ONNX Runtime {}, {} failed\n",
        engine.provider,
        engine.runtime_version,
        format::count(engine.failures, "run")
    );
    if !engine.fallback_reason.is_empty() {
        let warning = format::warning_style();
        let _ = writeln!(
            out,
            "          {warning}replaces {}: {}{warning:#}",
            engine.requested_provider, engine.fallback_reason
        );
    }
    out
}

fn configuration(configuration: &Configuration) -> String {
    let warning = format::warning_style();
    let time = |time: Option<&prost_types::Timestamp>| {
        time.map_or_else(|| "-".to_owned(), ToString::to_string)
    };
    let mut out = format!(
        "settings  generation {}, hash {}, since {}\n",
        configuration.generation,
        format::short_hash(&configuration.hash),
        time(configuration.loaded_time.as_ref())
    );
    if !configuration.last_reload_error.is_empty() {
        let _ = writeln!(
            out,
            "          {warning}reload refused at {}: {}{warning:#}",
            time(configuration.last_reload_error_time.as_ref()),
            configuration.last_reload_error
        );
    }
    if !configuration.restart_required_keys.is_empty() {
        let _ = writeln!(
            out,
            "          {warning}requires a restart: {}{warning:#}",
            configuration.restart_required_keys.join(", ")
        );
    }
    out
}

/// Size from which on the write-ahead log of the journal is shown: twice the usual one.
const LARGE_LOG: u64 = 32 << 20;

/// Describes the journal: its content, its consumers, its errors and the evidence.
fn describe_journal(journal: &Journal, newest: u64) -> String {
    let warning = format::warning_style();
    let kept = match (newest + 1).saturating_sub(journal.oldest_sequence) {
        0 => "no verdict kept".to_owned(),
        _ => format!("{} to {newest} kept", journal.oldest_sequence),
    };
    let mut out = format!(
        "journal   {kept}, {}, at most {} pending\n",
        format::count(journal.consumers.into(), "consumer"),
        format::count(journal.most_pending, "verdict")
    );
    let mut warn = |text: String| {
        let _ = writeln!(out, "          {warning}{text}{warning:#}");
    };
    if !journal.trouble.is_empty() {
        let since = journal.trouble_time.as_ref();
        let since = since.map(|time| format!(" since {time}"));
        let since = since.unwrap_or_default();
        warn(format!("cannot be written{since}: {}", journal.trouble));
    }
    if journal.unjournalled > 0 {
        let verdicts = format::count(journal.unjournalled, "verdict");
        warn(format!("{verdicts} of this run not journalled"));
    }
    if journal.wal_bytes >= LARGE_LOG {
        let size = format::bytes(journal.wal_bytes);
        warn(format!("write-ahead log of {size}"));
    }
    let _ = writeln!(
        out,
        "evidence  files of {}, {}",
        format::count(journal.evidence_kept, "verdict"),
        format::bytes(journal.evidence_bytes)
    );
    if journal.evidence_missed > 0 {
        let verdicts = format::count(journal.evidence_missed, "verdict");
        let _ = writeln!(
            out,
            "          {warning}{verdicts} without the files that should have been kept{warning:#}"
        );
    }
    out
}

fn state_style(state: LineState) -> Style {
    let colour = match state {
        LineState::Running => AnsiColor::Green,
        LineState::Degraded => AnsiColor::Red,
        LineState::Starting | LineState::Stopping | LineState::Unspecified => AnsiColor::Yellow,
    };
    Style::new().fg_color(Some(colour.into())).bold()
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::{DecisionCounts, Model};

    use super::*;

    fn status() -> Status {
        Status {
            state: LineState::Running.into(),
            version: "0.1.0".into(),
            run_id: "run".into(),
            uptime: Some(prost_types::Duration {
                seconds: 61,
                nanos: 0,
            }),
            model: Some(Model {
                name: "demo".into(),
                version: "1.0.0".into(),
                sha256: "0123456789abcdef".into(),
                precision: "f32".to_owned(),
            }),
            threshold: 0.5,
            engine: Some(Engine {
                provider: "cpu".into(),
                requested_provider: "cuda".into(),
                runtime_version: "1.31.1".into(),
                ..Engine::default()
            }),
            ..Status::default()
        }
    }

    fn shows(status: &Status, text: &str) -> bool {
        let shown = anstream::adapter::strip_str(&describe(status)).to_string();
        shown.lines().any(|line| line.trim() == text)
    }

    #[test]
    fn healthy_line_is_described_without_warnings() {
        let status = status();
        for text in [
            "line      RUNNING, inspectd 0.1.0, up 1 min 1 s, run run",
            "model     demo 1.0.0 (0123456789ab), threshold 0.5000",
            "engine    cpu, ONNX Runtime 1.31.1, 0 runs failed",
            "verdicts  0: 0 pass, 0 reject, 0 review, 0 fault",
        ] {
            assert!(shows(&status, text), "{text}");
        }
        assert_eq!(describe(&status).lines().count(), 8);
    }

    #[test]
    fn shift_shows_its_times_and_its_counts() {
        let mut status = status();
        status.shift = Some(Shift {
            start_time: Some(prost_types::Timestamp {
                seconds: 1_795_000_000,
                nanos: 1,
            }),
            end_time: Some(prost_types::Timestamp {
                seconds: 1_795_028_800,
                nanos: 0,
            }),
            decisions: Some(DecisionCounts {
                pass: 90,
                reject: 4,
                review: 2,
                fault: 1,
            }),
            counting: true,
        });
        for text in [
            "shift     2026-11-18T11:06:40Z to 2026-11-18T19:06:40Z: 90 pass, 4 reject, 2 review, 1 fault",
            "verdicts before the start of the daemon are still being counted",
        ] {
            assert!(shows(&status, text), "{text}");
        }
        assert_eq!(describe(&status).lines().count(), 10);
    }

    #[test]
    fn journal_shows_its_range_its_consumers_and_its_errors() {
        let mut status = status();
        status.sequence = 900;
        status.journal = Some(Journal {
            oldest_sequence: 12,
            consumers: 1,
            most_pending: 30,
            evidence_kept: 2,
            evidence_bytes: 3 << 20,
            ..Journal::default()
        });
        for text in [
            "journal   12 to 900 kept, 1 consumer, at most 30 verdicts pending",
            "evidence  files of 2 verdicts, 3.0 MiB",
        ] {
            assert!(shows(&status, text), "{text}");
        }
        assert_eq!(describe(&status).lines().count(), 10);
        status.late_views = 1;
        let journal = status.journal.get_or_insert_default();
        journal.oldest_sequence = 901;
        journal.trouble = "disk full".into();
        journal.unjournalled = 4;
        journal.evidence_missed = 5;
        journal.wal_bytes = 40 << 20;
        for text in [
            "journal   no verdict kept, 1 consumer, at most 30 verdicts pending",
            "cannot be written: disk full",
            "4 verdicts of this run not journalled",
            "write-ahead log of 40.0 MiB",
            "5 verdicts without the files that should have been kept",
            "parts     1 view came after the part was decided",
        ] {
            assert!(shows(&status, text), "{text}");
        }
    }

    #[test]
    fn fallback_refused_reload_and_pending_restart_are_shown() {
        let mut status = status();
        status.engine.get_or_insert_default().fallback_reason = "no GPU".into();
        let configuration = status.configuration.get_or_insert_default();
        configuration.last_reload_error = "model.bundle: no such folder".into();
        configuration.restart_required_keys = vec!["server.listen".into()];
        for text in [
            "replaces cuda: no GPU",
            "reload refused at -: model.bundle: no such folder",
            "requires a restart: server.listen",
        ] {
            assert!(shows(&status, text), "{text}");
        }
    }
}
