//! The output of a replay: changes, progress and the summary.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use inspectd_client::proto::{ReplayChange, ReplayProgress, ReplaySummary};

use super::{Arguments, report};
use crate::json::ReplayEvent;
use crate::{format, json};

/// The interval between two updates of the progress line.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Moves the cursor to the start of the line and erases the line.
const ERASE_LINE: &str = "\r\x1b[2K";

/// The output of a replay.
pub struct ReplayOutput<W> {
    out: W,
    json: bool,
    /// Changes still to be shown.
    remaining: u64,
    changes: u64,
    progress: ProgressLine,
}

impl<W: Write> ReplayOutput<W> {
    /// Creates the output to `out`.
    pub fn new(arguments: &Arguments, out: W) -> Self {
        Self {
            out,
            json: arguments.json,
            remaining: arguments.changes,
            changes: 0,
            progress: ProgressLine {
                begun: Instant::now(),
                shown: None,
                visible: std::io::stderr().is_terminal(),
            },
        }
    }

    /// Shows a change, until the limit is reached.
    pub fn change(&mut self, change: &ReplayChange) -> std::io::Result<()> {
        self.changes += 1;
        if self.json {
            return json::write(&mut self.out, &ReplayEvent::Change(change.into()));
        }
        if self.remaining == 0 {
            return Ok(());
        }
        self.remaining -= 1;
        self.progress.erase();
        writeln!(self.out, "{}", report::change(change))
    }

    /// Shows the summary.
    pub fn summary(&mut self, summary: &ReplaySummary) -> std::io::Result<()> {
        self.progress.erase();
        if self.json {
            return json::write(&mut self.out, &ReplayEvent::Summary(summary.into()));
        }
        write!(self.out, "{}", report::summary(summary, self.changes))?;
        self.out.flush()
    }

    /// Shows the progress, if standard error is a terminal and the interval has passed.
    pub fn progress(&mut self, progress: &ReplayProgress, now: Instant) {
        self.progress.show(progress, now);
    }

    /// Erases the progress.
    pub fn erase_progress(&mut self) {
        self.progress.erase();
    }
}

/// The progress, on the last line of a terminal.
struct ProgressLine {
    begun: Instant,
    shown: Option<Instant>,
    visible: bool,
}

impl ProgressLine {
    fn show(&mut self, progress: &ReplayProgress, now: Instant) {
        let due = self.shown.is_none_or(|at| now - at >= PROGRESS_INTERVAL);
        if !self.visible || !due {
            return;
        }
        self.shown = Some(now);
        let line = describe_progress(progress, now - self.begun);
        // An error is ignored: the progress is not part of the output.
        let _ = write!(std::io::stderr(), "{ERASE_LINE}{line}");
    }

    fn erase(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(std::io::stderr(), "{ERASE_LINE}");
        }
    }
}

fn describe_progress(progress: &ReplayProgress, took: Duration) -> String {
    let all = (progress.last_sequence + 1).saturating_sub(progress.first_sequence);
    let done = (progress.at_sequence + 1).saturating_sub(progress.first_sequence);
    let share = if all == 0 {
        1.0
    } else {
        done as f64 / all as f64
    };
    let seconds = took.as_secs_f64().max(1e-3);
    let rate = progress.verdicts as f64 / seconds;
    let left = Duration::from_secs_f64(seconds * (1.0 / share.max(1e-9) - 1.0).clamp(0.0, 1e6));
    let left = left
        .try_into()
        .map_or_else(|_| "-".to_owned(), format::span);
    format!(
        "{:.0} %, {}, {rate:.0} per second, {left} left",
        100.0 * share,
        format::count(progress.verdicts, "verdict")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_shows_the_remaining_time() {
        let progress = ReplayProgress {
            verdicts: 100,
            first_sequence: 101,
            last_sequence: 500,
            at_sequence: 200,
        };
        assert_eq!(
            describe_progress(&progress, Duration::from_secs(10)),
            "25 %, 100 verdicts, 10 per second, 30 s left"
        );
        let nothing = ReplayProgress {
            first_sequence: 5,
            last_sequence: 4,
            at_sequence: 4,
            ..ReplayProgress::default()
        };
        assert_eq!(
            describe_progress(&nothing, Duration::from_secs(1)),
            "100 %, 0 verdicts, 0 per second, 0 s left"
        );
    }
}
