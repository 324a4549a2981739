//! `mhkd predict`: scores of images without ground truth, as a table and as heatmaps.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use inspectd_core::maps::combine;
use rayon::prelude::*;
use serde::Serialize;

use crate::dataset::loader::LoadedImage;
use crate::evaluate::model::{Model, ModelIdentity};
use crate::files;
use crate::fit_photos::photos::{self, View};
use crate::log::progress::Progress;
use crate::report::{ColourScale, jpeg, overlaid, tile};

/// File name of the table.
pub const TABLE: &str = "scores.csv";
/// File name of the table as JSON.
pub const JSON: &str = "scores.json";
/// Folder of the heatmaps.
pub const HEATMAPS: &str = "heatmaps";

/// Images that are decoded in parallel and then scored.
const CHUNK: usize = 16;

/// Decision about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Prediction {
    /// The score is at most the threshold.
    Pass,
    /// The score is above the threshold.
    Reject,
    /// The image cannot be read.
    Error,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Path relative to the folder.
    pub image: PathBuf,
    /// Decision.
    pub decision: Prediction,
    /// Score.
    pub score: Option<f32>,
    /// Share of the structural map.
    pub structural: Option<f32>,
    /// Share of the logical map.
    pub logical: Option<f32>,
    /// Heatmap relative to the output folder.
    pub heatmap: Option<PathBuf>,
    /// Why the image cannot be read.
    pub error: Option<String>,
}

/// Scores of a folder of images.
#[derive(Clone, Debug, Serialize)]
pub struct Predictions {
    /// The model.
    pub model: ModelIdentity,
    /// Images with a higher score are rejected.
    pub threshold: f64,
    /// The images, in the order of their names.
    pub images: Vec<Row>,
}

/// Where the images are and where the results go.
#[derive(Clone, Copy, Debug)]
pub struct Folders<'a> {
    /// Folder of images, with subfolders.
    pub images: &'a Path,
    /// Folder of the results. It must not exist, be empty, or contain earlier results.
    pub out: &'a Path,
}

/// Scores all images with `model` and writes the table and the heatmaps. `threshold` replaces the model's.
///
/// # Errors
/// When a folder cannot be used, the model fails, or a file cannot be written. An image that cannot be read
/// becomes a row with [`Prediction::Error`].
pub fn predict(
    model: &mut Model,
    folders: Folders<'_>,
    view: View,
    threshold: Option<f64>,
) -> Result<Predictions> {
    let Folders { images, out } = folders;
    check_out(out)?;
    let paths = crate::dataset::images_below(images)?;
    let mut predictions = Predictions {
        model: model.identity().clone(),
        threshold: threshold.unwrap_or(model.threshold()),
        images: Vec::with_capacity(paths.len()),
    };
    files::replace_folder(out, |new| {
        fs::create_dir(new.join(HEATMAPS))?;
        let mut progress = Progress::new("scoring", paths.len() as u64, 0);
        for chunk in paths.chunks(CHUNK) {
            let size = predictions.model.input_size;
            let loaded: Vec<_> = chunk
                .par_iter()
                .map(|path| photos::one(path, view, size))
                .collect();
            for (path, photo) in chunk.iter().zip(loaded) {
                let image = path.strip_prefix(images).unwrap_or(path).to_owned();
                let row = match photo {
                    Ok(photo) => {
                        let index = predictions.images.len();
                        score(model, &photo, image, predictions.threshold, (new, index))?
                    }
                    Err(error) => Row {
                        image,
                        decision: Prediction::Error,
                        score: None,
                        structural: None,
                        logical: None,
                        heatmap: None,
                        error: Some(error),
                    },
                };
                predictions.images.push(row);
                progress.set(predictions.images.len() as u64, "");
            }
        }
        progress.finish();
        fs::write(new.join(JSON), serde_json::to_string_pretty(&predictions)?)?;
        let mut table = csv::Writer::from_path(new.join(TABLE))?;
        for row in &predictions.images {
            table.serialize(row)?;
        }
        table.flush()?;
        Ok(())
    })?;
    Ok(predictions)
}

fn score(
    model: &mut Model,
    photo: &photos::Photo,
    image: PathBuf,
    threshold: f64,
    (out, index): (&Path, usize),
) -> Result<Row> {
    let loaded = LoadedImage {
        index,
        frame: Arc::clone(&photo.frame),
        size: photo.size,
    };
    let maps = model
        .maps(&loaded)
        .with_context(|| photo.path.display().to_string())?;
    let calibration = model.calibration();
    let score = inspectd_core::maps::image_score(
        &maps.structural,
        &maps.logical,
        maps.grid,
        &calibration,
        photo.size.0,
        photo.size.1,
    );
    ensure!(
        score.score.is_finite(),
        "{}: the model's maps contain a non-finite value",
        photo.path.display()
    );
    let combined = combine(&maps.structural, &maps.logical, &calibration);
    let shown = tile(&photo.inspected()?)?;
    let overlay = overlaid(&shown, &combined, maps.grid, ColourScale::of(threshold));
    let stem = image.with_extension("");
    let name: String = stem
        .to_string_lossy()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let heatmap = Path::new(HEATMAPS).join(format!("{index:05}-{name}.jpg"));
    fs::write(out.join(&heatmap), jpeg(&overlay)?)
        .with_context(|| format!("cannot write {}", heatmap.display()))?;
    Ok(Row {
        image,
        decision: if f64::from(score.score) > threshold {
            Prediction::Reject
        } else {
            Prediction::Pass
        },
        score: Some(score.score),
        structural: Some(score.structural),
        logical: Some(score.logical),
        heatmap: Some(heatmap),
        error: None,
    })
}

/// Checks that `out` can be replaced without losing other files.
fn check_out(out: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(out) else {
        ensure!(!out.exists(), "{}: not a folder", out.display());
        return Ok(());
    };
    let foreign: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| ![TABLE, JSON, HEATMAPS].contains(&name.as_str()))
        .collect();
    ensure!(
        foreign.is_empty(),
        "{}: contains {}; must be a new folder or one with earlier results",
        out.display(),
        foreign.join(", ")
    );
    Ok(())
}
