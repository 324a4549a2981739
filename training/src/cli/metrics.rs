//! `mhkd metrics`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::dataset::MvtecLayout;
use crate::files;
use crate::log::progress::Progress;
use crate::metrics::image::Options;
use crate::metrics::map_folder::MapFolder;
use crate::metrics::{self, Metrics as Found};

/// Reads MAPS/CATEGORY/test/TYPE/NAME.tiff, the layout of the official MVTec evaluations. The score of an
/// image is the maximum of its map.
#[derive(Debug, Args)]
pub(super) struct Metrics {
    /// Layout of the dataset
    #[arg(long)]
    format: MvtecLayout,
    /// Folder of the dataset, which contains the folder of the category
    #[arg(long)]
    dataset: PathBuf,
    /// Category
    #[arg(long)]
    category: String,
    /// Folder of the maps, which contains the folder of the category
    #[arg(long)]
    maps: PathBuf,
    /// Write the result, including curves, as JSON to this file; - writes it to standard output instead of
    /// the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also report accuracy, sensitivity and specificity at this threshold
    #[arg(long, allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Bootstrap resamples for the confidence intervals; 0 disables the intervals
    #[arg(long, default_value_t = Options::default().resamples)]
    resamples: u32,
    /// Random seed of the bootstrap resamples
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
}

/// Content of the JSON file.
#[derive(Serialize)]
struct Report<'a> {
    category: &'a str,
    format: MvtecLayout,
    #[serde(flatten)]
    metrics: &'a Found,
}

impl Metrics {
    pub(super) fn run(self) -> Result<ExitCode> {
        let source = MapFolder::open(self.format, &self.dataset, &self.category, &self.maps)?;
        if let [first, rest @ ..] = source.unused() {
            eprintln!(
                "warning: {}: map does not belong to a test image{}",
                first.display(),
                match rest.len() {
                    0 => String::new(),
                    more => format!(", and {more} more"),
                }
            );
        }
        let options = Options {
            resamples: self.resamples,
            seed: self.seed,
            threshold: self.threshold,
            ..Options::default()
        };
        let bar = Mutex::new(None);
        let metrics = metrics::evaluate(&source, source.defects(), &options, &|done, total| {
            let mut bar = bar
                .lock()
                .expect("no thread panics while it holds the lock");
            bar.get_or_insert_with(|| Progress::new("measuring", total, 0))
                .set(done, "");
        })?;
        let bar = bar
            .into_inner()
            .expect("no thread panics while it holds the lock");
        if let Some(progress) = bar {
            progress.finish();
        }
        let report = Report {
            category: &self.category,
            format: self.format,
            metrics: &metrics,
        };
        self.print(&report)?;
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, report: &Report) -> Result<()> {
        let json = || serde_json::to_string_pretty(report);
        let mut out = std::io::stdout().lock();
        let printed = match self.json.as_deref() {
            Some(path) if path == Path::new("-") => writeln!(out, "{}", json()?),
            Some(path) => {
                files::replace_text(path, &json()?)?;
                writeln!(out, "{}", report.metrics)
            }
            None => writeln!(out, "{}", report.metrics),
        };
        printed.context("cannot write to standard output")
    }
}
