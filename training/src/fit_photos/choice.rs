//! Choice of the method from good parts only: artificial defects are drawn on the photographs, and the
//! method that ranks them best above the good photographs is chosen.

use anyhow::{Context, Result};
use inspectd_core::maps::MapSize;
use inspectd_core::score::auroc;
use serde::Serialize;
use tch::Tensor;

use super::photos::Photo;
use super::pseudo_defects::{PseudoDefect, draw};
use crate::feature_methods::bundle::{MapScores, score};
use crate::feature_methods::extractor::FeatureExtractor;
use crate::feature_methods::{FeatureMethod, FittedMethod};
use crate::fit::checkpoint::host;
use crate::log::progress::Progress;

/// Number of photographs that get artificial defects, one of each kind.
const DEFECTIVE: usize = 24;
/// A method must be better by this much than the sum of both methods, which is the more robust choice.
const MARGIN: f64 = 0.03;

/// The method of a fit on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MethodChoice {
    /// By artificial defects
    Auto,
    /// A Gaussian of the features in every cell; for parts that always lie at the same place
    Padim,
    /// The nearest feature of a memory bank; for parts at any place
    Patchcore,
    /// The sum of both maps
    #[value(name = "padim+patchcore")]
    Both,
}

impl MethodChoice {
    /// The method, or `None` for the automatic choice.
    pub fn method(self) -> Option<FeatureMethod> {
        match self {
            Self::Auto => None,
            Self::Padim => Some(FeatureMethod::Padim),
            Self::Patchcore => Some(FeatureMethod::PatchCore),
            Self::Both => Some(FeatureMethod::Both),
        }
    }
}

/// How well a method finds artificial defects.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodScore {
    /// The method.
    pub method: FeatureMethod,
    /// Image AUROC for each kind of artificial defect, in the order of `PseudoDefect::ALL`.
    pub auroc: Vec<f64>,
}

impl MethodScore {
    /// Mean over the kinds.
    pub fn mean(&self) -> f64 {
        self.auroc.iter().sum::<f64>() / self.auroc.len() as f64
    }
}

/// Compares all methods of `fitted`, which was fitted to `photos` with both methods. The good photographs are
/// scored by models that have not seen them.
pub(super) fn compare(
    fitted: &mut FittedMethod,
    photos: &[Photo],
    grid: MapSize,
    extractor: &mut FeatureExtractor,
    seed: u64,
) -> Result<Vec<MethodScore>> {
    let count = photos.len().min(DEFECTIVE);
    let chosen: Vec<usize> = (0..count)
        .map(|index| index * photos.len() / count)
        .collect();
    let total = (count * PseudoDefect::ALL.len()) as u64;
    let mut progress = Progress::new("artificial defects", total, 0);
    let mut done = 0;
    let mut features = Vec::new();
    for kind in PseudoDefect::ALL {
        let mut of_kind = Vec::with_capacity(count);
        for &index in &chosen {
            let seed = seed ^ ((index as u64) << 8) ^ kind as u64;
            of_kind.push(extractor.features(&draw(&photos[index].frame, kind, seed))?);
            done += 1;
            progress.set(done, "");
        }
        features.push(Tensor::stack(&of_kind, 0));
    }
    progress.finish();
    let sizes: Vec<(u32, u32)> = photos.iter().map(|photo| photo.size).collect();
    let mut scores = Vec::new();
    for method in FeatureMethod::ALL {
        fitted.select(method);
        let good = MapScores::measure(&fitted.unseen_maps(), grid, &sizes)?;
        let mut aurocs = Vec::new();
        for of_kind in &features {
            let maps = host(&fitted.maps(of_kind));
            let maps = maps.chunks_exact(grid.cells()).zip(&chosen);
            let bad: Vec<f64> = maps
                .map(|(map, &index)| score(map, grid, good.quantiles, sizes[index]))
                .collect();
            aurocs.push(auroc(&good.scores, &bad).context("a score is not a number")?);
        }
        scores.push(MethodScore {
            method,
            auroc: aurocs,
        });
    }
    Ok(scores)
}

/// The method with the highest mean, or the sum of both methods if no method is better by [`MARGIN`].
pub(super) fn best(scores: &[MethodScore]) -> FeatureMethod {
    let mean = |method| {
        let of_method = scores.iter().find(|score| score.method == method);
        of_method.map_or(0.0, MethodScore::mean)
    };
    let both = mean(FeatureMethod::Both) + MARGIN;
    let single = [FeatureMethod::Padim, FeatureMethod::PatchCore];
    single
        .into_iter()
        .filter(|&method| mean(method) > both)
        .max_by(|&one, &other| mean(one).total_cmp(&mean(other)))
        .unwrap_or(FeatureMethod::Both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_is_chosen_unless_a_single_method_is_clearly_better() {
        let best_of = |padim, bank, both| {
            let score = |method, auroc: f64| MethodScore {
                method,
                auroc: vec![auroc; 4],
            };
            best(&[
                score(FeatureMethod::Padim, padim),
                score(FeatureMethod::PatchCore, bank),
                score(FeatureMethod::Both, both),
            ])
        };
        assert_eq!(best_of(0.95, 0.9, 0.95), FeatureMethod::Both);
        assert_eq!(best_of(0.97, 0.9, 0.95), FeatureMethod::Both);
        assert_eq!(best_of(0.98, 0.99, 0.95), FeatureMethod::PatchCore);
        assert_eq!(best_of(0.99, 0.9, 0.95), FeatureMethod::Padim);
    }
}
