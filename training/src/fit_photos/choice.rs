//! Choice of the method from good parts only: artificial defects are drawn on the photographs, and the
//! method that ranks them best above the good photographs is chosen.

use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use inspectd_core::frame::Frame;
use inspectd_core::score::auroc;
use serde::Serialize;
use tch::Tensor;

use super::go_on;
use super::maps::{Calibrated, PhotoSize, scores};
use super::method::FitMethod;
use super::model::{Images, Model};
use super::photos::Photo;
use super::pseudo_defects::{PseudoDefect, draw};
use crate::feature_methods::extractor::FeatureExtractor;
use crate::log::progress::Progress;

/// Number of photographs that get artificial defects, one of each kind.
const DEFECTIVE: usize = 24;
/// A method must be better by this much than the sum of all methods, which is the more robust choice.
const MARGIN: f64 = 0.03;

/// How well a method finds artificial defects.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodScore {
    /// The method.
    pub method: FitMethod,
    /// Image AUROC for each kind of artificial defect, in the order of `PseudoDefect::ALL`.
    pub auroc: Vec<f64>,
}

impl MethodScore {
    /// Mean over the kinds.
    pub fn mean(&self) -> f64 {
        self.auroc.iter().sum::<f64>() / self.auroc.len() as f64
    }
}

/// Compares `methods` of `model`, which was fitted to `photos` with all of them, on `defective` copies of them. The
/// good photographs are scored by models that have not seen them.
pub(super) fn compare(
    model: &mut Model,
    methods: &[FitMethod],
    photos: &[Photo],
    defective: &[DefectiveSet],
) -> Result<Vec<MethodScore>> {
    let sizes: Vec<PhotoSize> = photos.iter().map(|photo| photo.size).collect();
    let mut found = Vec::new();
    for &method in methods {
        model.select(method);
        let good = Calibrated::measure(&model.unseen_maps(), model.grid(), &sizes)?;
        let mut aurocs = Vec::new();
        for set in defective {
            let images = Images {
                frames: &set.frames,
                features: &set.features,
            };
            let bad = scores(&model.maps(images), model.grid(), &good.maps, &set.sizes);
            aurocs.push(auroc(&good.scores, &bad).context("a score is not a number")?);
        }
        found.push(MethodScore {
            method,
            auroc: aurocs,
        });
    }
    Ok(found)
}

/// Photographs with artificial defects of one kind.
pub(super) struct DefectiveSet {
    frames: Vec<Frame>,
    features: Tensor, // [N, C, HW]
    sizes: Vec<PhotoSize>,
}

/// Draws a defect of each kind on an even selection of `photos`.
pub(super) fn defective(
    photos: &[Photo],
    extractor: &mut FeatureExtractor,
    seed: u64,
    interrupted: &AtomicBool,
) -> Result<Vec<DefectiveSet>> {
    let count = photos.len().min(DEFECTIVE);
    let chosen: Vec<usize> = (0..count)
        .map(|index| index * photos.len() / count)
        .collect();
    let total = (count * PseudoDefect::ALL.len()) as u64;
    let mut progress = Progress::new("artificial defects", total, 0);
    let mut sets = Vec::new();
    for kind in PseudoDefect::ALL {
        let mut frames = Vec::with_capacity(count);
        let mut features = Vec::with_capacity(count);
        for &index in &chosen {
            go_on(interrupted)?;
            let seed = seed ^ ((index as u64) << 8) ^ kind as u64;
            let frame = draw(&photos[index].frame, kind, seed);
            features.push(extractor.features(&frame)?);
            frames.push(frame);
            progress.set((sets.len() * count + frames.len()) as u64, "");
        }
        sets.push(DefectiveSet {
            frames,
            features: Tensor::stack(&features, 0),
            sizes: chosen.iter().map(|&index| photos[index].size).collect(),
        });
    }
    progress.finish();
    Ok(sets)
}

/// The method with the highest mean, or `robust` if no other method is better than it by [`MARGIN`].
pub(super) fn best(scores: &[MethodScore], robust: FitMethod) -> FitMethod {
    let limit = scores
        .iter()
        .find(|score| score.method == robust)
        .map_or(0.0, |score| score.mean() + MARGIN);
    scores
        .iter()
        .filter(|score| score.mean() > limit)
        .max_by(|one, other| one.mean().total_cmp(&other.mean()))
        .map_or(robust, |score| score.method)
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
            let scores = [
                score(FitMethod::Padim, padim),
                score(FitMethod::PatchCore, bank),
                score(FitMethod::Features, both),
            ];
            best(&scores, FitMethod::Features)
        };
        assert_eq!(best_of(0.95, 0.9, 0.95), FitMethod::Features);
        assert_eq!(best_of(0.97, 0.9, 0.95), FitMethod::Features);
        assert_eq!(best_of(0.98, 0.99, 0.95), FitMethod::PatchCore);
        assert_eq!(best_of(0.99, 0.9, 0.95), FitMethod::Padim);
    }
}
