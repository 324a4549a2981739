//! Runs experiments. Each training and each evaluation is a separate process, so that a failure (out of memory,
//! for example) affects only one experiment. Finished work is not repeated.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};

use super::experiment::{Experiment, Variant};
use crate::dataset;
use crate::device::DeviceChoice;
use crate::fit::plan::Precision;
use crate::fit_photos::FitMethod;
use crate::settings;
use crate::train::calibration::calibrated;
use crate::train::settings::{CHANGEABLE_ON_RESUME, Settings};

/// Exit code of an interrupted program that can be resumed.
const INTERRUPTED: i32 = 130;

/// Where and how trainings compute.
#[derive(Clone, Debug)]
pub struct ComputeOptions {
    /// Device of the trainings.
    pub device: DeviceChoice,
    /// Value of `mhkd train --threads`.
    pub threads: Option<u16>,
}

/// Outcome of running the experiments.
#[derive(Clone, Debug, Default)]
pub struct RunOutcome {
    /// Names of failed experiments with the reasons.
    pub failed: Vec<(String, String)>,
    /// Whether an interrupt occurred before all experiments were finished.
    pub interrupted: bool,
}

/// Runs the unfinished ones of `experiments`.
///
/// # Errors
/// Returns an error if the folder of an experiment has a training with other settings. Nothing is computed in
/// this case.
pub fn run(
    experiments: &[Experiment],
    compute: &ComputeOptions,
    interrupted: &AtomicBool,
) -> Result<RunOutcome> {
    for experiment in experiments {
        check_settings(experiment).with_context(|| experiment.folder.display().to_string())?;
    }
    let mut outcome = RunOutcome::default();
    let remaining: Vec<&Experiment> = experiments
        .iter()
        .filter(|experiment| !experiment.result().exists())
        .collect();
    if remaining.len() < experiments.len() {
        eprintln!(
            "{} of {} experiments are finished",
            experiments.len() - remaining.len(),
            experiments.len()
        );
    }
    for (number, experiment) in remaining.iter().enumerate() {
        if interrupted.load(Ordering::Relaxed) {
            outcome.interrupted = true;
            break;
        }
        eprintln!(
            "experiment {} of {}: {}",
            number + 1,
            remaining.len(),
            experiment.name()
        );
        match run_experiment(experiment, compute) {
            Ok(true) => {}
            Ok(false) => {
                outcome.interrupted = true;
                break;
            }
            Err(error) => {
                eprintln!("experiment {} failed: {error:#}", experiment.name());
                outcome
                    .failed
                    .push((experiment.name(), format!("{error:#}")));
            }
        }
    }
    Ok(outcome)
}

/// Rejects a folder whose training has other settings.
fn check_settings(experiment: &Experiment) -> Result<()> {
    let path = settings::path(&experiment.run());
    if !path.exists() {
        return Ok(());
    }
    let (saved, _) = settings::saved::<Settings>(&path, &toml::Table::new())?;
    let mut requested = experiment.settings.clone();
    if requested.precision == Precision::Auto {
        requested.precision = saved.precision;
    }
    // The run has its own copy of the teacher, so its path may differ. The category is in the folder's name,
    // and resuming a training compares the images.
    requested.teacher.clone_from(&saved.teacher);
    requested.category.clone_from(&saved.category);
    requested.steps = Some(requested.steps());
    // A resumed training may have more steps, but a finished one would be taken as it is.
    ensure!(
        saved.steps() == requested.steps(),
        "steps = {} (the run has {}): every experiment of a table has the same number of steps",
        requested.steps(),
        saved.steps()
    );
    settings::check_resumable(&saved, &requested, &CHANGEABLE_ON_RESUME)
}

/// Trains and evaluates the experiment; returns `false` after an interrupt.
fn run_experiment(experiment: &Experiment, compute: &ComputeOptions) -> Result<bool> {
    if let Variant::Fit(method) = experiment.variant {
        return fit_experiment(experiment, method, compute);
    }
    let run = experiment.run();
    if !calibrated(&run) {
        std::fs::create_dir_all(&experiment.folder)
            .with_context(|| format!("cannot create {}", experiment.folder.display()))?;
        let mut train = subcommand("train", compute)?;
        train.arg("--out").arg(&run);
        if settings::path(&run).exists() {
            train.arg("--resume");
        } else {
            let file = experiment.folder.join("settings.toml");
            settings::save(&experiment.settings, &file)?;
            train.arg("--config").arg(file);
        }
        if !run_to_completion(&mut train, "the training")? {
            return Ok(false);
        }
    }
    let mut evaluate = Command::new(executable()?);
    evaluate.arg("evaluate").arg(&run).arg("--branches");
    evaluate.arg("--json").arg(experiment.result());
    run_to_completion(&mut evaluate, "the evaluation")
}

/// Fits a method without training to the category's good images and evaluates it; returns `false` after an interrupt.
fn fit_experiment(
    experiment: &Experiment,
    method: FitMethod,
    compute: &ComputeOptions,
) -> Result<bool> {
    let settings = &experiment.settings;
    let category = Some(experiment.category.as_str());
    let dataset = dataset::open(&settings.dataset, category, settings.layout, settings.seed)?;
    std::fs::create_dir_all(&experiment.folder)
        .with_context(|| format!("cannot create {}", experiment.folder.display()))?;
    let mut fit = Command::new(executable()?);
    fit.arg("fit").arg(&dataset.root);
    fit.arg("--out").arg(experiment.bundle());
    fit.args(["--method", &method.to_string()]);
    fit.args(["--size", &settings.input_size.to_string()]);
    fit.args(["--seed", &settings.seed.to_string()]);
    if let Some(threads) = compute.threads {
        fit.args(["--threads", &threads.to_string()]);
    }
    if !run_to_completion(&mut fit, "the fit")? {
        return Ok(false);
    }
    let mut evaluate = Command::new(executable()?);
    evaluate.arg("evaluate").arg(experiment.bundle());
    evaluate.arg("--dataset").arg(&dataset.root);
    evaluate.arg("--json").arg(experiment.result());
    run_to_completion(&mut evaluate, "the evaluation")
}

/// Command line of this program with the subcommand `name`.
fn subcommand(name: &str, compute: &ComputeOptions) -> Result<Command> {
    let mut command = Command::new(executable()?);
    command
        .arg(name)
        .args(["--device", &compute.device.to_string()]);
    if let Some(threads) = compute.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    Ok(command)
}

/// Path of this program.
pub(super) fn executable() -> Result<std::path::PathBuf> {
    std::env::current_exe().context("cannot determine the path of this program")
}

/// Runs `command` until it exits; returns `false` after an interrupt.
///
/// # Errors
/// Returns an error with `description` and the exit status if it fails.
pub(super) fn run_to_completion(command: &mut Command, description: &str) -> Result<bool> {
    // Standard output is reserved for the table.
    let status: ExitStatus = command
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("{description} cannot be started"))?;
    match status.code() {
        Some(0) => Ok(true),
        Some(INTERRUPTED) => Ok(false),
        _ => bail!("{description} failed ({status}); see its messages above"),
    }
}

/// Removes the results of `experiments`, so that they are evaluated again.
///
/// # Errors
/// Returns an error if a result cannot be removed.
pub fn remove_results(experiments: &[Experiment]) -> Result<()> {
    let remove = |path: &Path| match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    };
    experiments
        .iter()
        .try_for_each(|experiment| remove(&experiment.result()))
}
