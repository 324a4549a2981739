//! `losses.csv`: the losses and the speed of a run, one row a logging interval.
//!
//! The file outlives crashes. A row is one write, so only the last line of a killed process can be
//! torn; a resumed run takes out the rows that it is about to write again.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::files;

/// What happened up to a step since the row before.
#[derive(Clone, Debug, PartialEq)]
pub struct LossRow {
    /// Steps done.
    pub step: u64,
    /// Means of the losses, in the order of the log's columns.
    pub losses: Vec<f64>,
    /// The optimiser's learning rate at this step.
    pub learning_rate: f64,
    /// Steps a second, waiting included.
    pub steps_per_second: f64,
    /// The part of the time spent waiting for data, 0 to 1.
    pub wait_share: f64,
}

/// An open `losses.csv`, at its end.
pub struct LossLog {
    file: File,
}

impl LossLog {
    /// Opens the log of losses called `names` at `path` for a run that goes on after `step`: later rows
    /// and a torn last line are taken out. At step 0, or where no log is, an empty one is started.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something else than these losses.
    pub fn open(path: &Path, names: &[&str], step: u64) -> Result<Self> {
        let mut rows = if step > 0 && path.exists() {
            read(path, names)?
        } else {
            Vec::new()
        };
        rows.retain(|row| row.step <= step);
        let text = std::iter::once(header(names))
            .chain(rows.iter().map(line))
            .collect::<String>();
        files::replace_text(path, &text)?;
        let file = OpenOptions::new().append(true).open(path);
        Ok(Self {
            file: file.with_context(|| format!("cannot open {}", path.display()))?,
        })
    }

    /// Adds a row, at once visible to readers.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append(&mut self, row: &LossRow) -> Result<()> {
        self.file
            .write_all(line(row).as_bytes())
            .context("cannot write to the log of losses")
    }
}

/// The rows of the log of losses called `names` at `path`, without a torn last line.
///
/// # Errors
/// The file cannot be read or holds something else than these losses.
pub fn read(path: &Path, names: &[&str]) -> Result<Vec<LossRow>> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => anyhow::anyhow!("{}: not a text", path.display()),
        _ => anyhow::Error::from(error).context(format!("cannot read {}", path.display())),
    })?;
    // A line counts once its end is there: "0.12" may be the beginning of "0.125".
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let mut lines = whole.split_inclusive('\n').enumerate();
    let Some((_, first)) = lines.next() else {
        return Ok(Vec::new());
    };
    ensure!(
        first == header(names),
        "{}: does not begin with {}",
        path.display(),
        header(names).trim()
    );
    let row = |(index, text): (usize, &str)| {
        let text = text.trim_end();
        parse(text, names.len()).with_context(|| {
            format!(
                "{}:{}: not a row of losses: {text}",
                path.display(),
                index + 1
            )
        })
    };
    lines.map(row).collect()
}

fn header(names: &[&str]) -> String {
    format!(
        "step,{},learning_rate,steps_per_second,wait_share\n",
        names.join(",")
    )
}

fn line(row: &LossRow) -> String {
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

    /// A log of steps 10, 20 and 30 in a folder of its own.
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
    fn rows_are_read_back_exactly() {
        let (_folder, path) = log();
        assert_eq!(
            read(&path, &NAMES).expect("read"),
            [row(10), row(20), row(30)]
        );
    }

    #[test]
    fn resuming_takes_out_the_steps_that_are_done_again() {
        let (_folder, path) = log();
        let mut log = LossLog::open(&path, &NAMES, 20).expect("resumed");
        log.append(&row(25)).expect("written");
        assert_eq!(
            read(&path, &NAMES).expect("read"),
            [row(10), row(20), row(25)]
        );
    }

    #[test]
    fn a_torn_last_line_is_dropped() {
        let (_folder, path) = log();
        let text = fs::read_to_string(&path).expect("read");
        // Cut within the last number, where what is left still looks like a row.
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
    fn a_log_that_is_not_there_is_started_on_resume() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("losses.csv");
        LossLog::open(&path, &NAMES, 20).expect("resumed");
        assert_eq!(read(&path, &NAMES).expect("read"), []);
    }

    #[test]
    fn a_foreign_file_is_refused_with_its_line() {
        let (_folder, path) = log();
        let text = fs::read_to_string(&path).expect("read");
        fs::write(&path, text + "40,a,b\n").expect("written");
        let error = LossLog::open(&path, &NAMES, 30)
            .map(|_| ())
            .expect_err("refused");
        assert!(
            error
                .to_string()
                .ends_with("losses.csv:5: not a row of losses: 40,a,b"),
            "{error}"
        );
    }
}
