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
    /// The run's folder
    run: PathBuf,
    /// The bundle's folder; one that is there is replaced
    #[arg(long)]
    out: PathBuf,
    /// What the bundle is called [default: the dataset's category]
    #[arg(long)]
    name: Option<String>,
    /// Its version
    #[arg(long, default_value = "1.0.0")]
    model_version: String,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode> {
        let run = Run::open(&self.run, &toml::Table::new())?;
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
            "{}: {:.1} MB; ONNX Runtime {} agrees with libtorch to {:.1e} of the largest value over {} images; suggested threshold {:.4} ({})",
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
