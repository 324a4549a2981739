//! `mhkd evaluate`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::{Context, Result};
use clap::Args;

use crate::dataset::{self, Dataset, Layout};
use crate::evaluate::model::Model;
use crate::evaluate::{PIXEL_SMOOTHING, evaluate, maps_of};
use crate::log::progress::Progress;
use crate::report;

/// Runs a bundle through ONNX Runtime, as the line does, or a run through libtorch.
#[derive(Debug, Args)]
pub(super) struct Evaluate {
    /// The folder of a bundle, or of a run
    #[arg(value_name = "RUN_OR_BUNDLE")]
    model: PathBuf,
    /// Folder of the dataset, or of one category of it [default: a run's own]
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// Category, where the dataset has several
    #[arg(long, requires = "dataset")]
    category: Option<String>,
    /// The dataset's layout (found out where not given)
    #[arg(long, requires = "dataset")]
    layout: Option<Layout>,
    /// Write a report there: report.html, metrics.json and figures; a report that is there is replaced
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write the result and every image's score there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write every image's anomaly map there, as 32-bit TIFF in the layout of the official evaluations
    #[arg(long, value_name = "DIR")]
    save_maps: Option<PathBuf>,
    /// Deviation, pixels, of the Gaussian that maps are smoothed with for pixel-level metrics and
    /// --save-maps; scores are of maps without
    #[arg(long, value_name = "PIXELS", default_value_t = PIXEL_SMOOTHING)]
    pixel_smoothing: f64,
    /// Compute on the GPU with this number
    #[arg(long, value_name = "N")]
    cuda: Option<i32>,
}

impl Evaluate {
    pub(super) fn run(self) -> Result<ExitCode> {
        if let Some(folder) = &self.out {
            report::check_folder(folder)?;
        }
        let mut model = Model::open(&self.model, self.cuda, self.dataset.as_deref())?;
        let dataset = self.dataset(&model)?;
        let mut progress = Progress::new("scoring", dataset.test.len() as u64, 0);
        let maps = maps_of(&mut model, dataset, self.pixel_smoothing, |done| {
            progress.set(done, "");
        })?;
        progress.finish();
        let evaluation = shown("pixel metrics", |progress| {
            evaluate(&model, &maps, progress)
        })?;
        println!("{}", evaluation.table());
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

    /// The dataset asked for, or the run's own.
    fn dataset(&self, model: &Model) -> Result<Dataset> {
        match &self.dataset {
            Some(path) => dataset::open(path, self.category.as_deref(), self.layout, 0),
            None => model
                .dataset()
                .cloned()
                .context("--dataset is not given: a bundle does not say where its test images are"),
        }
    }
}

/// What `work` gives; how far it is, which it may tell from any thread, is shown as `label`.
fn shown<T>(label: &str, work: impl FnOnce(&(dyn Fn(u64, u64) + Sync)) -> T) -> T {
    let bar: Mutex<Option<Progress>> = Mutex::new(None);
    let result = work(&|done, total| {
        // A bar that another thread has panicked with is still a bar.
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
