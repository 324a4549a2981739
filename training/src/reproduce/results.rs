//! Metrics of finished experiments, averaged over seeds and categories.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::experiment::{Experiment, Variant};
use crate::evaluate::result::BranchMetrics;
use crate::metrics::Metrics;
use crate::metrics::curve::area_at;
use crate::metrics::pixel::SproSubset;

/// The required part of an evaluation's JSON file.
#[derive(Deserialize)]
struct Evaluated {
    metrics: Metrics,
    /// Absent for a method without training, whose single map has no branches.
    branches: Option<BranchMetrics>,
}

/// Which anomaly map scores the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapSelection {
    /// The sum of both maps.
    Both,
    /// Only the structural map.
    Structural,
    /// Only the logical map.
    Logical,
}

/// Selects one metric of an evaluation; `None` if the evaluation does not have it.
pub type MetricFn = fn(&Metrics) -> Option<f64>;

/// AU-sPRO at FPR 0.05, mean over structural and logical anomalies.
pub fn au_spro(metrics: &Metrics) -> Option<f64> {
    metrics.pixel.as_ref()?.au_spro_05()
}

/// AU-sPRO at FPR 0.05 of structural anomalies.
pub fn structural_au_spro(metrics: &Metrics) -> Option<f64> {
    family(metrics.pixel.as_ref()?.spro.as_ref()?.structural.as_ref())
}

/// AU-sPRO at FPR 0.05 of logical anomalies.
pub fn logical_au_spro(metrics: &Metrics) -> Option<f64> {
    family(metrics.pixel.as_ref()?.spro.as_ref()?.logical.as_ref())
}

fn family(subset: Option<&SproSubset>) -> Option<f64> {
    area_at(&subset?.au_spro, 0.05)
}

/// AU-PRO at FPR 0.3.
pub fn au_pro(metrics: &Metrics) -> Option<f64> {
    metrics.pixel.as_ref()?.au_pro_30()
}

/// Pixel AUROC.
pub fn pixel_auroc(metrics: &Metrics) -> Option<f64> {
    Some(metrics.pixel.as_ref()?.au_roc)
}

/// Image AUROC, mean over the anomaly types.
#[expect(
    clippy::unnecessary_wraps,
    reason = "must be a `MetricFn`, which returns an Option"
)]
pub fn mean_image_auroc(metrics: &Metrics) -> Option<f64> {
    Some(metrics.image.mean.au_roc.value)
}

/// Image AUROC over all anomalous images.
#[expect(
    clippy::unnecessary_wraps,
    reason = "must be a `MetricFn`, which returns an Option"
)]
pub fn image_auroc(metrics: &Metrics) -> Option<f64> {
    Some(metrics.image.all.au_roc.value)
}

/// Image AUROC of logical anomalies, if the dataset has that type.
pub fn logical_image_auroc(metrics: &Metrics) -> Option<f64> {
    Some(metrics.image.types.get("logical_anomalies")?.au_roc.value)
}

/// Image AUROC of structural anomalies, if the dataset has that type.
pub fn structural_image_auroc(metrics: &Metrics) -> Option<f64> {
    let types = &metrics.image.types;
    Some(types.get("structural_anomalies")?.au_roc.value)
}

/// Mean and standard deviation of a metric over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SeedStat {
    /// Mean over seeds of the means over categories.
    pub mean: f64,
    /// Standard deviation over seeds (n - 1) of the means over categories; `None` for a single seed.
    pub std: Option<f64>,
    /// Number of seeds that are finished in every category.
    pub seeds: usize,
}

/// Results of the finished experiments.
#[derive(Default)]
pub struct Results(Vec<(Experiment, Evaluated)>);

impl Results {
    /// Reads the results of all finished experiments.
    ///
    /// # Errors
    /// Returns an error that names the file if it is not a valid evaluation.
    pub fn read(experiments: &[Experiment]) -> Result<Self> {
        let mut results = Vec::new();
        for experiment in experiments
            .iter()
            .filter(|experiment| experiment.result().exists())
        {
            let path = experiment.result();
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let evaluated = serde_json::from_str(&text)
                .with_context(|| format!("{}: not a valid evaluation", path.display()))?;
            results.push((experiment.clone(), evaluated));
        }
        Ok(Self(results))
    }

    /// Statistics of a metric of `variant` over `categories`, from the seeds that are finished in all of them.
    pub fn stat(
        &self,
        variant: Variant,
        map: MapSelection,
        categories: &[String],
        figure: MetricFn,
    ) -> Option<SeedStat> {
        let of = |seed: u64, category: &String| {
            let (_, evaluated) = self.0.iter().find(|(experiment, _)| {
                experiment.variant == variant
                    && experiment.seed == seed
                    && experiment.category == *category
            })?;
            let branches = evaluated.branches.as_ref();
            figure(match map {
                MapSelection::Both => &evaluated.metrics,
                MapSelection::Structural => &branches?.structural,
                MapSelection::Logical => &branches?.logical,
            })
        };
        let mut seeds: Vec<u64> = self
            .0
            .iter()
            .map(|(experiment, _)| experiment.seed)
            .collect();
        seeds.sort_unstable();
        seeds.dedup();
        let means: Vec<f64> = seeds
            .into_iter()
            .filter_map(|seed| {
                let values: Option<Vec<f64>> = categories
                    .iter()
                    .map(|category| of(seed, category))
                    .collect();
                values.and_then(|values| mean(&values))
            })
            .collect();
        stat(&means)
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Statistics of the means of all seeds.
fn stat(means: &[f64]) -> Option<SeedStat> {
    let mean = mean(means)?;
    let squares: f64 = means.iter().map(|value| (value - mean).powi(2)).sum();
    Some(SeedStat {
        mean,
        std: (means.len() > 1).then(|| (squares / (means.len() - 1) as f64).sqrt()),
        seeds: means.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_over_seeds() {
        assert_eq!(stat(&[]), None);
        let one = stat(&[0.5]).expect("one seed");
        assert_eq!((one.mean, one.std, one.seeds), (0.5, None, 1));
        let three = stat(&[0.5, 0.6, 0.7]).expect("three seeds");
        assert!((three.mean - 0.6).abs() < 1e-12);
        assert!((three.std.expect("three seeds") - 0.1).abs() < 1e-12);
    }
}
