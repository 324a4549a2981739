//! Pixel-level metrics: how well maps localise anomalies. Exact, with memory use that does not depend on the
//! number of good pixels.
//!
//! True positive rate, PRO and sPRO change only at the values of *defect* pixels, which are a few per cent of
//! all pixels. Therefore the images are read in two passes. `ground_truth` collects the values of all defect
//! pixels and sorts them. `good_pixels` sorts the good pixels of each image and counts them in the intervals
//! between these values, which gives the false positive rate at each value. Then `threshold_sweep` lowers a
//! threshold from value to value and traces all curves. If there are more values than counters fit in memory,
//! the second pass is repeated for ranges of values.
//!
//! Definitions: PRO is the mean over the connected components of the ground truth of their detected fraction
//! (Bergmann et al., The MVTec Anomaly Detection Dataset, IJCV 2021). sPRO is the same for the channels of
//! the ground truth, with saturation (Bergmann et al., Beyond Dents and Scratches, IJCV 2022, eq. 2). Curves
//! are linear between thresholds, also across ties.

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

/// Pixel-level metrics of a category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelMetrics {
    /// Number of evaluated images, good and anomalous.
    pub images: usize,
    /// Number of anomalous images that were ignored because they have no masks.
    pub images_without_masks: usize,
    /// Number of anomalous images with empty masks; all their pixels count as good.
    pub images_with_empty_masks: usize,
    /// Number of pixels outside all defects.
    pub good_pixels: u64,
    /// Number of defect pixels.
    pub defect_pixels: u64,
    /// Number of connected components of the ground truth.
    pub regions: usize,
    /// Area under the ROC curve over all pixels; ties count half.
    pub au_roc: f64,
    /// Average precision over all pixels.
    pub average_precision: f64,
    /// Largest F1 over all pixels, and the lowest threshold that reaches it.
    pub max_f1: PixelF1,
    /// Area under the PRO curve up to each of [`super::curve::FPR_LIMITS`]. MVTec AD reports the one at 0.3.
    pub au_pro: Vec<LimitedArea>,
    /// Saturated PRO, if a `defects_config.json` was given.
    pub spro: Option<SaturatedPro>,
    /// ROC curve, thinned for figures.
    pub roc: Curve,
    /// PRO curve, thinned for figures.
    pub pro: Curve,
}

/// A threshold with its F1. A pixel is predicted anomalous if its value is at least the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelF1 {
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Threshold.
    pub threshold: f64,
}

/// Saturated PRO of MVTec LOCO AD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SaturatedPro {
    /// For logical anomalies and good images.
    pub logical: Option<SproSubset>,
    /// For structural anomalies and good images.
    pub structural: Option<SproSubset>,
    /// Mean of the two areas at each limit. MVTec LOCO AD reports the one at 0.05.
    pub mean: Option<Vec<LimitedArea>>,
}

/// Saturated PRO of one subset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SproSubset {
    /// Number of defects: channels of the ground truth.
    pub defects: usize,
    /// Area under the sPRO curve up to each of [`super::curve::FPR_LIMITS`].
    pub au_spro: Vec<LimitedArea>,
    /// sPRO curve, thinned for figures.
    pub curve: Curve,
}

impl PixelMetrics {
    /// AU-PRO up to FPR 0.3, as reported by MVTec AD.
    pub fn au_pro_30(&self) -> Option<f64> {
        area_at(&self.au_pro, 0.3)
    }

    /// AU-sPRO up to FPR 0.05, mean over logical and structural anomalies, as reported by MVTec LOCO AD.
    pub fn au_spro_05(&self) -> Option<f64> {
        area_at(self.spro.as_ref()?.mean.as_ref()?, 0.05)
    }
}

/// Result of [`evaluate`].
#[derive(Clone, Debug, PartialEq)]
pub struct PixelEvaluation {
    /// Metrics; `None` if defect pixels or good pixels are missing.
    pub metrics: Option<PixelMetrics>,
    /// Maximum of each image's map.
    pub maxima: Vec<f32>,
}

/// Maximum number of counters in memory: 768 MiB.
const MAX_COUNTERS: usize = 192 << 20;

/// Reads all images and computes their pixel-level metrics. With `defects`, each mask is a channel with a
/// pixel value from the configuration, anomalous images must be logical or structural, and saturated PRO is
/// computed. Calls `progress` with the completed and the total amount of work.
///
/// # Errors
/// Returns an error that names the image if it cannot be read, its map is not finite, or its masks do not fit.
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
    // From the highest values down, in the order of the sweep.
    for (pass, range) in (0..).zip(good_pixels::ranges_from_above(thresholds.len(), at_once)) {
        let counts = good_pixels::count(source, &truth, &thresholds, range.clone(), &|done| {
            progress(images + (pass * images + done) / ranges, 2 * images);
        })?;
        sweep.lower(&thresholds[range], &counts);
    }
    Ok(PixelEvaluation {
        metrics: Some(sweep.finish()),
        maxima,
    })
}

/// Returns the class for counting an image's good pixels. With `subsets`: [`GOOD`], [`LOGICAL`] or
/// [`STRUCTURAL`], or `None` if the group is unknown. Without: always [`GOOD`].
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
