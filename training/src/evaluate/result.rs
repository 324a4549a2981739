//! The result of an evaluation: the figures that a person asks for first, all metrics, every score.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use super::GOOD;
use super::maps::EvaluatedMaps;
use super::model::{Model, ModelIdentity};
use crate::dataset::Layout;
use crate::files;
use crate::metrics::{Metrics, image};

/// One test image with its score.
#[derive(Clone, Debug, Serialize)]
pub struct ScoredImage {
    /// The image, below the dataset's folder.
    pub image: PathBuf,
    /// Its type: `good`, or the anomaly's.
    pub kind: String,
    /// Its score, as the line would compute it.
    pub score: f64,
    /// The structural map's share of the score.
    pub structural: f64,
    /// The logical map's share of the score.
    pub logical: f64,
}

/// The test images that were used.
#[derive(Clone, Debug, Serialize)]
pub struct DatasetFacts {
    /// The category's name: its folder's.
    pub category: String,
    /// By which structure the files were found.
    pub layout: Layout,
    /// Deviation, pixels, that maps were smoothed with for the pixel-level metrics.
    pub pixel_smoothing: f64,
}

impl DatasetFacts {
    pub(super) fn of(maps: &EvaluatedMaps) -> Self {
        Self {
            category: maps.dataset().category.clone(),
            layout: maps.dataset().layout,
            pixel_smoothing: maps.smoothing(),
        }
    }
}

/// The result for one type.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TypeResult {
    /// Anomalous images.
    pub images: usize,
    /// Area under the ROC curve against the good images.
    pub auroc: f64,
    /// Its 95 % bootstrap interval.
    pub auroc_interval: Option<[f64; 2]>,
    /// Share of these images above the suggested threshold.
    pub detection_rate: f64,
}

/// The metrics of images judged by one of the two maps alone.
#[derive(Clone, Debug, Serialize)]
pub struct BranchMetrics {
    /// By the structural one.
    pub structural: Metrics,
    /// By the logical one.
    pub logical: Metrics,
}

/// All of it, as written with `--json` and to the report's `metrics.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// What was evaluated.
    pub model: ModelIdentity,
    /// On what.
    pub dataset: DatasetFacts,
    /// Good test images.
    pub good: usize,
    /// Of each anomaly type, its images and AUROC.
    pub types: BTreeMap<String, TypeResult>,
    /// Of all anomalous images at once.
    pub all: TypeResult,
    /// Mean over the types, as MVTec LOCO AD reports it.
    pub mean_auroc: f64,
    /// The suggested threshold: an image whose score is above it is rejected.
    pub threshold: f64,
    /// Share of good test images above it.
    pub false_reject_rate: f64,
    /// Share of anomalous test images above it.
    pub detection_rate: f64,
    /// Every metric with its curves.
    pub metrics: Metrics,
    /// What each map alone would have said, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branches: Option<BranchMetrics>,
    /// Every image, in the dataset's order.
    pub scores: Vec<ScoredImage>,
}

impl Evaluation {
    pub(super) fn new(
        model: &Model,
        dataset: DatasetFacts,
        scores: Vec<ScoredImage>,
        metrics: Metrics,
    ) -> Self {
        let image = &metrics.image;
        let all = TypeResult::of(&image.all);
        let types = image.types.iter();
        Self {
            model: model.identity().clone(),
            dataset,
            good: image.good_images,
            types: types
                .map(|(name, metrics)| (name.clone(), TypeResult::of(metrics)))
                .collect(),
            mean_auroc: image.mean.au_roc.value,
            threshold: model.threshold(),
            false_reject_rate: image
                .all
                .at_threshold
                .map_or(f64::NAN, |point| 1.0 - point.specificity),
            detection_rate: all.detection_rate,
            all,
            metrics,
            branches: None,
            scores,
        }
    }

    /// The numbers of the images of `kind`, highest score first.
    pub fn ranked(&self, kind: &str) -> Vec<usize> {
        let mut of_kind: Vec<usize> = (0..self.scores.len())
            .filter(|&index| self.scores[index].kind == kind)
            .collect();
        of_kind.sort_by(|&a, &b| self.scores[b].score.total_cmp(&self.scores[a].score));
        of_kind
    }

    /// `good` and then every type.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        std::iter::once(GOOD).chain(self.types.keys().map(String::as_str))
    }

    /// The pixel-level figures that the dataset's publishers report, each with its name.
    pub fn pixel_figures(&self) -> Vec<(&'static str, f64)> {
        let Some(pixel) = &self.metrics.pixel else {
            return Vec::new();
        };
        let mut figures = Vec::new();
        if let Some(area) = pixel.au_spro_05() {
            figures.push(("AU-sPRO to FPR 0.05", area));
        }
        if let Some(area) = pixel.au_pro_30() {
            figures.push(("AU-PRO to FPR 0.3", area));
        }
        figures.push(("Pixel AUROC", pixel.au_roc));
        figures
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<28} {:>7} {:>8}  {:<15} {:>6}\n",
            "type", "images", "AUROC", "95 % interval", "found"
        );
        for (name, result) in &self.types {
            text.push_str(&row(name, result));
        }
        text.push_str(&row("all anomalous images", &self.all));
        let mean = &self.metrics.image.mean.au_roc;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{:<28} {:>7} {:>8.4}  {}",
            "mean over types",
            "",
            mean.value,
            interval(mean.interval)
        );
        for (name, value) in self.pixel_figures() {
            let _ = writeln!(text, "{name:<28} {:>7} {value:>8.4}", "");
        }
        let _ = write!(
            text,
            "at the suggested threshold: {:.1} % of {} good images rejected, {:.1} % of anomalous ones found",
            100.0 * self.false_reject_rate,
            self.good,
            100.0 * self.detection_rate
        );
        text
    }

    /// As JSON.
    ///
    /// # Errors
    /// Never in practice: every value has a form in JSON.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// Writes everything as JSON to `path`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        files::replace_text(path, &self.json()?)
    }
}

impl TypeResult {
    fn of(metrics: &image::TypeMetrics) -> Self {
        let found = metrics.at_threshold.map(|point| point.sensitivity);
        Self {
            images: metrics.images,
            auroc: metrics.au_roc.value,
            auroc_interval: metrics.au_roc.interval,
            detection_rate: found.unwrap_or(f64::NAN),
        }
    }
}

fn row(name: &str, result: &TypeResult) -> String {
    format!(
        "{name:<28} {:>7} {:>8.4}  {:<15} {:>5.1} %\n",
        result.images,
        result.auroc,
        interval(result.auroc_interval),
        100.0 * result.detection_rate
    )
}

/// `0.912-0.987`, or nothing.
pub(crate) fn interval(interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(String::new, |[low, high]| format!("{low:.4}-{high:.4}"))
}
