//! `mhkd evaluate`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::{Context, Result};
use clap::Args;

use super::precision::GraphPrecision;
use crate::dataset::{self, Dataset, Layout};
use crate::device::DeviceChoice;
use crate::evaluate::model::Model;
use crate::evaluate::threshold_goal::ThresholdGoal;
use crate::evaluate::{PIXEL_SMOOTHING, branches, evaluate, maps_of};
use crate::log::progress::Progress;
use crate::report;

/// Evaluates a bundle with ONNX Runtime, as inspectd does, or a run with libtorch.
#[derive(Debug, Args)]
pub(super) struct Evaluate {
    /// Folder of a bundle or of a run
    #[arg(value_name = "RUN_OR_BUNDLE")]
    model: PathBuf,
    /// Folder of the dataset or of one of its categories [default: the dataset of the run]
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// Category, required if the dataset has several
    #[arg(long, requires = "dataset")]
    category: Option<String>,
    /// Layout of the dataset [default: detected]
    #[arg(long, requires = "dataset")]
    layout: Option<Layout>,
    /// Write a report to this folder: report.html, metrics.json and figures; replaces an existing report
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write the result and the score of every image as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the anomaly map of every image to this folder, as 32-bit TIFF in the layout of the official
    /// evaluations
    #[arg(long, value_name = "DIR")]
    save_maps: Option<PathBuf>,
    /// Standard deviation, in pixels, of the Gaussian that smooths the maps for pixel-level metrics and
    /// --save-maps; scores use maps without smoothing
    #[arg(long, value_name = "PIXELS", default_value_t = PIXEL_SMOOTHING)]
    pixel_smoothing: f64,
    /// Also print the threshold that suits the labelled images best: f1, miss-rate=R (the highest threshold that misses at
    /// most the share R of the defects) or cost=C (a missed defect costs C times a rejected good part)
    #[arg(long, value_name = "GOAL")]
    threshold_for: Option<ThresholdGoal>,
    /// Also evaluate the structural and the logical map separately
    #[arg(long)]
    branches: bool,
    /// Device: auto, cpu, cuda or cuda:N; auto selects the first GPU if there is one, or else the CPU
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// Precision of the bundle's graph [default: its main graph]
    #[arg(long, value_enum)]
    precision: Option<GraphPrecision>,
}

impl Evaluate {
    pub(super) fn run(self) -> Result<ExitCode> {
        if let Some(folder) = &self.out {
            report::check_folder(folder)?;
        }
        let mut model = Model::open(
            &self.model,
            self.device,
            self.dataset.as_deref(),
            self.precision.map(Into::into),
        )?;
        let dataset = self.dataset(&model)?;
        let mut progress = Progress::new("scoring", dataset.test.len() as u64, 0);
        let maps = maps_of(&mut model, dataset, self.pixel_smoothing, |done| {
            progress.set(done, "");
        })?;
        progress.finish();
        let mut evaluation = with_progress("pixel metrics", |progress| {
            evaluate(&model, &maps, progress)
        })?;
        if self.branches {
            let each = with_progress("branches", |progress| branches(&model, &maps, progress))?;
            evaluation.branches = Some(each);
        }
        println!("{}", evaluation.table());
        if let Some(goal) = self.threshold_for {
            let chosen = evaluation.threshold_for(goal).with_context(|| {
                format!("--threshold-for {goal}: needs good and defective images")
            })?;
            println!("for {goal}: {chosen}");
        }
        if let Some(path) = &self.json {
            evaluation.save(path)?;
        }
        if let Some(folder) = &self.save_maps {
            let mut progress = Progress::new("saving maps", evaluation.scores.len() as u64, 0);
            maps.save(folder, |done| progress.set(done, ""))?;
            progress.finish();
        }
        if let Some(folder) = &self.out {
            report::write(folder, &evaluation, &maps, &model)?;
            println!("report: {}", folder.join(report::PAGE).display());
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The dataset given on the command line, or else the dataset of the run.
    fn dataset(&self, model: &Model) -> Result<Dataset> {
        match &self.dataset {
            Some(path) => dataset::open(path, self.category.as_deref(), self.layout, 0),
            None => model.dataset().cloned().context(
                "--dataset is not given: a bundle does not store the path of its test images",
            ),
        }
    }
}

/// Runs `work` and returns its result. `work` may report progress from any thread; it is shown with
/// `label`.
fn with_progress<T>(label: &str, work: impl FnOnce(&(dyn Fn(u64, u64) + Sync)) -> T) -> T {
    let bar: Mutex<Option<Progress>> = Mutex::new(None);
    let result = work(&|done, total| {
        // A poisoned progress bar is still usable.
        let mut bar = bar
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        bar.get_or_insert_with(|| Progress::new(label, total, 0))
            .set(done, "");
    });
    let bar = bar
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(bar) = bar {
        bar.finish();
    }
    result
}
