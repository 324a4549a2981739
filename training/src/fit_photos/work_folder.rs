//! The folder of unfinished trainings beside the bundle. The same command continues in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::student::{FOLDS, StudentPlan};
use crate::files;
use crate::fit::plan::Precision;
use crate::network::architecture::Architecture;

/// File that identifies the trainings in the folder.
const FILE: &str = "fit.toml";

/// The folder and the plan of its trainings.
#[derive(Debug)]
pub(super) struct WorkFolder {
    path: PathBuf,
    trainings: Trainings,
}

/// Everything that the trainings depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Trainings {
    fingerprint: String,
    architecture: Architecture,
    folds: usize,
    seed: u64,
    precision: Precision,
    steps: u64,
}

impl WorkFolder {
    /// Opens the folder of the trainings for the bundle `out`. Trainings of other photographs or settings are
    /// removed. The number of steps is `given`, or that of the saved trainings, or `measured`.
    ///
    /// # Errors
    /// When `measured` fails or the folder cannot be written.
    pub(super) fn open(
        out: &Path,
        plan: &StudentPlan,
        fingerprint: &str,
        given: Option<u64>,
        measured: impl FnOnce() -> Result<u64>,
    ) -> Result<Self> {
        let path = path(out);
        let file = path.join(FILE);
        let saved = std::fs::read_to_string(&file)
            .ok()
            .and_then(|text| toml::from_str::<Trainings>(&text).ok());
        let wanted = |steps, precision| Trainings {
            fingerprint: fingerprint.to_owned(),
            architecture: plan.architecture,
            folds: FOLDS,
            seed: plan.seed,
            precision,
            steps,
        };
        // The precision is measured, so it may come out differently each time.
        let same =
            |saved: &Trainings| *saved == wanted(given.unwrap_or(saved.steps), saved.precision);
        if let Some(trainings) = saved.filter(same) {
            eprintln!("continuing the trainings in {}", path.display());
            return Ok(Self { path, trainings });
        }
        Self::remove(out)?;
        let trainings = wanted(given.map_or_else(measured, Ok)?, plan.precision);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        files::replace_text(&file, &toml::to_string_pretty(&trainings)?)?;
        Ok(Self { path, trainings })
    }

    /// Path of the folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The plan of the trainings: that of the folder, if it was continued.
    pub(super) fn plan(&self, plan: StudentPlan) -> StudentPlan {
        StudentPlan {
            steps: self.trainings.steps,
            precision: self.trainings.precision,
            ..plan
        }
    }

    /// Removes the folder for the bundle `out`, if it is one of these.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(super) fn remove(out: &Path) -> Result<()> {
        let path = path(out);
        if path.join(FILE).exists() {
            std::fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }
}

/// The bundle's path with `.training` appended.
fn path(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".training");
    PathBuf::from(name)
}
