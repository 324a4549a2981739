//! `losses.csv`: the losses and the speed of a run, one row per log interval.
//!
//! The file survives crashes. A row is a single write, so only the last line of a killed process can be
//! incomplete. A resumed run removes the rows of the steps that it repeats.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::files;

/// A row of the log: means since the previous row.
#[derive(Clone, Debug, PartialEq)]
pub struct LossRow {
    /// Number of steps done.
    pub step: u64,
    /// Mean losses, in the order of the columns.
    pub losses: Vec<f64>,
    /// Learning rate at this step.
    pub learning_rate: f64,
    /// Steps per second, including time spent waiting for data.
    pub steps_per_second: f64,
    /// Fraction of the time spent waiting for data, 0 to 1.
    pub wait_share: f64,
}

/// A `losses.csv` opened for appending.
pub struct LossLog {
    file: File,
}

impl LossLog {
    /// Opens the log at `path`, with loss columns `names`, for a run that continues after `step`. Removes
    /// later rows and an incomplete last line. At step 0, or if the file does not exist, creates an empty log.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is not a log of these losses.
    pub fn open(path: &Path, names: &[&str], step: u64) -> Result<Self> {
        let mut rows = if step > 0 && path.exists() {
            read(path, names)?
        } else {
            Vec::new()
        };
        rows.retain(|row| row.step <= step);
        let text = std::iter::once(header(names))
            .chain(rows.iter().map(format_row))
            .collect::<String>();
        files::replace_text(path, &text)?;
        let file = OpenOptions::new().append(true).open(path);
        Ok(Self {
            file: file.with_context(|| format!("cannot open {}", path.display()))?,
        })
    }

    /// Appends a row. Readers see it immediately.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&mut self, row: &LossRow) -> Result<()> {
        self.file
            .write_all(format_row(row).as_bytes())
            .context("cannot write to losses.csv")
    }
}

/// Reads the rows of the log at `path` with loss columns `names`. Ignores an incomplete last line.
///
/// # Errors
/// When the file cannot be read or is not a log of these losses.
pub fn read(path: &Path, names: &[&str]) -> Result<Vec<LossRow>> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => anyhow::anyhow!("{}: not valid UTF-8", path.display()),
        _ => anyhow::Error::from(error).context(format!("cannot read {}", path.display())),
    })?;
    // A line without a line break is incomplete: "0.12" may be the start of "0.125".
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let mut lines = whole.split_inclusive('\n').enumerate();
    let Some((_, first)) = lines.next() else {
        return Ok(Vec::new());
    };
    ensure!(
        first == header(names),
        "{}: the first line must be {}",
        path.display(),
        header(names).trim()
    );
    let row = |(index, text): (usize, &str)| {
        let text = text.trim_end();
        parse(text, names.len())
            .with_context(|| format!("{}:{}: invalid row: {text}", path.display(), index + 1))
    };
    lines.map(row).collect()
}

fn header(names: &[&str]) -> String {
    format!(
        "step,{},learning_rate,steps_per_second,wait_share\n",
        names.join(",")
    )
}

fn format_row(row: &LossRow) -> String {
    let losses: Vec<String> = row.losses.iter().map(f64::to_string).collect();
    format!(
        "{},{},{},{:.4},{:.4}\n",
        row.step,
        losses.join(","),
        row.learning_rate,
        row.steps_per_second,
        row.wait_share
    )
}

fn parse(text: &str, losses: usize) -> Option<LossRow> {
    let (step, numbers) = text.split_once(',')?;
    let numbers: Vec<f64> = numbers
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let (losses, &[learning_rate, steps_per_second, wait_share]) =
        numbers.split_at_checked(losses)?
    else {
        return None;
    };
    Some(LossRow {
        step: step.parse().ok()?,
        losses: losses.to_vec(),
        learning_rate,
        steps_per_second,
        wait_share,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const NAMES: [&str; 3] = ["structural", "logical", "total"];

    fn row(step: u64) -> LossRow {
        LossRow {
            step,
            losses: vec![0.1 + step as f64, 1.0 / 3.0, 1e-7],
            learning_rate: 1e-4,
            steps_per_second: 0.6875,
            wait_share: 0.25,
        }
    }

    /// Writes a log of steps 10, 20 and 30 to a temporary folder.
    fn log() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("losses.csv");
        let mut log = LossLog::open(&path, &NAMES, 0).expect("created");
        for step in [10, 20, 30] {
            log.append(&row(step)).expect("written");
        }
        (folder, path)
    }

    #[test]
    fn written_rows_are_read_back_unchanged() {
        let (_folder, path) = log();
        assert_eq!(
            read(&path, &NAMES).expect("read"),
            [row(10), row(20), row(30)]
        );
    }

    #[test]
    fn resuming_removes_rows_after_the_resumed_step() {
        let (_folder, path) = log();
        let mut log = LossLog::open(&path, &NAMES, 20).expect("resumed");
        log.append(&row(25)).expect("written");
        assert_eq!(
            read(&path, &NAMES).expect("read"),
            [row(10), row(20), row(25)]
        );
    }

    #[test]
    fn incomplete_last_line_is_ignored() {
        let (_folder, path) = log();
        let text = fs::read_to_string(&path).expect("read");
        // Truncated within the last number, where the rest is still a valid row.
        fs::write(&path, &text[..text.len() - 2]).expect("written");
        assert_eq!(read(&path, &NAMES).expect("read"), [row(10), row(20)]);
        LossLog::open(&path, &NAMES, 30)
            .expect("resumed")
            .append(&row(30))
            .expect("written");
        assert_eq!(
            read(&path, &NAMES).expect("read"),
            [row(10), row(20), row(30)]
        );
    }

    #[test]
    fn resuming_without_a_log_creates_an_empty_one() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("losses.csv");
        LossLog::open(&path, &NAMES, 20).expect("resumed");
        assert_eq!(read(&path, &NAMES).expect("read"), []);
    }

    #[test]
    fn invalid_row_is_rejected_with_its_line_number() {
        let (_folder, path) = log();
        let text = fs::read_to_string(&path).expect("read");
        fs::write(&path, text + "40,a,b\n").expect("written");
        let error = LossLog::open(&path, &NAMES, 30)
            .map(|_| ())
            .expect_err("rejected");
        assert!(
            error
                .to_string()
                .ends_with("losses.csv:5: invalid row: 40,a,b"),
            "{error}"
        );
    }
}
