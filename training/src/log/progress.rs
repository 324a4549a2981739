//! Progress of a long command: a bar on a terminal, periodic plain lines otherwise.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// Minimum time between two plain lines, which go to stored logs (CI, the system journal).
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Progress display on standard error.
pub struct Progress {
    output: Output,
}

enum Output {
    Bar(ProgressBar),
    Plain(Plain),
}

impl Progress {
    /// Shows `label` with `start` of `total` done. `start` is the position of a resumed run, which is excluded
    /// from the rate.
    pub fn new(label: &str, total: u64, start: u64) -> Self {
        let output = if std::io::stderr().is_terminal() {
            Output::Bar(bar(label, total, start))
        } else {
            Output::Plain(Plain::new(label, total, start, Instant::now()))
        };
        Self { output }
    }

    /// Sets the progress to `done`. `message` is shown next to it, e.g. `L 0.412 G 0.388`.
    pub fn set(&mut self, done: u64, message: &str) {
        match &mut self.output {
            Output::Bar(bar) => {
                bar.set_message(message.to_owned());
                bar.set_position(done);
            }
            Output::Plain(plain) => print(plain.set(done, message, Instant::now())),
        }
    }

    /// Finishes the display; the last state stays on the terminal or in the log.
    pub fn finish(self) {
        match self.output {
            Output::Bar(bar) => bar.abandon(),
            Output::Plain(plain) => print(plain.unprinted.then(|| plain.line(Instant::now()))),
        }
    }
}

fn bar(label: &str, total: u64, start: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{prefix:.bold} {bar:28.cyan/dim} {pos}/{len}  {rate}  {left:.yellow}  {msg:.dim}",
    )
    .expect("a valid template")
    .progress_chars("━╸─")
    .with_key(
        "rate",
        |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // A failed write to the terminal must not stop a training.
            let _ = out.write_str(&rate(state.per_sec()));
        },
    )
    .with_key(
        "left",
        |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = out.write_str(&left(state.eta()));
        },
    );
    let bar = ProgressBar::new(total)
        .with_style(style)
        .with_prefix(label.to_owned())
        .with_position(start);
    bar.reset_eta();
    bar
}

/// State of the plain lines. The current time is passed as an argument.
struct Plain {
    label: String,
    total: u64,
    start: u64,
    started: Instant,
    done: u64,
    message: String,
    printed: Option<Instant>,
    unprinted: bool,
}

impl Plain {
    fn new(label: &str, total: u64, start: u64, now: Instant) -> Self {
        Self {
            label: label.to_owned(),
            total,
            start,
            started: now,
            done: start,
            message: String::new(),
            printed: None,
            unprinted: false,
        }
    }

    /// Updates the state and returns the line to print, if one is due.
    fn set(&mut self, done: u64, message: &str, now: Instant) -> Option<String> {
        self.done = done;
        message.clone_into(&mut self.message);
        let due = self
            .printed
            .is_none_or(|last| now.duration_since(last) >= PLAIN_INTERVAL);
        self.unprinted = !due;
        due.then(|| {
            self.printed = Some(now);
            self.line(now)
        })
    }

    fn line(&self, now: Instant) -> String {
        let percent = 100.0 * self.done as f64 / self.total.max(1) as f64;
        let per_second = self.done.saturating_sub(self.start) as f64
            / now.duration_since(self.started).as_secs_f64();
        let mut line = format!(
            "{}: {}/{} ({percent:.0} %)",
            self.label, self.done, self.total
        );
        if per_second.is_finite() && per_second > 0.0 {
            let remaining = self.total.saturating_sub(self.done) as f64 / per_second;
            let remaining = Duration::try_from_secs_f64(remaining).unwrap_or(Duration::MAX);
            let _ = write!(line, ", {}, {}", rate(per_second), left(remaining));
        }
        if !self.message.is_empty() {
            let _ = write!(line, ", {}", self.message);
        }
        line
    }
}

/// Prints to standard error. Unlike `eprintln!`, it does not panic when standard error is closed.
fn print(line: Option<String>) {
    if let Some(line) = line {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

fn rate(per_second: f64) -> String {
    format!(
        "{per_second:.*} it/s",
        usize::from(per_second < 100.0) + usize::from(per_second < 10.0)
    )
}

fn left(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let (days, hours) = (minutes / 1440, minutes / 60 % 24);
    match (days, hours, minutes) {
        (1.., ..) => format!("{days} d {hours} h left"),
        (_, 1.., _) => format!("{hours} h {:02} min left", minutes % 60),
        (.., 1..) => format!("{minutes} min {:02} s left", time.as_secs() % 60),
        _ => format!("{} s left", time.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_line_shows_position_rate_remaining_time_and_message() {
        let start = Instant::now();
        let mut plain = Plain::new("train", 80_000, 20_000, start);
        let line = plain.set(
            20_100,
            "L 0.412 G 0.388 SD 0.101",
            start + Duration::from_secs(50),
        );
        assert_eq!(
            line.as_deref(),
            Some("train: 20100/80000 (25 %), 2.00 it/s, 8 h 19 min left, L 0.412 G 0.388 SD 0.101")
        );
    }

    #[test]
    fn plain_lines_are_at_least_ten_seconds_apart() {
        let start = Instant::now();
        let mut plain = Plain::new("train", 100, 0, start);
        let printed: Vec<u64> = (0..=25)
            .filter(|&second| {
                plain
                    .set(second, "", start + Duration::from_secs(second))
                    .is_some()
            })
            .collect();
        assert_eq!(printed, [0, 10, 20]);
    }

    #[test]
    fn remaining_time_is_formatted_with_two_units() {
        let check =
            |seconds, expected: &str| assert_eq!(left(Duration::from_secs(seconds)), expected);
        check(42, "42 s left");
        check(754, "12 min 34 s left");
        check(3_660, "1 h 01 min left");
        check(200_000, "2 d 7 h left");
    }

    #[test]
    fn zero_total_and_zero_elapsed_time_give_a_line_without_rate() {
        let start = Instant::now();
        let mut plain = Plain::new("train", 0, 0, start);
        assert_eq!(plain.set(0, "", start).as_deref(), Some("train: 0/0 (0 %)"));
    }

    #[test]
    fn rates_are_formatted_with_three_digits() {
        assert_eq!(rate(0.7), "0.70 it/s");
        assert_eq!(rate(12.34), "12.3 it/s");
        assert_eq!(rate(1234.5), "1234 it/s");
    }
}
