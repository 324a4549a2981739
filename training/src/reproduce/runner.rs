//! Runs experiments, each training and each evaluation as a process of its own: what goes wrong in one, be it a
//! lack of memory, costs that experiment alone, and what is done is never done again.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};

use super::experiment::Experiment;
use crate::fit::plan::Precision;
use crate::settings;
use crate::train::run::calibrated;
use crate::train::settings::{FREE, Settings};

/// Exit code of a program that was interrupted and can go on.
const INTERRUPTED: i32 = 130;

/// How experiments compute.
#[derive(Clone, Debug)]
pub struct ComputeOptions {
    /// As `mhkd train --device`.
    pub device: String,
    /// As `mhkd train --threads`.
    pub threads: Option<u16>,
}

/// How the experiments ended.
#[derive(Clone, Debug, Default)]
pub struct RunOutcome {
    /// Cells that failed, each with the reason.
    pub failed: Vec<(String, String)>,
    /// Whether an interrupt came before all experiments were done.
    pub interrupted: bool,
}

/// Does what is left of `experiments`.
///
/// # Errors
/// When a experiment's folder has a training with other settings: nothing is computed then.
pub fn run(
    experiments: &[Experiment],
    compute: &ComputeOptions,
    interrupted: &AtomicBool,
) -> Result<RunOutcome> {
    for experiment in experiments {
        check_settings(experiment).with_context(|| experiment.folder.display().to_string())?;
    }
    let mut ended = RunOutcome::default();
    let left: Vec<&Experiment> = experiments
        .iter()
        .filter(|experiment| !experiment.result().exists())
        .collect();
    if left.len() < experiments.len() {
        eprintln!(
            "{} of {} experiments are done",
            experiments.len() - left.len(),
            experiments.len()
        );
    }
    for (number, experiment) in left.iter().enumerate() {
        if interrupted.load(Ordering::Relaxed) {
            ended.interrupted = true;
            break;
        }
        eprintln!(
            "experiment {} of {}: {}",
            number + 1,
            left.len(),
            experiment.name()
        );
        match one(experiment, compute) {
            Ok(true) => {}
            Ok(false) => {
                ended.interrupted = true;
                break;
            }
            Err(error) => {
                eprintln!("experiment {} failed: {error:#}", experiment.name());
                ended.failed.push((experiment.name(), format!("{error:#}")));
            }
        }
    }
    Ok(ended)
}

/// Refuses a folder whose training was told something else.
fn check_settings(experiment: &Experiment) -> Result<()> {
    let path = settings::path(&experiment.run());
    if !path.exists() {
        return Ok(());
    }
    let (saved, _) = settings::saved::<Settings>(&path, &toml::Table::new())?;
    let mut asked = experiment.settings.clone();
    if asked.precision == Precision::Auto {
        asked.precision = saved.precision;
    }
    // The teacher is in the run's folder, wherever it came from; the category is in the folder's name, and
    // going on with a training compares the images themselves.
    asked.teacher.clone_from(&saved.teacher);
    asked.category.clone_from(&saved.category);
    settings::check_resumable(&saved, &asked, &FREE)
}

/// Trains and evaluates `experiment`; false after an interrupt.
fn one(experiment: &Experiment, compute: &ComputeOptions) -> Result<bool> {
    let run = experiment.run();
    if !calibrated(&run) {
        std::fs::create_dir_all(&experiment.folder)
            .with_context(|| format!("cannot create {}", experiment.folder.display()))?;
        let mut train = program("train", compute)?;
        train.arg("--out").arg(&run);
        if settings::path(&run).exists() {
            train.arg("--resume");
        } else {
            let file = experiment.folder.join("settings.toml");
            settings::save(&experiment.settings, &file)?;
            train.arg("--config").arg(file);
        }
        if !ends(&mut train, "the training")? {
            return Ok(false);
        }
    }
    let mut evaluate = Command::new(own_path()?);
    evaluate.arg("evaluate").arg(&run).arg("--branches");
    evaluate.arg("--json").arg(experiment.result());
    ends(&mut evaluate, "the evaluation")
}

/// This program's command `name`.
fn program(name: &str, compute: &ComputeOptions) -> Result<Command> {
    let mut command = Command::new(own_path()?);
    command.arg(name).args(["--device", &compute.device]);
    if let Some(threads) = compute.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    Ok(command)
}

/// Where this program is.
pub(super) fn own_path() -> Result<std::path::PathBuf> {
    std::env::current_exe().context("this program's own path")
}

/// Runs `command` to its end; false after an interrupt.
///
/// # Errors
/// When it fails; `what` it is and how it ended are said.
pub(super) fn ends(command: &mut Command, what: &str) -> Result<bool> {
    // Standard output is the table's.
    let status: ExitStatus = command
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("{what} cannot be started"))?;
    match status.code() {
        Some(0) => Ok(true),
        Some(INTERRUPTED) => Ok(false),
        _ => bail!("{what} ended with {status}; its messages are above"),
    }
}

/// Removes the results of `experiments`, so that they are evaluated again.
///
/// # Errors
/// When one cannot be removed.
pub fn forget_results(experiments: &[Experiment]) -> Result<()> {
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
