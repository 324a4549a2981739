//! Runs cells, each training and each evaluation as a process of its own: what goes wrong in one, be it a
//! lack of memory, costs that cell alone, and what is done is never done again.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};

use super::plan::Cell;
use crate::fit::plan::Precision;
use crate::settings;
use crate::train::run::calibrated;
use crate::train::settings::{CHANGEABLE_ON_RESUME, Settings};

/// Exit code of a program that was interrupted and can go on.
const INTERRUPTED: i32 = 130;

/// How cells compute.
#[derive(Clone, Debug)]
pub struct Compute {
    /// As `mhkd train --device`.
    pub device: String,
    /// As `mhkd train --threads`.
    pub threads: Option<u16>,
}

/// How the cells ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// Cells that failed, each with the reason.
    pub failed: Vec<(String, String)>,
    /// Whether an interrupt came before all cells were done.
    pub interrupted: bool,
}

/// Does what is left of `cells`.
///
/// # Errors
/// When a cell's folder has a training with other settings: nothing is computed then.
pub fn run(cells: &[Cell], compute: &Compute, interrupted: &AtomicBool) -> Result<Ended> {
    for cell in cells {
        check_settings(cell).with_context(|| cell.folder.display().to_string())?;
    }
    let mut ended = Ended::default();
    let left: Vec<&Cell> = cells
        .iter()
        .filter(|cell| !cell.result().exists())
        .collect();
    if left.len() < cells.len() {
        eprintln!(
            "{} of {} cells are done",
            cells.len() - left.len(),
            cells.len()
        );
    }
    for (number, cell) in left.iter().enumerate() {
        if interrupted.load(Ordering::Relaxed) {
            ended.interrupted = true;
            break;
        }
        eprintln!("cell {} of {}: {}", number + 1, left.len(), cell.name());
        match one(cell, compute) {
            Ok(true) => {}
            Ok(false) => {
                ended.interrupted = true;
                break;
            }
            Err(error) => {
                eprintln!("cell {} failed: {error:#}", cell.name());
                ended.failed.push((cell.name(), format!("{error:#}")));
            }
        }
    }
    Ok(ended)
}

/// Refuses a folder whose training was told something else.
fn check_settings(cell: &Cell) -> Result<()> {
    let path = settings::path(&cell.run());
    if !path.exists() {
        return Ok(());
    }
    let (saved, _) = settings::saved::<Settings>(&path, &toml::Table::new())?;
    let mut asked = cell.settings.clone();
    if asked.precision == Precision::Auto {
        asked.precision = saved.precision;
    }
    // The teacher is in the run's folder, wherever it came from; the category is in the folder's name, and
    // going on with a training compares the images themselves.
    asked.teacher.clone_from(&saved.teacher);
    asked.category.clone_from(&saved.category);
    settings::check_resumable(&saved, &asked, &CHANGEABLE_ON_RESUME)
}

/// Trains and evaluates `cell`; false after an interrupt.
fn one(cell: &Cell, compute: &Compute) -> Result<bool> {
    let run = cell.run();
    if !calibrated(&run) {
        std::fs::create_dir_all(&cell.folder)
            .with_context(|| format!("cannot create {}", cell.folder.display()))?;
        let mut train = program("train", compute)?;
        train.arg("--out").arg(&run);
        if settings::path(&run).exists() {
            train.arg("--resume");
        } else {
            let file = cell.folder.join("settings.toml");
            settings::save(&cell.settings, &file)?;
            train.arg("--config").arg(file);
        }
        if !ends(&mut train, "the training")? {
            return Ok(false);
        }
    }
    let mut evaluate = Command::new(own_path()?);
    evaluate.arg("evaluate").arg(&run).arg("--branches");
    evaluate.arg("--json").arg(cell.result());
    ends(&mut evaluate, "the evaluation")
}

/// This program's command `name`.
fn program(name: &str, compute: &Compute) -> Result<Command> {
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

/// Removes the results of `cells`, so that they are evaluated again.
///
/// # Errors
/// When one cannot be removed.
pub fn forget_results(cells: &[Cell]) -> Result<()> {
    let remove = |path: &Path| match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    };
    cells.iter().try_for_each(|cell| remove(&cell.result()))
}
