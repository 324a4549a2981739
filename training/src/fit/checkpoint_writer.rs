//! When checkpoints are due, and a thread that writes them while the training goes on.

use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::checkpoint::Checkpoint;

/// Time after which a checkpoint is due, so that a killed process loses little more than this.
const INTERVAL: Duration = Duration::from_mins(1);

/// Schedule of the checkpoints: by steps and by time.
#[derive(Debug)]
pub(super) struct CheckpointSchedule {
    /// Steps between two checkpoints.
    every: u64,
    last: Instant,
}

impl CheckpointSchedule {
    /// Creates a schedule of a training that starts at `now`, with a checkpoint after each `every` steps.
    pub(super) fn new(every: u64, now: Instant) -> Self {
        Self { every, last: now }
    }

    /// Whether a checkpoint is due at `now`, after `step` steps, of which the last one is `logged`. By time it is due
    /// only at a logged step: the log entries of a run then do not depend on its speed.
    pub(super) fn is_due(&self, step: u64, logged: bool, now: Instant) -> bool {
        let late = now.saturating_duration_since(self.last) >= INTERVAL;
        step.is_multiple_of(self.every) || (logged && late)
    }

    /// Notes a checkpoint at `now`.
    pub(super) fn note(&mut self, now: Instant) {
        self.last = now;
    }
}

/// Writes checkpoints on a thread, one at a time and in order.
#[derive(Debug, Default)]
pub(super) struct CheckpointWriter {
    running: Option<JoinHandle<Result<()>>>,
}

impl CheckpointWriter {
    /// Starts to write `checkpoint` to `path`. If the checkpoint before it is not written yet, waits for it. The
    /// tensors of `checkpoint` must not be changed by others ([`Checkpoint::insert_copy`]).
    ///
    /// # Errors
    /// When the checkpoint before it could not be written, or no thread can be started.
    pub(super) fn start(&mut self, checkpoint: Checkpoint, path: PathBuf) -> Result<()> {
        self.wait()?;
        let thread = thread::Builder::new().name("checkpoint".to_owned());
        let running = thread
            .spawn(move || checkpoint.save(&path))
            .context("cannot start a thread that writes a checkpoint")?;
        self.running = Some(running);
        Ok(())
    }

    /// Checks a write that has ended. Does not wait for one that goes on.
    ///
    /// # Errors
    /// When the checkpoint could not be written. The message names the path.
    pub(super) fn check(&mut self) -> Result<()> {
        if self.running.as_ref().is_some_and(JoinHandle::is_finished) {
            return self.wait();
        }
        Ok(())
    }

    /// Waits until the checkpoint is written.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(super) fn wait(&mut self) -> Result<()> {
        match self.running.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(written)) => written,
            Some(Err(panic)) => resume_unwind(panic),
        }
    }
}

impl Drop for CheckpointWriter {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // Dropped without `wait` only after another error, which is the one that is reported.
            drop(running.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    fn checkpoint(value: f32) -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        checkpoint.insert_copy("weight", &Tensor::from_slice(&[value]));
        checkpoint
    }

    #[test]
    fn checkpoint_is_due_by_steps_and_after_a_minute_at_a_logged_step() {
        let start = Instant::now();
        let mut schedule = CheckpointSchedule::new(100, start);
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(schedule.is_due(100, false, start));
        assert!(!schedule.is_due(90, true, after(59)));
        assert!(!schedule.is_due(90, false, after(60)));
        assert!(schedule.is_due(90, true, after(60)));
        schedule.note(after(60));
        assert!(!schedule.is_due(110, true, after(119)));
        assert!(schedule.is_due(110, true, after(120)));
    }

    #[test]
    fn checkpoints_are_written_in_order() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("checkpoint.safetensors");
        let mut writer = CheckpointWriter::default();
        for value in [1.0, 2.0, 3.0] {
            writer
                .start(checkpoint(value), path.clone())
                .expect("written");
        }
        writer.wait().expect("written");
        let loaded = Checkpoint::load(&path).expect("a checkpoint");
        assert_eq!(loaded.tensors["weight"].int64_value(&[0]), 3);
    }

    #[test]
    fn dropped_writer_completes_the_file() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("checkpoint.safetensors");
        let mut writer = CheckpointWriter::default();
        writer
            .start(checkpoint(1.0), path.clone())
            .expect("started");
        drop(writer);
        assert!(Checkpoint::load(&path).is_ok());
    }

    #[test]
    fn failed_write_is_reported_with_its_path_by_the_next_call() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("written");
        // The folder of the checkpoint is a file.
        let path = file.join("checkpoint.safetensors");
        let fail = |report: fn(&mut CheckpointWriter) -> Result<()>| {
            let mut writer = CheckpointWriter::default();
            writer
                .start(checkpoint(1.0), path.clone())
                .expect("started");
            while !writer.running.as_ref().expect("a write").is_finished() {
                thread::yield_now();
            }
            let error = report(&mut writer).expect_err("the write fails");
            assert!(
                format!("{error:#}").contains("checkpoint.safetensors"),
                "{error:#}"
            );
            writer.wait().expect("reported once");
        };
        fail(CheckpointWriter::check);
        fail(CheckpointWriter::wait);
        fail(|writer| writer.start(checkpoint(2.0), PathBuf::from("unused.safetensors")));
    }
}
