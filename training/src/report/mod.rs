//! Report of an evaluation: a self-contained HTML page, and its figures as separate files.
//!
//! | file | contents |
//! |---|---|
//! | `report.html` | the complete report with embedded figures and images |
//! | `metrics.json` | all metrics, curves and scores |
//! | `roc.svg`, `scores.svg`, `spro.svg` or `pro.svg` | the figures; also as PNG |
//! | `panels/*.jpg` | images with their ground truth and anomaly maps |
//! | `features/*.jpg` | images with the features behind the logical map; only for runs |

mod colour_map;
mod curve_figures;
mod feature_panels;
mod figure_html;
mod folder;
mod html;
mod image_encoding;
mod panels;
mod sample_selection;
mod score_histogram;
mod tables;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

pub use folder::check_folder;
pub(crate) use html::{document, legend};
pub(crate) use image_encoding::{data_uri, jpeg};
pub(crate) use panels::{ColourScale, overlaid, tile};

use crate::evaluate::maps::EvaluatedMaps;
use crate::evaluate::model::Model;
use crate::evaluate::result::Evaluation;
use crate::figure::Drawing;
use crate::files;
use panels::Panel;
use sample_selection::SampleSelection;

/// File name of the HTML page.
pub const PAGE: &str = "report.html";
/// File name of the metrics.
pub const METRICS: &str = "metrics.json";
/// Pixels of a PNG per pixel of the figure: sharp on high-resolution screens.
const PNG_SCALE: f32 = 2.0;

/// A figure with its file name (without extension) and caption.
struct Figure {
    name: &'static str,
    caption: String,
    drawing: Drawing,
}

/// Contents of the page in addition to the evaluation's metrics.
struct ReportContents {
    scores: Figure,
    roc: Figure,
    localisation: Option<Figure>,
    examples: Vec<Panel>,
    false_alarms: Vec<Panel>,
    misses: Vec<Panel>,
    features: Option<feature_panels::FeaturePanels>,
    scale: panels::ColourScale,
}

/// Writes the report of `evaluation` to `folder`, atomically. An existing report is replaced. `maps` and
/// `model` are those of the evaluation.
///
/// # Errors
/// Returns an error if `folder` contains other files, an image cannot be read again, or a file cannot be
/// written.
pub fn write(
    folder: &Path,
    evaluation: &Evaluation,
    maps: &EvaluatedMaps,
    model: &Model,
) -> Result<()> {
    check_folder(folder)?;
    let contents = contents(evaluation, maps, model)?;
    files::replace_folder(folder, |new| {
        let put = |name: &str, bytes: &[u8]| {
            fs::write(new.join(name), bytes).with_context(|| format!("cannot write {name}"))
        };
        put(METRICS, evaluation.json()?.as_bytes())?;
        put(PAGE, html::page(evaluation, &contents)?.as_bytes())?;
        for figure in [&contents.scores, &contents.roc]
            .into_iter()
            .chain(&contents.localisation)
        {
            let drawing = &figure.drawing;
            put(
                &format!("{}.svg", figure.name),
                drawing.svg_file().as_bytes(),
            )?;
            let png = image_encoding::png(&drawing.raster(PNG_SCALE))?;
            put(&format!("{}.png", figure.name), &png)?;
        }
        fs::create_dir(new.join("panels"))?;
        let groups = [&contents.examples, &contents.false_alarms, &contents.misses];
        for panel in groups.into_iter().flatten() {
            put(&format!("panels/{}", panel.file), &panel.strip()?)?;
        }
        if let Some(features) = &contents.features {
            fs::create_dir(new.join("features"))?;
            for panel in &features.panels {
                put(&format!("features/{}", panel.file), &panel.strip()?)?;
            }
        }
        Ok(())
    })
}

fn contents(
    evaluation: &Evaluation,
    maps: &EvaluatedMaps,
    model: &Model,
) -> Result<ReportContents> {
    let selection = SampleSelection::of(evaluation);
    let scale = panels::ColourScale::of(evaluation.threshold);
    let panels = |indices: &[usize]| -> Result<Vec<Panel>> {
        let panel = |&index: &usize| Panel::of(index, evaluation, maps, scale);
        indices.iter().map(panel).collect()
    };
    Ok(ReportContents {
        scores: score_histogram::score_histogram(evaluation),
        roc: curve_figures::roc(evaluation),
        localisation: curve_figures::localisation(evaluation),
        examples: panels(&selection.examples)?,
        false_alarms: panels(&selection.false_alarms)?,
        misses: panels(&selection.misses)?,
        features: feature_panels::feature_panels(&selection.features, evaluation, maps, model)?,
        scale,
    })
}
