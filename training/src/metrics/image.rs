//! Image-level metrics: how well the scores separate anomalous from good images.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::bootstrap::{self, Resample};
use super::curve::Curve;
use super::ranking::{self, RankingMetrics, ScoreSteps};

/// All resamples are in memory at once, and more do not improve the intervals.
const MAX_RESAMPLES: u32 = 100_000;

/// Score of one test image.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageScore {
    /// Anomaly type; `None` for a good image.
    pub anomaly: Option<String>,
    /// Anomaly score; higher is more anomalous. Finite.
    pub score: f64,
}

/// Options of the image-level metrics.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Number of bootstrap resamples for the confidence intervals, at most 100000; 0 disables the intervals.
    pub resamples: u32,
    /// Confidence level of the intervals, above 0 and below 1.
    pub confidence: f64,
    /// Seed of the resamples.
    pub seed: u64,
    /// Threshold at which to report accuracy, sensitivity and specificity, in addition to the threshold of the
    /// largest F1.
    pub threshold: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            resamples: 2000,
            confidence: 0.95,
            seed: 0,
            threshold: None,
        }
    }
}

/// Image-level metrics of a category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageMetrics {
    /// Options of the computation.
    pub options: Options,
    /// Number of good images.
    pub good_images: usize,
    /// Metrics of each anomaly type against all good images.
    pub types: BTreeMap<String, TypeMetrics>,
    /// Means over the anomaly types.
    pub mean: MeanMetrics,
    /// Metrics of all anomalous images against all good images.
    pub all: TypeMetrics,
}

/// Metrics of the anomalous images of one type, or of all types, against all good images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TypeMetrics {
    /// Number of anomalous images.
    pub images: usize,
    /// Area under the ROC curve, ties counted half.
    pub au_roc: Estimate,
    /// Average precision: the sum of precisions weighted by the increase in recall, not interpolated.
    pub average_precision: Estimate,
    /// Largest F1 over all thresholds.
    pub max_f1: Estimate,
    /// Operating point at the threshold with the largest F1; the lowest such threshold.
    pub at_max_f1: OperatingPoint,
    /// Operating point at the requested threshold.
    pub at_threshold: Option<OperatingPoint>,
    /// ROC curve with all its points.
    pub roc: Curve,
}

/// Means over the anomaly types; each type has the same weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanMetrics {
    /// Mean area under the ROC curve.
    pub au_roc: Estimate,
    /// Mean average precision.
    pub average_precision: Estimate,
    /// Mean of the largest F1 values, each at its own threshold.
    pub max_f1: Estimate,
}

/// A value with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Bootstrap confidence interval.
    pub interval: Option<[f64; 2]>,
}

/// Result of a threshold: an image is predicted anomalous if its score is at least the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// The threshold.
    pub threshold: f64,
    /// Anomalous images predicted anomalous.
    pub true_positives: u64,
    /// Good images predicted anomalous.
    pub false_positives: u64,
    /// Good images predicted good.
    pub true_negatives: u64,
    /// Anomalous images predicted good.
    pub false_negatives: u64,
    /// Fraction of images predicted correctly.
    pub accuracy: f64,
    /// Fraction of anomalous images predicted correctly (recall, true positive rate).
    pub sensitivity: f64,
    /// Fraction of good images predicted correctly.
    pub specificity: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
}

/// Computes the metrics of `scores`.
///
/// # Errors
/// Returns an error if good or anomalous images are missing, a score is not finite, or an option is
/// invalid.
pub fn evaluate(scores: &[ImageScore], options: &Options) -> Result<ImageMetrics> {
    check(scores, options)?;
    let steps = ScoreSteps::new(scores.iter().map(|image| image.score));
    let mut good = Vec::new();
    let mut types: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for image in scores {
        match &image.anomaly {
            None => good.push(steps.of(image.score)),
            Some(name) => types.entry(name).or_default().push(steps.of(image.score)),
        }
    }
    let (names, members): (Vec<&str>, Vec<Vec<usize>>) = types.into_iter().unzip();
    let resamples = bootstrap::resamples(&steps, &good, &members, options.resamples, options.seed);
    let against = Comparison {
        options,
        steps: &steps,
        good: steps.count(good.iter().copied()),
        resamples: &resamples,
    };
    let counts: Vec<Vec<u32>> = members
        .iter()
        .map(|members| steps.count(members.iter().copied()))
        .collect();
    let mut of_types = BTreeMap::new();
    for (index, (name, counts)) in names.iter().zip(&counts).enumerate() {
        let metrics = against.metrics(counts, |resample| resample.types[index]);
        of_types.insert((*name).to_owned(), metrics);
    }
    Ok(ImageMetrics {
        options: *options,
        good_images: good.len(),
        mean: against.mean(&of_types),
        types: of_types,
        all: against.metrics(&bootstrap::sum_counts(&counts), |resample| resample.all),
    })
}

fn check(scores: &[ImageScore], options: &Options) -> Result<()> {
    let anomalous = scores
        .iter()
        .filter(|image| image.anomaly.is_some())
        .count();
    ensure!(
        anomalous > 0 && anomalous < scores.len(),
        "{} good and {anomalous} anomalous images; at least one of each is required",
        scores.len() - anomalous
    );
    if let Some(at) = scores.iter().position(|image| !image.score.is_finite()) {
        anyhow::bail!(
            "score of image {at} is {}; must be finite",
            scores[at].score
        );
    }
    ensure!(
        options.resamples <= MAX_RESAMPLES,
        "resamples = {}: must be at most {MAX_RESAMPLES}",
        options.resamples
    );
    ensure!(
        options.confidence > 0.0 && options.confidence < 1.0,
        "confidence = {}: must be above 0 and below 1",
        options.confidence
    );
    if let Some(threshold) = options.threshold {
        ensure!(
            threshold.is_finite(),
            "threshold = {threshold}: must be finite"
        );
    }
    Ok(())
}

/// Good images, against which anomalous images are compared.
struct Comparison<'a> {
    options: &'a Options,
    steps: &'a ScoreSteps,
    good: Vec<u32>,
    resamples: &'a [Resample],
}

impl Comparison<'_> {
    /// Computes the metrics of anomalous images, given as counts per score; `resampled` returns their metrics
    /// in a resample.
    fn metrics(
        &self,
        anomalous: &[u32],
        resampled: impl Fn(&Resample) -> RankingMetrics,
    ) -> TypeMetrics {
        let found = ranking::metrics(&self.good, anomalous);
        let estimate = |figure: fn(&RankingMetrics) -> f64| {
            self.estimate(figure(&found), |resample| figure(&resampled(resample)))
        };
        TypeMetrics {
            images: anomalous.iter().map(|&count| count as usize).sum(),
            au_roc: estimate(|figures| figures.au_roc),
            average_precision: estimate(|figures| figures.average_precision),
            max_f1: estimate(|figures| figures.max_f1),
            at_max_f1: self.at(self.steps.scores[found.max_f1_step], anomalous),
            at_threshold: self
                .options
                .threshold
                .map(|threshold| self.at(threshold, anomalous)),
            roc: self.roc(anomalous),
        }
    }

    fn mean(&self, types: &BTreeMap<String, TypeMetrics>) -> MeanMetrics {
        let mean = |value: fn(&TypeMetrics) -> Estimate, figure: fn(&RankingMetrics) -> f64| {
            let count = types.len() as f64;
            let found: f64 = types.values().map(|of_type| value(of_type).value).sum();
            self.estimate(found / count, |resample| {
                resample.types.iter().map(figure).sum::<f64>() / count
            })
        };
        MeanMetrics {
            au_roc: mean(|of_type| of_type.au_roc, |figures| figures.au_roc),
            average_precision: mean(
                |of_type| of_type.average_precision,
                |figures| figures.average_precision,
            ),
            max_f1: mean(|of_type| of_type.max_f1, |figures| figures.max_f1),
        }
    }

    fn estimate(&self, value: f64, resampled: impl Fn(&Resample) -> f64) -> Estimate {
        let values: Vec<f64> = self.resamples.iter().map(resampled).collect();
        Estimate {
            value,
            interval: (!values.is_empty())
                .then(|| ranking::percentiles(values, self.options.confidence)),
        }
    }

    fn at(&self, threshold: f64, anomalous: &[u32]) -> OperatingPoint {
        let end = self
            .steps
            .scores
            .partition_point(|&score| score >= threshold);
        let split = |counts: &[u32]| {
            let total = |counts: &[u32]| counts.iter().map(|&count| u64::from(count)).sum::<u64>();
            (total(&counts[..end]), total(&counts[end..]))
        };
        let (tp, missed) = split(anomalous);
        let (fp, tn) = split(&self.good);
        let share = |part: u64, whole: u64| part as f64 / whole as f64;
        OperatingPoint {
            threshold,
            true_positives: tp,
            false_positives: fp,
            true_negatives: tn,
            false_negatives: missed,
            accuracy: share(tp + tn, tp + fp + tn + missed),
            sensitivity: share(tp, tp + missed),
            specificity: share(tn, fp + tn),
            f1: ranking::f1(tp, fp, tp + missed),
        }
    }

    fn roc(&self, anomalous: &[u32]) -> Curve {
        let rates = |counts: &[u32]| -> Vec<f64> {
            let total: u32 = counts.iter().sum();
            let mut reached = 0;
            counts
                .iter()
                .map(|count| {
                    reached += count;
                    f64::from(reached) / f64::from(total)
                })
                .collect()
        };
        let mut curve = Curve {
            fpr: vec![0.0],
            value: vec![0.0],
        };
        // A score may occur only in images of other types.
        for (fpr, tpr) in rates(&self.good).into_iter().zip(rates(anomalous)) {
            if curve.fpr.last() != Some(&fpr) || curve.value.last() != Some(&tpr) {
                curve.fpr.push(fpr);
                curve.value.push(tpr);
            }
        }
        curve
    }
}
