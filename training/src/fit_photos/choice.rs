//! Choice of the method from good parts only: artificial defects are drawn on the photographs, and the
//! method that ranks them best above the good photographs is chosen.

use anyhow::{Context, Result};
use inspectd_core::frame::Frame;
use inspectd_core::score::auroc;
use serde::Serialize;

use super::calibrated::{Calibrated, PhotoSize, scores};
use super::method::FitMethod;
use super::model::Model;
use super::photos::Photo;
use super::pseudo_defects::{PseudoDefect, draw};

/// Number of photographs that get artificial defects, one of each kind.
const DEFECTIVE: usize = 24;
/// A method must be better by this much than all methods without training together, which are the robust choice.
const MARGIN: f64 = 0.02;

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

/// Compares `methods` of `model` on `defective` copies of photographs with the given sizes. All images are scored by
/// models that have not seen them or their originals.
pub(super) fn compare(
    model: &mut Model,
    methods: &[FitMethod],
    sizes: &[PhotoSize],
    defective: &Defective,
) -> Result<Vec<MethodScore>> {
    let defective_sizes: Vec<PhotoSize> = defective
        .frames
        .iter()
        .map(|(_, original)| sizes[*original])
        .collect();
    let mut found = Vec::new();
    for &method in methods {
        model.select(method);
        let good = Calibrated::measure(model, sizes)?;
        let bad = scores(
            &model.probe_maps(),
            model.grid(),
            &good.maps,
            &defective_sizes,
        );
        let aurocs = bad
            .chunks_exact(defective.of_each_kind)
            .map(|bad| auroc(&good.scores, bad).context("a score is not a number"))
            .collect::<Result<_>>()?;
        found.push(MethodScore {
            method,
            auroc: aurocs,
        });
    }
    Ok(found)
}

/// Photographs with artificial defects, kind after kind.
#[derive(Debug)]
pub(super) struct Defective {
    /// The images with the indices of their originals.
    pub(super) frames: Vec<(Frame, usize)>,
    /// Number of images of each kind.
    of_each_kind: usize,
}

impl Defective {
    /// No images.
    pub(super) fn none() -> Self {
        Self {
            frames: Vec::new(),
            of_each_kind: 1,
        }
    }

    /// Draws a defect of each kind on an even selection of `photos`.
    pub(super) fn draw(photos: &[Photo], seed: u64) -> Self {
        let count = photos.len().min(DEFECTIVE);
        let mut frames = Vec::with_capacity(count * PseudoDefect::ALL.len());
        for kind in PseudoDefect::ALL {
            for place in 0..count {
                let index = place * photos.len() / count;
                let seed = seed ^ ((index as u64) << 8) ^ kind as u64;
                // Half the list away: neighbours are often photographs of the same part.
                let other = (index + photos.len() / 2) % photos.len();
                let (own, other) = (&photos[index].frame, &photos[other].frame);
                frames.push((draw(own, other, kind, seed), index));
            }
        }
        Self {
            frames,
            of_each_kind: count,
        }
    }
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
                score(FitMethod::PADIM, padim),
                score(FitMethod::PATCH_CORE, bank),
                score(FitMethod::FEATURES, both),
            ];
            best(&scores, FitMethod::FEATURES)
        };
        assert_eq!(best_of(0.95, 0.9, 0.95), FitMethod::FEATURES);
        assert_eq!(best_of(0.97, 0.9, 0.95), FitMethod::FEATURES);
        assert_eq!(best_of(0.98, 0.99, 0.95), FitMethod::PATCH_CORE);
        assert_eq!(best_of(0.99, 0.9, 0.95), FitMethod::PADIM);
    }
}
