//! `mhkd predict`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Args;
use inspectd_core::preprocess::{Crop, Rotation};

use super::precision::GraphPrecision;
use crate::device::DeviceChoice;
use crate::evaluate::model::Model;
use crate::fit_photos::photos::{View, parse_crop, parse_rotation};
use crate::predict::{Folders, Prediction, TABLE, predict};

/// Writes scores.csv, scores.json and a heatmap for each image.
#[derive(Debug, Args)]
pub(super) struct Predict {
    /// Folder of a bundle or of a run
    #[arg(value_name = "RUN_OR_BUNDLE")]
    model: PathBuf,
    /// Folder of images; its subfolders count too
    images: PathBuf,
    /// Folder of the results; earlier results are replaced
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Images with a higher score are rejected [default: the model's threshold]
    #[arg(long)]
    threshold: Option<f64>,
    /// Inspected rectangle in pixels, as the camera's `crop` [default: all]
    #[arg(long, value_name = "LEFT,TOP,RIGHT,BOTTOM", value_parser = parse_crop)]
    crop: Option<Crop>,
    /// Clockwise rotation before cropping, as the camera's `rotate`: 0, 90, 180 or 270
    #[arg(long, value_name = "DEGREES", default_value = "0", value_parser = parse_rotation)]
    rotate: Rotation,
    /// Device: auto, cpu, cuda or cuda:N; auto selects the first GPU if there is one, or else the CPU
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// Precision of the bundle's graph [default: its main graph]
    #[arg(long, value_enum)]
    precision: Option<GraphPrecision>,
}

impl Predict {
    pub(super) fn run(self) -> Result<ExitCode> {
        ensure!(
            self.threshold.is_none_or(f64::is_finite),
            "--threshold must be a finite number"
        );
        let view = View {
            rotation: self.rotate,
            crop: self.crop,
        };
        let mut model = Model::open(
            &self.model,
            self.device,
            None,
            self.precision.map(Into::into),
        )?;
        let folders = Folders {
            images: &self.images,
            out: &self.out,
        };
        let predictions = predict(&mut model, folders, view, self.threshold)?;
        let count = |decision| {
            let rows = predictions.images.iter();
            rows.filter(|row| row.decision == decision).count()
        };
        let errors = count(Prediction::Error);
        for row in &predictions.images {
            if let Some(error) = &row.error {
                eprintln!("error: {error}");
            }
        }
        println!(
            "{} images: {} PASS, {} REJECT, {errors} not readable; threshold {:.4}; {}",
            predictions.images.len(),
            count(Prediction::Pass),
            count(Prediction::Reject),
            predictions.threshold,
            self.out.join(TABLE).display()
        );
        Ok(if errors == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
