//! Calibration of a model by the photographs, and scores.

use anyhow::Result;
use inspectd_core::maps::{MapCalibration, MapSize, Quantiles, image_score};
use inspectd_core::score::quantile;
use tch::Tensor;

use super::maps::{Maps, logical};
use super::model::Model;
use crate::calibrate::QUANTILES;
use crate::fit::checkpoint::host;

/// Width and height of an image before it is resized, pixels.
pub(super) type PhotoSize = (u32, u32);

/// Calibration by the maps of good images, with their scores.
#[derive(Clone, Debug)]
pub(super) struct Calibrated {
    /// Quantiles and weights of the maps.
    pub(super) maps: MapCalibration,
    /// Score of each image, in the order of the maps.
    pub(super) scores: Vec<f64>,
}

impl Calibrated {
    /// Calibrates `model` by its maps of the photographs, which have the given sizes.
    ///
    /// # Errors
    /// When the maps are non-finite or constant.
    pub(super) fn measure(model: &Model, sizes: &[PhotoSize]) -> Result<Self> {
        let good = model.unseen_maps();
        let quantiles = |maps: &Tensor| {
            let mut cells = host(maps);
            let [low, high] = QUANTILES.map(|q| quantile(&mut cells, q) as f32);
            Quantiles::try_new(low, high)
        };
        let maps = match &good.logical {
            // The maps are scaled in the graph; other scales would make their sum another value than the norm.
            Some(_) if model.method().has_common_norm() => {
                let unchanged = Quantiles::try_new(0.0, 1.0)?;
                MapCalibration {
                    structural: unchanged,
                    logical: Some(unchanged),
                    weights: [1.0, 1.0],
                }
            }
            logical => MapCalibration {
                structural: quantiles(&good.structural)?,
                logical: logical.as_ref().map(quantiles).transpose()?,
                weights: [1.0, if logical.is_some() { 1.0 } else { 0.0 }],
            },
        };
        Ok(Self {
            maps,
            scores: scores(&good, model.grid(), &maps, sizes),
        })
    }
}

/// Scores of images with the given sizes.
pub(super) fn scores(
    maps: &Maps,
    grid: MapSize,
    calibration: &MapCalibration,
    sizes: &[PhotoSize],
) -> Vec<f64> {
    let structural = host(&maps.structural);
    let logical = logical(maps);
    structural
        .chunks_exact(grid.cells())
        .zip(logical.chunks_exact(grid.cells()))
        .zip(sizes)
        .map(|((structural, logical), &(width, height))| {
            let score = image_score(structural, logical, grid, calibration, width, height);
            f64::from(score.score)
        })
        .collect()
}
