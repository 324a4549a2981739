//! `mhkd export`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use inspectd_core::bundle::Bundle;
use inspectd_core::manifest::{Int8Parity, Precision};

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
    /// Precision of the networks in the bundle
    #[arg(long, value_enum, default_value_t = GraphPrecision::F32)]
    precision: GraphPrecision,
}

/// Precision on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum GraphPrecision {
    /// 32-bit floats, as in training
    #[value(name = "f32")]
    F32,
    /// 8-bit integers, except for the last convolution of each network: a smaller and faster bundle, with a calibration of
    /// its own, because its scores differ slightly
    #[value(name = "int8")]
    Int8,
}

impl From<GraphPrecision> for Precision {
    fn from(precision: GraphPrecision) -> Self {
        match precision {
            GraphPrecision::F32 => Self::F32,
            GraphPrecision::Int8 => Self::Int8,
        }
    }
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
        let total = crate::export::parity::IMAGES as u64;
        let mut bar = Some(Progress::new("comparing with libtorch", total, 0));
        let precision = self.precision.into();
        let bundle = export(&run, label, precision, &self.out, |done, total| {
            if let Some(progress) = &mut bar {
                progress.set(done, "");
            }
            // It ends here, because with int8 other progress bars follow.
            if done == total
                && let Some(progress) = bar.take()
            {
                progress.finish();
            }
        })?;
        println!("{}", summary(&bundle));
        if let Some(parity) = &bundle.manifest().parity.int8 {
            println!("{}", agreement(parity));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Describes a written bundle, one line.
fn summary(bundle: &Bundle) -> String {
    let contents = bundle.manifest();
    let (precision, parity) = (contents.graph.precision, &contents.parity);
    let of_graph = match precision {
        Precision::F32 => "",
        Precision::Int8 => " in f32",
    };
    format!(
        "{}: {precision}, {:.1} MB; ONNX Runtime {} agrees with libtorch{of_graph}: largest difference {:.1e} of the largest value over {} images; suggested threshold {:.4} ({})",
        bundle.dir().display(),
        bundle.graph().len() as f64 / 1e6,
        parity.onnxruntime_version,
        parity.largest_relative,
        parity.images,
        contents.threshold.value,
        contents.threshold.method,
    )
}

/// Describes the agreement of both precisions, one line.
fn agreement(parity: &Int8Parity) -> String {
    let scores = parity
        .score_correlation
        .map_or("not defined".to_owned(), |value| format!("{value:.4}"));
    format!(
        "int8 agrees with f32: correlation {:.4} of the maps over {} images, largest difference {:.1e} of the largest value, mean {:.1e}; correlation of the scores of the validation images {scores}; ranges measured on {} training images",
        parity.map_correlation,
        parity.images,
        parity.largest_relative,
        parity.mean_relative,
        parity.calibration_images,
    )
}
