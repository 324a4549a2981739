//! One loop for everything that is learned here: the student, a teacher's distillation, a teacher's
//! proxy task. It owns the optimiser, the log and the checkpoints; a [`Task`] owns the networks and the data.

pub mod adam;
pub mod checkpoint;
mod meter;
pub mod plan;
mod run_log;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tch::Tensor;

use crate::torch::Autocast;
use adam::Adam;
use checkpoint::Checkpoint;
use meter::Meter;
use plan::{Plan, Precision};
use run_log::Record;

/// Something to be learned.
pub trait Task {
    /// Names of the losses; the last one is what is minimised.
    fn losses(&self) -> &'static [&'static str];

    /// The losses of step `step` as scalars, in the order of [`Self::losses`]. A pure function of the
    /// weights, the step and libtorch's generator, which is seeded for the step: that makes resuming exact.
    ///
    /// # Errors
    /// When an image of the step cannot be read; it is named.
    fn forward(&mut self, step: u64) -> Result<Vec<Tensor>>;

    /// The tensors that are learned, named.
    fn learned(&self) -> Vec<(String, Tensor)>;

    /// The tensors that belong to the result but are not learned.
    fn fixed(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// Mean of the minimised loss over the validation images.
    ///
    /// # Errors
    /// When there are none, or an image cannot be read; it is named.
    fn validate(&mut self) -> Result<f64> {
        bail!("this task has no validation images")
    }

    /// How long [`Self::forward`] waited for data so far.
    fn waited(&self) -> Duration {
        Duration::ZERO
    }
}

/// How a call of [`run`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Finished,
    /// No better validation loss for as long as the plan allows.
    StoppedEarly,
    /// Interrupted; the checkpoint continues from here.
    Interrupted,
}

/// The file of the last checkpoint in a run's folder.
pub fn checkpoint_path(folder: &Path) -> PathBuf {
    folder.join("checkpoint.safetensors")
}

/// The file of the best weights in a run's folder, where early stopping is on.
pub fn best_path(folder: &Path) -> PathBuf {
    folder.join("best.safetensors")
}

/// Runs `task` by `plan`, continuing from `from` where given, keeping log and checkpoints in `folder`.
///
/// # Errors
/// When a loss is not finite (the last good checkpoint stays), when data cannot be read, or when
/// log or checkpoint cannot be written.
pub fn run(
    task: &mut dyn Task,
    plan: &Plan,
    folder: &Path,
    from: Option<&Checkpoint>,
    interrupted: &AtomicBool,
) -> Result<Outcome> {
    let mut descent = Descent::begin(task, plan, folder, from)?;
    while descent.step < plan.steps {
        descent.advance(task)?;
        let stop = descent.validate(task)?;
        let interrupted = interrupted.load(Ordering::Relaxed);
        let done = descent.step == plan.steps || stop || interrupted;
        if done || descent.step.is_multiple_of(plan.log_every) {
            descent.log(task)?;
        }
        if done || descent.step.is_multiple_of(plan.checkpoint_every) {
            // Logged first, so that nothing that is not finite is kept.
            descent.log(task)?;
            descent.save(task, &checkpoint_path(folder))?;
        }
        if stop {
            return descent.end(Outcome::StoppedEarly);
        }
        if interrupted && descent.step < plan.steps {
            return descent.end(Outcome::Interrupted);
        }
    }
    descent.end(Outcome::Finished)
}

/// The state of a run between two steps.
struct Descent<'a> {
    plan: &'a Plan,
    folder: &'a Path,
    optimiser: Adam,
    step: u64,
    best: Best,
    meter: Meter,
    record: Record,
}

/// What early stopping remembers.
#[derive(Clone, Copy)]
struct Best {
    loss: f64,
    validations_since: u64,
}

impl<'a> Descent<'a> {
    fn begin(
        task: &dyn Task,
        plan: &'a Plan,
        folder: &'a Path,
        from: Option<&Checkpoint>,
    ) -> Result<Self> {
        let learned = task.learned();
        let named = learned.iter().map(|(name, tensor)| (name.clone(), tensor));
        let optimiser = Adam::new(named.clone(), plan.weight_decay);
        let mut step = 0;
        let mut best = Best {
            loss: f64::INFINITY,
            validations_since: 0,
        };
        if let Some(checkpoint) = from {
            step = checkpoint.word("step")?;
            best.loss = checkpoint.word("best_loss")?;
            best.validations_since = checkpoint.word("validations_since")?;
            checkpoint.restore(named)?;
            checkpoint.restore(
                optimiser
                    .state()
                    .iter()
                    .map(|(name, tensor)| (name.clone(), tensor)),
            )?;
        }
        crate::torch::allow_tf32(plan.tf32);
        Ok(Self {
            record: Record::open(folder, task.losses(), step, plan.steps)?,
            meter: Meter::new(task.waited()),
            plan,
            folder,
            optimiser,
            step,
            best,
        })
    }

    fn advance(&mut self, task: &mut dyn Task) -> Result<()> {
        tch::manual_seed(self.plan.seed_of_step(self.step));
        let losses = {
            let bf16 = self.plan.precision == Precision::Bf16;
            let _autocast = bf16.then(|| Autocast::begin(self.optimiser.device()));
            task.forward(self.step)?
        };
        let total = losses.last().context("a task has at least one loss")?;
        self.optimiser
            .step(total, self.plan.learning_rate(self.step));
        self.meter.add(&losses);
        self.step += 1;
        Ok(())
    }

    /// Writes what the meter has gathered, if anything, and checks it.
    fn log(&mut self, task: &dyn Task) -> Result<()> {
        let Some(reading) = self.meter.read(task.waited()) else {
            return Ok(());
        };
        if let Some(bad) = reading.losses.iter().position(|loss| !loss.is_finite()) {
            bail!(
                "loss `{}` is {} between steps {} and {}: training stops; {} is the last good checkpoint. \
                 A smaller learning rate or precision = \"f32\" may help",
                task.losses()[bad],
                reading.losses[bad],
                self.step - reading.steps,
                self.step,
                checkpoint_path(self.folder).display(),
            );
        }
        let rate = self.plan.learning_rate(self.step - 1);
        self.record.add(self.step, &reading, rate)
    }

    /// Validates when it is time; whether to stop.
    fn validate(&mut self, task: &mut dyn Task) -> Result<bool> {
        let Some(stopping) = self.plan.early_stopping else {
            return Ok(false);
        };
        if !self.step.is_multiple_of(stopping.every) {
            return Ok(false);
        }
        let loss = task.validate()?;
        self.record.validation(self.step, loss)?;
        if loss < self.best.loss {
            self.best = Best {
                loss,
                validations_since: 0,
            };
            self.save(task, &best_path(self.folder))?;
        } else {
            self.best.validations_since += 1;
        }
        Ok(self.best.validations_since >= stopping.patience)
    }

    fn save(&self, task: &dyn Task, path: &Path) -> Result<()> {
        let mut checkpoint = Checkpoint::default();
        for (name, tensor) in task
            .learned()
            .iter()
            .chain(&task.fixed())
            .chain(&self.optimiser.state())
        {
            checkpoint.insert(name, tensor);
        }
        checkpoint.say("step", &self.step);
        checkpoint.say("best_loss", &self.best.loss);
        checkpoint.say("validations_since", &self.best.validations_since);
        checkpoint.save(path)
    }

    fn end(self, outcome: Outcome) -> Result<Outcome> {
        self.record.finish()?;
        Ok(outcome)
    }
}
