//! Pixel-level metrics: how well maps show where the anomalies are. Exact, in memory that does not grow
//! with the number of good pixels.
//!
//! True positive rate, PRO and sPRO change only at the values that *defect* pixels have, and those are a
//! few per cent of all. So the images are read twice. First `collect` keeps the values of defect pixels,
//! sorted. Then `count` sorts each image's good pixels and counts them into the intervals between those
//! values, which gives the false positive rate at each. Last `sweep` lowers a threshold from value to
//! value and follows all curves at once. Where there are more values than counters fit in memory, the
//! second reading is repeated for one range of values after the other.
//!
//! Definitions: PRO is the mean share of each connected component of the ground truth that is found
//! (Bergmann et al., The MVTec Anomaly Detection Dataset, IJCV 2021); sPRO the same for each channel of
//! the ground truth, with saturation (Bergmann et al., Beyond Dents and Scratches, IJCV 2022, eq. 2).
//! Curves are straight between thresholds, where values are tied too.

mod good_pixels;
mod ground_truth;
#[cfg(test)]
mod tests;
mod threshold_sweep;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::curve::{Curve, LimitedArea, area_at};
use super::defects_config::DefectsConfig;
use super::source::MapSource;
use crate::dataset::{Group, Kind};
use threshold_sweep::ThresholdSweep;

/// The pixel-level metrics of a category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelMetrics {
    /// Images that count, good and anomalous.
    pub images: usize,
    /// Anomalous images left out because nobody drew their defects.
    pub images_without_masks: usize,
    /// Anomalous images whose masks show nothing; all their pixels count as good.
    pub images_with_empty_masks: usize,
    /// Pixels outside of all defects.
    pub good_pixels: u64,
    /// Pixels of defects.
    pub defect_pixels: u64,
    /// Connected components of the ground truth.
    pub regions: usize,
    /// Area under the ROC curve of all pixels, ties counted half.
    pub au_roc: f64,
    /// Average precision of all pixels.
    pub average_precision: f64,
    /// The largest F1 of all pixels that a threshold reaches, and the lowest threshold that does.
    pub max_f1: PixelF1,
    /// Area under the PRO curve up to each of [`super::curve::FPR_LIMITS`]. AU-PRO as MVTec AD reports it
    /// is the one at 0.3.
    pub au_pro: Vec<LimitedArea>,
    /// Saturated PRO, where a `defects_config.json` was given.
    pub spro: Option<SaturatedPro>,
    /// The ROC curve, thinned for figures.
    pub roc: Curve,
    /// The PRO curve, thinned for figures.
    pub pro: Curve,
}

/// A threshold and its F1; a pixel is predicted anomalous if its value is at least the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelF1 {
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// The threshold.
    pub threshold: f64,
}

/// Saturated PRO of MVTec LOCO AD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SaturatedPro {
    /// Logical anomalies and good images.
    pub logical: Option<SproSubset>,
    /// Structural anomalies and good images.
    pub structural: Option<SproSubset>,
    /// The means of the two areas at each limit. AU-sPRO as MVTec LOCO AD reports it is the one at 0.05.
    pub mean: Option<Vec<LimitedArea>>,
}

/// Saturated PRO of one subset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SproSubset {
    /// Defects: channels of the ground truth.
    pub defects: usize,
    /// Area under the sPRO curve up to each of [`super::curve::FPR_LIMITS`].
    pub au_spro: Vec<LimitedArea>,
    /// The curve, thinned for figures.
    pub curve: Curve,
}

impl PixelMetrics {
    /// AU-PRO up to FPR 0.3, as MVTec AD reports it.
    pub fn au_pro_30(&self) -> Option<f64> {
        area_at(&self.au_pro, 0.3)
    }

    /// AU-sPRO up to FPR 0.05, the mean over logical and structural anomalies, as MVTec LOCO AD reports it.
    pub fn au_spro_05(&self) -> Option<f64> {
        area_at(self.spro.as_ref()?.mean.as_ref()?, 0.05)
    }
}

/// What [`evaluate`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelEvaluation {
    /// The metrics; none where there is no defect pixel or no good one.
    pub metrics: Option<PixelMetrics>,
    /// The largest value of each image's map.
    pub maxima: Vec<f32>,
}

/// Counters to be had at once: 768 MiB of them.
const MAX_COUNTERS: usize = 192 << 20;

/// Reads all images and computes their pixel-level metrics. With `defects`, each mask is a channel whose
/// pixel value must be one of them, anomalous images are logical or structural ones, and saturated PRO is
/// computed. `progress` is told how much is done, of how much in all.
///
/// # Errors
/// When an image cannot be read, its map is not finite, or its masks do not fit; it is named.
pub fn evaluate(
    source: &dyn MapSource,
    defects: Option<&DefectsConfig>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<PixelEvaluation> {
    evaluate_within(MAX_COUNTERS, source, defects, progress)
}

fn evaluate_within(
    max_counters: usize,
    source: &dyn MapSource,
    defects: Option<&DefectsConfig>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<PixelEvaluation> {
    let images = source.len() as u64;
    let truth = ground_truth::collect(source, defects, &|done| progress(done, 2 * images))?;
    let maxima = truth.images.iter().map(|image| image.maximum).collect();
    if truth.defect_pixels.is_empty() || truth.good_pixels().iter().sum::<u64>() == 0 {
        return Ok(PixelEvaluation {
            metrics: None,
            maxima,
        });
    }
    let thresholds = truth.thresholds();
    let at_once = (max_counters / (2 * truth.classes)).max(1);
    let ranges = thresholds.len().div_ceil(at_once) as u64;
    let mut sweep = ThresholdSweep::new(&truth);
    // From the highest values down, as the sweep goes.
    for (turn, range) in (0..).zip(good_pixels::ranges_from_above(thresholds.len(), at_once)) {
        let counts = good_pixels::count(source, &truth, &thresholds, range.clone(), &|done| {
            progress(images + (turn * images + done) / ranges, 2 * images);
        })?;
        sweep.lower(&thresholds[range], &counts);
    }
    Ok(PixelEvaluation {
        metrics: Some(sweep.finish()),
        maxima,
    })
}

/// The class that an image's good pixels are counted in: [`GOOD`], [`LOGICAL`] or [`STRUCTURAL`] where
/// subsets are told apart, else the first for all.
fn class(kind: &Kind, subsets: bool) -> Option<usize> {
    match kind {
        _ if !subsets => Some(GOOD),
        Kind::Good => Some(GOOD),
        Kind::Anomalous { group, .. } => match group {
            Group::Logical => Some(LOGICAL),
            Group::Structural => Some(STRUCTURAL),
            Group::Unspecified => None,
        },
    }
}

const GOOD: usize = 0;
const LOGICAL: usize = 1;
const STRUCTURAL: usize = 2;
