//! `mhkd export`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::export::{Label, export};
use crate::log::progress::Progress;
use crate::train::run::Run;

/// Writes the bundle of a finished run: model.onnx and manifest.toml.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// Folder of the run
    run: PathBuf,
    /// Folder of the bundle; an existing bundle is replaced
    #[arg(long)]
    out: PathBuf,
    /// Where the dataset of the run is now, if it was moved; its images must be the same
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// Name of the bundle [default: the category of the dataset]
    #[arg(long)]
    name: Option<String>,
    /// Version of the bundle
    #[arg(long, default_value = "1.0.0")]
    model_version: String,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut moved = toml::Table::new();
        if let Some(dataset) = &self.dataset {
            moved.insert("dataset".into(), dataset.display().to_string().into());
        }
        let run = Run::open(&self.run, &moved)?;
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let label = Label {
            name: self.name.unwrap_or_else(|| run.origin.category.clone()),
            version: self.model_version,
            created: now.parse().context("chrono writes RFC 3339")?,
        };
        let mut progress = Progress::new(
            "comparing with libtorch",
            crate::export::parity::IMAGES as u64,
            0,
        );
        let bundle = export(&run, label, &self.out, |done, _| progress.set(done, ""))?;
        progress.finish();
        let contents = bundle.manifest();
        println!(
            "{}: {:.1} MB; ONNX Runtime {} agrees with libtorch: largest difference {:.1e} of the largest value over {} images; suggested threshold {:.4} ({})",
            bundle.dir().display(),
            bundle.graph().len() as f64 / 1e6,
            contents.parity.onnxruntime_version,
            contents.parity.largest_relative,
            contents.parity.images,
            contents.threshold.value,
            contents.threshold.method,
        );
        Ok(ExitCode::SUCCESS)
    }
}
