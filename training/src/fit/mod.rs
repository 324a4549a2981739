//! The training loop, used for the student, the distillation of a teacher and the pretext task of a
//! teacher. The loop owns the optimiser, the logs and the checkpoints; a [`Task`] owns the networks and the
//! data.

pub mod adam;
pub mod checkpoint;
mod checkpoint_writer;
mod meter;
pub mod plan;
mod run_log;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tch::{Kind, Tensor};

use crate::torch::Autocast;
use adam::Adam;
use checkpoint::Checkpoint;
use checkpoint_writer::{CheckpointSchedule, CheckpointWriter};
use meter::Meter;
use plan::{Precision, TrainingPlan};
use run_log::RunLog;

/// A training task.
pub trait Task {
    /// Title of the progress bar.
    fn title(&self) -> String {
        "training".to_owned()
    }

    /// Names of the losses. The last one is minimised.
    fn loss_names(&self) -> &'static [&'static str];

    /// Computes the losses of step `step`: scalars in the order of [`Self::loss_names`]. The result is a pure
    /// function of the weights, the step and the libtorch generator, which is seeded for every step.
    /// Therefore resuming is exact.
    ///
    /// # Errors
    /// When an image of the step cannot be read. The message names the file.
    fn forward(&mut self, step: u64) -> Result<Vec<Tensor>>;

    /// Trained tensors with their names.
    fn learned(&self) -> Vec<(String, Tensor)>;

    /// Constant tensors that belong to the result, with their names.
    fn fixed(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// Computes the mean of the minimised loss over the validation images.
    ///
    /// # Errors
    /// When the task has no validation images, or an image cannot be read.
    fn validate(&mut self) -> Result<f64> {
        bail!("this task has no validation images")
    }

    /// Total time that [`Self::forward`] has waited for data.
    fn waited(&self) -> Duration {
        Duration::ZERO
    }
}

/// Outcome of a call of [`run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainingOutcome {
    /// All steps are done.
    Finished,
    /// The validation loss has not decreased within the patience of the plan.
    StoppedEarly,
    /// Interrupted. The run can be resumed from the checkpoint.
    Interrupted,
}

/// Path of the last checkpoint in the folder of a run.
pub fn checkpoint_path(folder: &Path) -> PathBuf {
    folder.join("checkpoint.safetensors")
}

/// Path of the best weights in the folder of a run. The file exists only with early stopping.
pub fn best_path(folder: &Path) -> PathBuf {
    folder.join("best.safetensors")
}

/// Trains `task` according to `plan`, from the checkpoint `from` if given. Writes logs and checkpoints to
/// `folder`. Checkpoints are written while the training goes on; all are complete when this function returns.
///
/// # Errors
/// When a loss or a weight is non-finite (the last good checkpoint is kept), when data cannot be read, or when a log
/// or checkpoint cannot be written.
pub fn run(
    task: &mut dyn Task,
    plan: &TrainingPlan,
    folder: &Path,
    from: Option<&Checkpoint>,
    interrupted: &AtomicBool,
) -> Result<TrainingOutcome> {
    let mut training = TrainingLoop::begin(task, plan, folder, from)?;
    if training.has_stopped_early() {
        return training.end(TrainingOutcome::StoppedEarly);
    }
    while training.step < plan.steps {
        training.advance(task)?;
        training.writer.check()?;
        let stop = training.validate(task)?;
        let interrupted = interrupted.load(Ordering::Relaxed);
        let done = training.step == plan.steps || stop || interrupted;
        let logged = done || training.step.is_multiple_of(plan.log_every);
        if logged {
            training.log(task)?;
        }
        let now = Instant::now();
        if done || training.schedule.is_due(training.step, logged, now) {
            // The log checks the losses first, so that a checkpoint with non-finite losses is never saved.
            training.log(task)?;
            training.save(task, checkpoint_path(folder))?;
            training.schedule.note(now);
        }
        if stop {
            return training.end(TrainingOutcome::StoppedEarly);
        }
        if interrupted && training.step < plan.steps {
            return training.end(TrainingOutcome::Interrupted);
        }
    }
    training.end(TrainingOutcome::Finished)
}

/// State of a training between two steps.
struct TrainingLoop<'a> {
    plan: &'a TrainingPlan,
    folder: &'a Path,
    optimiser: Adam,
    step: u64,
    best: BestValidation,
    meter: Meter,
    run_log: RunLog,
    schedule: CheckpointSchedule,
    writer: CheckpointWriter,
}

/// State of early stopping.
#[derive(Clone, Copy)]
struct BestValidation {
    loss: f64,
    validations_since: u64,
}

impl<'a> TrainingLoop<'a> {
    fn begin(
        task: &dyn Task,
        plan: &'a TrainingPlan,
        folder: &'a Path,
        from: Option<&Checkpoint>,
    ) -> Result<Self> {
        let learned = task.learned();
        let named = learned.iter().map(|(name, tensor)| (name.clone(), tensor));
        let optimiser = Adam::new(named.clone(), plan.weight_decay);
        let mut step = 0;
        let mut best = BestValidation {
            loss: f64::INFINITY,
            validations_since: 0,
        };
        if let Some(checkpoint) = from {
            step = checkpoint.metadata_value("step")?;
            best.loss = checkpoint.metadata_value("best_loss")?;
            best.validations_since = checkpoint.metadata_value("validations_since")?;
            checkpoint.restore(named)?;
            checkpoint.restore(
                optimiser
                    .state()
                    .iter()
                    .map(|(name, tensor)| (name.clone(), tensor)),
            )?;
        }
        crate::torch::allow_tf32(plan.tf32);
        // The shapes of a training do not change, so that measuring the algorithms of cuDNN pays off.
        tch::Cuda::cudnn_set_benchmark(optimiser.device().is_cuda());
        Ok(Self {
            run_log: RunLog::open(folder, task, step, plan.steps)?,
            meter: Meter::new(task.waited()),
            schedule: CheckpointSchedule::new(plan.checkpoint_every, Instant::now()),
            writer: CheckpointWriter::default(),
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

    /// Logs the losses since the last log entry, if there were steps, and checks that they are finite.
    fn log(&mut self, task: &dyn Task) -> Result<()> {
        let Some(reading) = self.meter.read(task.waited()) else {
            return Ok(());
        };
        if let Some(bad) = reading.losses.iter().position(|loss| !loss.is_finite()) {
            bail!(
                "loss `{}` is {} between steps {} and {}: training stopped; {} is the last good checkpoint. \
                 Try a smaller learning rate or precision = \"f32\"",
                task.loss_names()[bad],
                reading.losses[bad],
                self.step - reading.steps,
                self.step,
                checkpoint_path(self.folder).display(),
            );
        }
        let rate = self.plan.learning_rate(self.step - 1);
        self.run_log.add(self.step, &reading, rate)
    }

    /// Validates if the step is due and returns whether to stop early.
    fn validate(&mut self, task: &mut dyn Task) -> Result<bool> {
        let Some(stopping) = self.plan.early_stopping else {
            return Ok(false);
        };
        if !self.step.is_multiple_of(stopping.every) {
            return Ok(false);
        }
        let loss = task.validate()?;
        self.run_log.validation(self.step, loss)?;
        if loss < self.best.loss {
            self.best = BestValidation {
                loss,
                validations_since: 0,
            };
            self.save(task, best_path(self.folder))?;
        } else {
            self.best.validations_since += 1;
        }
        Ok(self.has_stopped_early())
    }

    /// Whether the validation loss has not decreased within the patience.
    fn has_stopped_early(&self) -> bool {
        let stopping = self.plan.early_stopping;
        stopping.is_some_and(|stopping| self.best.validations_since >= stopping.patience)
    }

    /// Copies the state of the training and starts to write it to `path`.
    fn save(&mut self, task: &dyn Task, path: PathBuf) -> Result<()> {
        let learned = task.learned();
        if let Some(name) = non_finite(&learned)? {
            bail!(
                "tensor `{name}` is non-finite after step {}: training stopped; {} is the last good checkpoint. \
                 Try a smaller learning rate or precision = \"f32\"",
                self.step,
                checkpoint_path(self.folder).display(),
            );
        }
        let mut checkpoint = Checkpoint::default();
        for (name, tensor) in learned
            .iter()
            .chain(&task.fixed())
            .chain(&self.optimiser.state())
        {
            checkpoint.insert_copy(name, tensor);
        }
        checkpoint.set_metadata("step", &self.step);
        checkpoint.set_metadata("best_loss", &self.best.loss);
        checkpoint.set_metadata("validations_since", &self.best.validations_since);
        self.writer.start(checkpoint, path)
    }

    fn end(mut self, outcome: TrainingOutcome) -> Result<TrainingOutcome> {
        // The calibration that follows computes in f32, as the daemon does.
        crate::torch::allow_tf32(false);
        tch::Cuda::cudnn_set_benchmark(false);
        self.writer.wait()?;
        self.run_log.finish()?;
        Ok(outcome)
    }
}

/// Returns the name of the first tensor with a non-finite element. Waits for a GPU once.
fn non_finite(tensors: &[(String, Tensor)]) -> Result<Option<&str>> {
    // A sum in f64 of finite f32 values does not overflow.
    let sums: Vec<Tensor> = tensors
        .iter()
        .map(|(_, tensor)| tensor.detach().sum(Kind::Double))
        .collect();
    let sums = Vec::<f64>::try_from(&Tensor::stack(&sums, 0))?;
    let bad = sums.iter().position(|sum| !sum.is_finite());
    Ok(bad.map(|place| tensors[place].0.as_str()))
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::plan::LearningRateDecay;
    use super::*;

    /// A task with one weight.
    struct OneWeight(Tensor);

    impl Task for OneWeight {
        fn loss_names(&self) -> &'static [&'static str] {
            &["total"]
        }

        fn forward(&mut self, _step: u64) -> Result<Vec<Tensor>> {
            Ok(vec![self.0.sum(Kind::Float)])
        }

        fn learned(&self) -> Vec<(String, Tensor)> {
            vec![("weight".to_owned(), self.0.shallow_clone())]
        }
    }

    const PLAN: TrainingPlan = TrainingPlan {
        steps: 2,
        learning_rate: 0.1,
        decay: LearningRateDecay {
            at: 1.0,
            factor: 1.0,
        },
        weight_decay: 0.0,
        seed: 0,
        precision: Precision::F32,
        tf32: false,
        log_every: 1,
        checkpoint_every: 1,
        early_stopping: None,
    };

    #[test]
    fn saved_state_is_that_of_the_call_and_non_finite_weights_are_not_saved() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let weight = Tensor::full([2], 1.0, (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let set = |value: f64| tch::no_grad(|| weight.shallow_clone().fill_(value));
        let task = OneWeight(weight.shallow_clone());
        let mut training =
            TrainingLoop::begin(&task, &PLAN, folder.path(), None).expect("an empty folder");
        let path = checkpoint_path(folder.path());
        training.save(&task, path.clone()).expect("started");
        let _ = set(2.0);
        training.writer.wait().expect("written");
        let saved = Checkpoint::load(&path).expect("a checkpoint");
        assert_eq!(saved.tensors["weight"].int64_value(&[0]), 1);
        let _ = set(f64::NAN);
        let error = training
            .save(&task, path.clone())
            .expect_err("the weight is non-finite");
        assert!(
            error.to_string().contains("`weight` is non-finite"),
            "{error}"
        );
        training.writer.wait().expect("nothing was started");
        let kept = Checkpoint::load(&path).expect("a checkpoint");
        assert_eq!(kept.tensors["weight"].int64_value(&[0]), 1);
    }

    #[test]
    fn first_tensor_with_a_non_finite_element_is_named() {
        let check = |values: [f32; 2], expected: Option<&str>| {
            let tensors = [
                ("good".to_owned(), Tensor::from_slice(&[f32::MAX, f32::MAX])),
                ("weight".to_owned(), Tensor::from_slice(&values)),
            ];
            assert_eq!(non_finite(&tensors).expect("a vector of sums"), expected);
        };
        check([1.0, -2.0], None);
        check([1.0, f32::NAN], Some("weight"));
        check([f32::INFINITY, f32::NEG_INFINITY], Some("weight"));
    }
}
