//! Evaluation on a dataset's test images: how well a model separates anomalous from good images, and how
//! well it localises anomalies.
//!
//! [`model`] opens a model, [`maps`] stores its anomaly maps of all images, and [`result`] contains the
//! metrics of [`crate::metrics`] and the scores.

pub mod maps;
pub mod model;
pub mod result;
mod smooth;
pub mod threshold_goal;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};

use crate::calibrate::ImageMaps;
use crate::dataset::image_cache::ImageCache;
use crate::dataset::loader::{Loader, Prefetch};
use crate::dataset::sampler::Sampler;
use crate::dataset::{Dataset, Kind};
use crate::metrics::defects_config::DefectsConfig;
use crate::metrics::image::ImageScore;
use crate::metrics::{Metrics, image, pixel};
use maps::EvaluatedMaps;
use model::Model;
use result::{BranchMetrics, DatasetFacts, Evaluation, ScoredImage};

/// Type name of images without an anomaly.
pub const GOOD: &str = "good";

/// Default standard deviation in pixels of the smoothing before the pixel-level metrics, as in the published
/// evaluation.
pub const PIXEL_SMOOTHING: f64 = 2.0;

/// Computes the maps of all test images of `dataset` with `model`. Calls `progress` with the number of
/// processed images. `smoothing` affects only the pixel-level metrics.
///
/// # Errors
/// Returns an error if the dataset has no test images, an image cannot be read, or the model fails.
pub fn maps_of(
    model: &mut Model,
    dataset: Dataset,
    smoothing: f64,
    mut progress: impl FnMut(u64),
) -> Result<EvaluatedMaps> {
    let smoothing = maps::check_smoothing(smoothing)?;
    ensure!(
        !dataset.test.is_empty(),
        "{}: no test images",
        dataset.root.display()
    );
    let paths: Vec<PathBuf> = dataset.test.iter().map(|item| item.path.clone()).collect();
    let (order, end) = (Sampler::sequential(paths.len()), paths.len() as u64);
    let frames = Arc::new(ImageCache::new(paths, model.identity().input_size, 0));
    let ahead = Prefetch {
        workers: 1,
        depth: 4,
    };
    let mut images: Vec<ImageMaps> = Vec::with_capacity(dataset.test.len());
    for loaded in Loader::new(&frames, order, 0..end, ahead) {
        images.push(model.maps(&loaded?)?);
        progress(images.len() as u64);
    }
    let calibration = model.calibration();
    Ok(EvaluatedMaps::new(dataset, calibration, smoothing, images))
}

/// Computes the metrics of `maps`, which `model` computed. Calls `progress` with the completed and the total
/// amount of work for the pixel-level metrics.
///
/// # Errors
/// Returns an error if a mask cannot be read, or if good or anomalous images are missing.
pub fn evaluate(
    model: &Model,
    maps: &EvaluatedMaps,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Evaluation> {
    let scores = scores(maps);
    let metrics = metrics(maps, &scores, model.threshold(), progress)?;
    Ok(Evaluation::new(
        model,
        DatasetFacts::of(maps),
        scores,
        metrics,
    ))
}

/// Computes the metrics with only the structural and with only the logical map. The suggested threshold
/// applies to the sum of both maps, so use only the metrics that do not depend on a threshold.
///
/// # Errors
/// As for [`evaluate`].
pub fn branches(
    model: &Model,
    maps: &EvaluatedMaps,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<BranchMetrics> {
    let single_map = |weights| {
        let maps = maps.weighted(weights);
        metrics(&maps, &scores(&maps), model.threshold(), progress)
    };
    Ok(BranchMetrics {
        structural: single_map([1.0, 0.0])?,
        logical: single_map([0.0, 1.0])?,
    })
}

fn scores(maps: &EvaluatedMaps) -> Vec<ScoredImage> {
    let images = 0..maps.dataset().test.len();
    images.map(|index| scored(maps, index)).collect()
}

fn metrics(
    maps: &EvaluatedMaps,
    scores: &[ScoredImage],
    threshold: f64,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Metrics> {
    let dataset = maps.dataset();
    let image = image_metrics(scores, threshold)?;
    let config = dataset.root.join("defects_config.json");
    let defects = match dataset.layout {
        crate::dataset::Layout::MvtecLoco => Some(DefectsConfig::load(&config)?),
        _ => None,
    };
    let drawn = dataset.test.iter().any(|item| !item.masks.is_empty());
    let pixel = if drawn {
        pixel::evaluate(maps, defects.as_ref(), progress)?.metrics
    } else {
        None
    };
    Ok(Metrics { image, pixel })
}

fn scored(maps: &EvaluatedMaps, index: usize) -> ScoredImage {
    let score = maps.score(index);
    ScoredImage {
        image: maps.path(index),
        kind: match &maps.item(index).kind {
            Kind::Good => GOOD.to_owned(),
            Kind::Anomalous { type_name, .. } => type_name.clone(),
        },
        score: f64::from(score.score),
        structural: f64::from(score.structural),
        logical: f64::from(score.logical),
    }
}

fn image_metrics(scores: &[ScoredImage], threshold: f64) -> Result<image::ImageMetrics> {
    let of = |scored: &ScoredImage| ImageScore {
        anomaly: (scored.kind != GOOD).then(|| scored.kind.clone()),
        score: scored.score,
    };
    let scores: Vec<ImageScore> = scores.iter().map(of).collect();
    let options = image::Options {
        // The daemon rejects scores above its threshold; the metrics count scores at or above theirs.
        threshold: Some(threshold.next_up()),
        ..image::Options::default()
    };
    image::evaluate(&scores, &options)
}
