//! Logs of a training: progress bar, `losses.csv`, `TensorBoard` events, `curves.png`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;

use super::Task;
use super::meter::MeterReading;
use crate::log::curves::{Series, curves_png};
use crate::log::losses::{self, LossLog, LossRow};
use crate::log::progress::Progress;
use crate::log::tensorboard::EventWriter;

/// Open logs of a run.
pub(super) struct RunLog {
    names: &'static [&'static str],
    folder: PathBuf,
    log: LossLog,
    events: EventWriter,
    progress: Progress,
}

impl RunLog {
    /// Opens the logs of a run in `folder` that has done `step` of `steps` steps. Removes later entries of an
    /// earlier process.
    pub(super) fn open(folder: &Path, task: &dyn Task, step: u64, steps: u64) -> Result<Self> {
        let names = task.loss_names();
        std::fs::create_dir_all(folder)?;
        let now = SystemTime::now();
        let events = if step == 0 {
            EventWriter::create(folder, now)?
        } else {
            EventWriter::resume(folder, now, step)?
        };
        Ok(Self {
            names,
            log: LossLog::open(&csv(folder), names, step)?,
            folder: folder.to_owned(),
            events,
            progress: Progress::new(&task.title(), steps, step),
        })
    }

    pub(super) fn add(
        &mut self,
        step: u64,
        reading: &MeterReading,
        learning_rate: f64,
    ) -> Result<()> {
        self.log.append(&LossRow {
            step,
            losses: reading.losses.clone(),
            learning_rate,
            steps_per_second: reading.rate,
            wait_share: reading.wait_share,
        })?;
        let now = SystemTime::now();
        for (name, loss) in self.names.iter().zip(&reading.losses) {
            self.events
                .scalar(now, &format!("loss/{name}"), step, *loss as f32)?;
        }
        let speed = [
            ("learning_rate", learning_rate),
            ("steps_per_second", reading.rate),
            ("wait_share", reading.wait_share),
        ];
        for (name, value) in speed {
            self.events
                .scalar(now, &format!("run/{name}"), step, value as f32)?;
        }
        self.events.flush()?;
        let losses = self
            .names
            .iter()
            .zip(&reading.losses)
            .map(|(name, loss)| format!("{name} {loss:.4}"));
        self.progress
            .set(step, &losses.collect::<Vec<_>>().join(" "));
        Ok(())
    }

    pub(super) fn validation(&mut self, step: u64, loss: f64) -> Result<()> {
        self.events
            .scalar(SystemTime::now(), "loss/validation", step, loss as f32)?;
        Ok(())
    }

    /// Finishes the progress bar and draws `curves.png`.
    pub(super) fn finish(self) -> Result<()> {
        self.progress.finish();
        let rows = losses::read(&csv(&self.folder), self.names)?;
        let series: Vec<Series> = self
            .names
            .iter()
            .enumerate()
            .map(|(index, name)| Series {
                name: (*name).to_owned(),
                points: rows
                    .iter()
                    .map(|row| (row.step, row.losses[index] as f32))
                    .collect(),
            })
            .collect();
        curves_png(&self.folder.join("curves.png"), &series, "Losses by step")
    }
}

fn csv(folder: &Path) -> PathBuf {
    folder.join("losses.csv")
}
