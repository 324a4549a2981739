//! How well a bundle tells anomalous parts from good ones, through the runtime that the line uses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use inspectd::bundle::Bundle;
use inspectd::engine::{Engine, EngineOptions};
use inspectd::maps::image_score;
use inspectd::score::auroc;
use serde::Serialize;

use crate::dataset::frames::Frames;
use crate::dataset::loader::{Loader, Prefetch};
use crate::dataset::order::Order;
use crate::dataset::{Dataset, Kind, TestItem};
use crate::files;

/// One test image with its score.
#[derive(Clone, Debug, Serialize)]
pub struct Scored {
    /// The image, below the dataset's folder.
    pub image: PathBuf,
    /// Its type: `good`, or the anomaly's.
    pub kind: String,
    /// Its score, as the line would compute it.
    pub score: f64,
}

/// Image AUROC by anomaly type, each against all good images.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// Name, version and graph hash of the bundle.
    pub bundle: [String; 3],
    /// Good test images.
    pub good: usize,
    /// Of each anomaly type, its images and AUROC.
    pub types: BTreeMap<String, TypeResult>,
    /// Of all anomalous images at once.
    pub all: TypeResult,
    /// Mean over the types, as MVTec LOCO AD reports it.
    pub mean_auroc: f64,
    /// Share of good test images above the bundle's suggested threshold.
    pub false_reject_rate: f64,
    /// Share of anomalous test images above it.
    pub detection_rate: f64,
    /// Every image, in the dataset's order.
    pub scores: Vec<Scored>,
}

/// The result for one type.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TypeResult {
    /// Anomalous images.
    pub images: usize,
    /// Area under the ROC curve against the good images.
    pub auroc: f64,
}

/// Scores every test image of `dataset` with `bundle`; `progress` is told the images done.
///
/// # Errors
/// When an image cannot be read, the bundle does not run, or the dataset has no good or no anomalous
/// test image.
pub fn evaluate(
    bundle: &Bundle,
    dataset: &Dataset,
    options: &EngineOptions,
    mut progress: impl FnMut(u64),
) -> Result<Evaluation> {
    let mut engine = Engine::load(bundle, options)?;
    let contents = bundle.manifest();
    let calibration = contents.maps.calibration();
    ensure!(
        !dataset.test.is_empty(),
        "{}: no test images",
        dataset.root.display()
    );
    let paths: Vec<PathBuf> = dataset.test.iter().map(|item| item.path.clone()).collect();
    let (order, end) = (Order::in_turn(paths.len()), paths.len() as u64);
    let frames = Arc::new(Frames::new(paths, contents.input.width, 0));
    let ahead = Prefetch {
        workers: 1,
        depth: 4,
    };
    let mut scores = Vec::with_capacity(dataset.test.len());
    for (item, loaded) in dataset
        .test
        .iter()
        .zip(Loader::new(&frames, order, 0..end, ahead))
    {
        let loaded = loaded?;
        let maps = engine.run(&[loaded.frame.as_ref()])?;
        let (width, height) = loaded.size;
        let score = image_score(
            &maps.structural,
            &maps.logical,
            maps.width,
            &calibration,
            width,
            height,
        );
        scores.push(scored(item, dataset, f64::from(score.score)));
        progress(scores.len() as u64);
    }
    summarise(bundle, scores)
}

fn scored(item: &TestItem, dataset: &Dataset, score: f64) -> Scored {
    Scored {
        image: item
            .path
            .strip_prefix(&dataset.root)
            .unwrap_or(&item.path)
            .to_owned(),
        kind: match &item.kind {
            Kind::Good => GOOD.to_owned(),
            Kind::Anomalous { type_name, .. } => type_name.clone(),
        },
        score,
    }
}

fn summarise(bundle: &Bundle, scores: Vec<Scored>) -> Result<Evaluation> {
    let contents = bundle.manifest();
    let of = |wanted: &dyn Fn(&str) -> bool| {
        let kept = scores.iter().filter(|scored| wanted(&scored.kind));
        kept.map(|scored| scored.score).collect::<Vec<f64>>()
    };
    let good = of(&|kind| kind == GOOD);
    let anomalous = of(&|kind| kind != GOOD);
    let result = |anomalous: &[f64]| -> Result<TypeResult> {
        Ok(TypeResult {
            images: anomalous.len(),
            auroc: auroc(&good, anomalous).context(
                "the dataset's test images need good and anomalous ones, and finite scores",
            )?,
        })
    };
    let mut types = BTreeMap::new();
    for scored in scores.iter().filter(|scored| scored.kind != GOOD) {
        if !types.contains_key(&scored.kind) {
            types.insert(
                scored.kind.clone(),
                result(&of(&|kind| kind == scored.kind))?,
            );
        }
    }
    let threshold = f64::from(contents.threshold.value);
    let above = |scores: &[f64]| {
        scores.iter().filter(|score| **score > threshold).count() as f64 / scores.len() as f64
    };
    Ok(Evaluation {
        bundle: [
            contents.name.clone(),
            contents.version.clone(),
            contents.graph.sha256.clone(),
        ],
        good: good.len(),
        all: result(&anomalous)?,
        mean_auroc: types.values().map(|result| result.auroc).sum::<f64>() / types.len() as f64,
        false_reject_rate: above(&good),
        detection_rate: above(&anomalous),
        types,
        scores,
    })
}

/// The type of images without an anomaly.
const GOOD: &str = "good";

impl Evaluation {
    /// A table for people.
    pub fn table(&self) -> String {
        let mut text = format!("{:<28} {:>7} {:>8}\n", "type", "images", "AUROC");
        let mut row = |name: &str, result: &TypeResult| {
            let _ = writeln!(
                text,
                "{name:<28} {:>7} {:>8.4}",
                result.images, result.auroc
            );
        };
        self.types
            .iter()
            .for_each(|(name, result)| row(name, result));
        row("all anomalous images", &self.all);
        let _ = write!(
            text,
            "{:<28} {:>7} {:>8.4}\nat the suggested threshold: {:.1} % of {} good images rejected, {:.1} % of anomalous ones found",
            "mean over types",
            "",
            self.mean_auroc,
            100.0 * self.false_reject_rate,
            self.good,
            100.0 * self.detection_rate
        );
        text
    }

    /// Writes everything as JSON to `path`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        files::replace_text(path, &serde_json::to_string_pretty(self)?)
    }
}
