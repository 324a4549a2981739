//! Result of an evaluation: summary values, all metrics, all scores.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::GOOD;
use super::maps::EvaluatedMaps;
use super::model::{Model, ModelIdentity};
use super::threshold_goal::{ChosenThreshold, ThresholdGoal};
use crate::dataset::Layout;
use crate::files;
use crate::metrics::{Metrics, image};

/// One test image with its score.
#[derive(Clone, Debug, Serialize)]
pub struct ScoredImage {
    /// Path of the image relative to the dataset's folder.
    pub image: PathBuf,
    /// `good`, or the anomaly type.
    pub kind: String,
    /// Score as the daemon computes it.
    pub score: f64,
    /// Contribution of the structural map to the score.
    pub structural: f64,
    /// Contribution of the logical map to the score.
    pub logical: f64,
}

/// Description of the test images.
#[derive(Clone, Debug, Serialize)]
pub struct DatasetFacts {
    /// Category: the name of its folder.
    pub category: String,
    /// Layout of the dataset's files.
    pub layout: Layout,
    /// Standard deviation in pixels of the smoothing for the pixel-level metrics.
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

/// Result for one anomaly type.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TypeResult {
    /// Number of anomalous images.
    pub images: usize,
    /// Area under the ROC curve against the good images.
    pub auroc: f64,
    /// 95 % bootstrap interval of the AUROC.
    pub auroc_interval: Option<[f64; 2]>,
    /// Fraction of these images with a score above the suggested threshold.
    pub detection_rate: f64,
}

/// Metrics with only one of the two maps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BranchMetrics {
    /// With only the structural map.
    pub structural: Metrics,
    /// With only the logical map.
    pub logical: Metrics,
}

/// Complete result, as written with `--json` and to the report's `metrics.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// Evaluated model.
    pub model: ModelIdentity,
    /// Test images.
    pub dataset: DatasetFacts,
    /// Number of good test images.
    pub good: usize,
    /// Results by anomaly type.
    pub types: BTreeMap<String, TypeResult>,
    /// Result for all anomalous images.
    pub all: TypeResult,
    /// Mean AUROC over the anomaly types, as MVTec LOCO AD reports it.
    pub mean_auroc: f64,
    /// Suggested threshold: images with a score above it are rejected.
    pub threshold: f64,
    /// Fraction of good test images with a score above the threshold.
    pub false_reject_rate: f64,
    /// Fraction of anomalous test images with a score above the threshold.
    pub detection_rate: f64,
    /// All metrics with their curves.
    pub metrics: Metrics,
    /// Metrics of each map separately, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branches: Option<BranchMetrics>,
    /// Scores of all images, in the dataset's order.
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

    /// The threshold that meets `goal` best on these images; `None` without good or without defective images.
    pub fn threshold_for(&self, goal: ThresholdGoal) -> Option<ChosenThreshold> {
        let scores = |good: bool| -> Vec<f64> {
            let images = self.scores.iter();
            let images = images.filter(|image| (image.kind == GOOD) == good);
            images.map(|image| image.score).collect()
        };
        ChosenThreshold::choose(goal, &scores(true), &scores(false))
    }

    /// Indices of the images of type `kind`, in descending order of score.
    pub fn ranked(&self, kind: &str) -> Vec<usize> {
        let mut of_kind: Vec<usize> = (0..self.scores.len())
            .filter(|&index| self.scores[index].kind == kind)
            .collect();
        of_kind.sort_by(|&a, &b| self.scores[b].score.total_cmp(&self.scores[a].score));
        of_kind
    }

    /// `good`, then every anomaly type.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        std::iter::once(GOOD).chain(self.types.keys().map(String::as_str))
    }

    /// The pixel-level metrics that the dataset's publishers report, with their names.
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

    /// Formats the result as a text table.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<28} {:>7} {:>8}  {:<15} {:>8}\n",
            "type", "images", "AUROC", "95 % interval", "detected"
        );
        for (name, result) in &self.types {
            text.push_str(&row(name, result));
        }
        text.push_str(&row("all anomalous images", &self.all));
        let mean = &self.metrics.image.mean.au_roc;
        // Writing to a string cannot fail.
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
            "at the suggested threshold: {:.1} % of {} good images rejected, {:.1} % of anomalous images detected",
            100.0 * self.false_reject_rate,
            self.good,
            100.0 * self.detection_rate
        );
        text
    }

    /// Formats the result as JSON.
    ///
    /// # Errors
    /// Never in practice: every value can be represented in JSON.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// Writes the complete result as JSON to `path`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
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
        "{name:<28} {:>7} {:>8.4}  {:<15} {:>6.1} %\n",
        result.images,
        result.auroc,
        interval(result.auroc_interval),
        100.0 * result.detection_rate
    )
}

/// Formats an interval as `0.912-0.987`; empty for `None`.
pub(crate) fn interval(interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(String::new, |[low, high]| format!("{low:.4}-{high:.4}"))
}
