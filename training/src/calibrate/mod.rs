//! Calibration of a trained student on images of good parts: map quantiles, branch weights, and the scores
//! from which the threshold is derived.

mod location;

use anyhow::{Result, ensure};
use inspectd_core::maps::{MapCalibration, MapSize, Quantiles, image_score};
use inspectd_core::score;
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::dataset::loader::LoadedImage;
use crate::fit::checkpoint::host;
use crate::network::net::Mode;
use crate::network::student::{Maps, Student};
use crate::network::teacher::Teacher;
use crate::tensors;

pub use location::{CellStatistics, LocationNormalisation, LocationStatistics, leave_one_out};

/// Lower and upper quantile for the normalisation of a map (eq. 9).
pub const QUANTILES: [f64; 2] = [0.9, 0.995];

/// Anomaly maps of one image, row by row, with the size of the image before resizing.
#[derive(Clone, Debug)]
pub struct ImageMaps {
    /// Structural map, `A_s`.
    pub structural: Vec<f32>,
    /// Logical map, `A_g`; zeros for a model with one map.
    pub logical: Vec<f32>,
    /// Size of the maps.
    pub grid: MapSize,
    /// Width and height of the image, pixels.
    pub size: (u32, u32),
}

impl ImageMaps {
    /// These maps, changed as much as the maps `before` of the same image differ from `after`.
    #[must_use]
    pub fn changed(&self, before: &Self, after: &Self) -> Self {
        let sum = |map: &[f32], before: &[f32], after: &[f32]| -> Vec<f32> {
            let change = before.iter().zip(after);
            let change = change.map(|(before, after)| after - before);
            map.iter().zip(change).map(|(map, by)| map + by).collect()
        };
        Self {
            structural: sum(&self.structural, &before.structural, &after.structural),
            logical: sum(&self.logical, &before.logical, &after.logical),
            ..*self
        }
    }
}

/// Computes the maps of one image with libtorch, in f32.
pub fn image_maps(
    teacher: &Teacher,
    student: &Student,
    image: &LoadedImage,
    device: Device,
) -> ImageMaps {
    let Maps {
        structural,
        logical,
    } = tch::no_grad(|| {
        let x = teacher.input(&tensors::unit(&[image.frame.as_ref()], device));
        let f_t = teacher.forward(&x);
        student.maps(&f_t, &student.forward(&x, Mode::Evaluate))
    });
    let sides = structural.size(); // [1, h, w]
    ImageMaps {
        grid: MapSize {
            width: sides[2] as usize,
            height: sides[1] as usize,
        },
        structural: host(&structural),
        logical: host(&logical),
        size: image.size,
    }
}

/// Normalises `maps` by `location`, or returns them unchanged if it is `None`.
pub fn normalised(location: Option<&LocationNormalisation>, maps: ImageMaps) -> ImageMaps {
    match location {
        Some(location) => location.apply(&maps),
        None => maps,
    }
}

/// Result of a calibration, saved as `calibration.toml` in the folder of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// 0.9 and 0.995 quantiles of the structural map.
    pub structural: [f32; 2],
    /// 0.9 and 0.995 quantiles of the logical map.
    pub logical: [f32; 2],
    /// Weights of the normalised maps: structural, logical.
    #[serde(default = "equal_weights")]
    pub weights: [f32; 2],
    /// Scores of the validation images, ascending.
    pub scores: Vec<f64>,
}

/// Weights of the paper.
fn equal_weights() -> [f32; 2] {
    [1.0; 2]
}

/// Weighting of the structural and the logical map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum BranchWeights {
    /// Equal weights, as in the paper.
    #[default]
    Equal,
    /// Weights inverse to the spread of each map's maximum over the good validation images. A branch with
    /// more spread on good parts has less weight. Not in the paper.
    Calibrated,
}

impl Calibration {
    /// Computes the calibration from the maps of the validation images, which are all good. The quantiles
    /// are exact: they are selected from all pixels together. The scores are those of maps with a frame of `frame`
    /// cells on each side; see [`Self::framed`].
    ///
    /// # Errors
    /// When `validation` is empty, or a map is non-finite or constant.
    pub fn measure(validation: &[ImageMaps], frame: usize, weights: BranchWeights) -> Result<Self> {
        ensure!(
            !validation.is_empty(),
            "calibration requires validation images, but the list is empty"
        );
        let quantiles = |map: fn(&ImageMaps) -> &Vec<f32>| {
            let mut pixels: Vec<f32> = validation
                .iter()
                .flat_map(|maps| map(maps).iter().copied())
                .collect();
            QUANTILES.map(|q| score::quantile(&mut pixels, q) as f32)
        };
        let mut calibration = Self {
            structural: quantiles(|maps| &maps.structural),
            logical: quantiles(|maps| &maps.logical),
            weights: equal_weights(),
            scores: Vec::new(),
        };
        if weights == BranchWeights::Calibrated {
            calibration.weights = calibration.weights_by_spread(validation)?;
        }
        let framed: Vec<ImageMaps> = validation
            .iter()
            .map(|maps| calibration.framed(maps, frame))
            .collect();
        calibration.score(&framed)?;
        Ok(calibration)
    }

    /// Adds `frame` cells on each side of `maps`, in which the calibrated maps are 0 (as `EfficientAD` does without
    /// padding).
    #[must_use]
    pub fn framed(&self, maps: &ImageMaps, frame: usize) -> ImageMaps {
        if frame == 0 {
            return maps.clone();
        }
        // The lower quantile is what the calibration maps to 0.
        ImageMaps {
            structural: framed(&maps.structural, maps.grid, frame, self.structural[0]),
            logical: framed(&maps.logical, maps.grid, frame, self.logical[0]),
            grid: MapSize {
                width: maps.grid.width + 2 * frame,
                height: maps.grid.height + 2 * frame,
            },
            size: maps.size,
        }
    }

    /// Computes and stores the scores of the `validation` images.
    ///
    /// # Errors
    /// Same as [`Self::maps`].
    pub fn score(&mut self, validation: &[ImageMaps]) -> Result<()> {
        let maps = self.maps()?;
        self.scores = validation
            .iter()
            .map(|image| score_of(image, &maps))
            .collect();
        self.scores.sort_by(f64::total_cmp);
        Ok(())
    }

    /// Computes weights inverse to the standard deviation of the score of each single branch. Their sum is 2.
    fn weights_by_spread(&self, validation: &[ImageMaps]) -> Result<[f32; 2]> {
        let inverse = |weights| -> Result<f64> {
            let single_branch = MapCalibration {
                weights,
                ..self.maps()?
            };
            let scores = validation
                .iter()
                .map(|image| score_of(image, &single_branch));
            let spread = deviation(&scores.collect::<Vec<f64>>());
            ensure!(
                spread > 0.0,
                "cannot calibrate branch weights: the maximum of a map is equal in all {} validation images",
                validation.len()
            );
            Ok(spread.recip())
        };
        let (structural, logical) = (inverse([1.0, 0.0])?, inverse([0.0, 1.0])?);
        let sum = structural + logical;
        Ok([structural, logical].map(|weight| (2.0 * weight / sum) as f32))
    }

    /// Returns the quantiles and weights.
    ///
    /// # Errors
    /// When the quantiles are non-finite or not ascending.
    pub fn maps(&self) -> Result<MapCalibration> {
        Ok(MapCalibration {
            structural: Quantiles::try_new(self.structural[0], self.structural[1])?,
            logical: Some(Quantiles::try_new(self.logical[0], self.logical[1])?),
            weights: self.weights,
        })
    }
}

/// Returns `map` of `size` with `frame` cells of `value` on each side.
pub fn framed(map: &[f32], size: MapSize, frame: usize, value: f32) -> Vec<f32> {
    let width = size.width + 2 * frame;
    let border = std::iter::repeat_n(value, frame * width);
    let sides = || std::iter::repeat_n(value, frame);
    let rows = map
        .chunks_exact(size.width)
        .flat_map(|row| sides().chain(row.iter().copied()).chain(sides()));
    border.clone().chain(rows).chain(border).collect()
}

/// Removes `frame` cells on each side of `maps`: the inverse of [`Calibration::framed`].
pub fn without_frame(maps: ImageMaps, frame: usize) -> ImageMaps {
    if frame == 0 {
        return maps;
    }
    let grid = MapSize {
        width: maps.grid.width.saturating_sub(2 * frame),
        height: maps.grid.height.saturating_sub(2 * frame),
    };
    let inner = |map: &[f32]| -> Vec<f32> {
        let rows = map.chunks_exact(maps.grid.width);
        let rows = rows.skip(frame).take(grid.height);
        rows.flat_map(|row| row.iter().skip(frame).take(grid.width).copied())
            .collect()
    };
    ImageMaps {
        structural: inner(&maps.structural),
        logical: inner(&maps.logical),
        grid,
        size: maps.size,
    }
}

/// Computes the score of one image.
pub fn score_of(image: &ImageMaps, calibration: &MapCalibration) -> f64 {
    f64::from(
        image_score(
            &image.structural,
            &image.logical,
            image.grid,
            calibration,
            image.size.0,
            image.size.1,
        )
        .score,
    )
}

/// Standard deviation of `values`, 0 for an empty slice.
fn deviation(values: &[f64]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(structural: [f32; 2], logical: [f32; 2]) -> ImageMaps {
        ImageMaps {
            structural: structural.to_vec(),
            logical: logical.to_vec(),
            grid: MapSize {
                width: 2,
                height: 1,
            },
            size: (2, 1),
        }
    }

    #[test]
    fn quantiles_are_exact_and_constant_maps_are_rejected() {
        let ramp: Vec<f32> = (0..=1000).map(|i| i as f32).collect();
        let squared = ImageMaps {
            structural: ramp[..900].to_vec(),
            logical: ramp[..900].to_vec(),
            grid: MapSize::square(30),
            size: (30, 30),
        };
        let calibration = Calibration::measure(&[squared], 0, BranchWeights::Equal)
            .expect("the maps have a range");
        // Position 0.9 * 899 is fractional and interpolated as in torch.quantile.
        assert!(
            (calibration.structural[0] - 809.1).abs() < 1e-4,
            "{:?}",
            calibration.structural
        );
        assert!(Calibration::measure(&[], 0, BranchWeights::Equal).is_err());
        let flat = maps([1.0, 1.0], [1.0, 1.0]);
        assert!(Calibration::measure(&[flat], 0, BranchWeights::Equal).is_err());
    }

    #[test]
    fn frame_is_zero_after_calibration() {
        let size = MapSize {
            width: 2,
            height: 1,
        };
        let framed = framed(&[1.0, 2.0], size, 1, 7.0);
        let expected = [7.0, 7.0, 7.0, 7.0, 7.0, 1.0, 2.0, 7.0, 7.0, 7.0, 7.0, 7.0];
        assert_eq!(framed, expected);
        let calibration = Calibration {
            structural: [5.0, 6.0],
            logical: [-3.0, 4.0],
            weights: equal_weights(),
            scores: Vec::new(),
        };
        let framed = calibration.framed(&maps([9.0, 9.0], [9.0, 9.0]), 1);
        assert_eq!((framed.grid.width, framed.grid.height), (4, 3));
        let quantiles = calibration.maps().expect("ascending");
        let combined =
            inspectd_core::maps::combine(&framed.structural, &framed.logical, &quantiles);
        assert!(
            combined[0].abs() < 1e-6 && combined[5] > 0.0,
            "{combined:?}"
        );
        let inner = without_frame(framed, 1);
        assert_eq!((inner.grid.width, inner.grid.height), (2, 1));
        assert_eq!(inner.structural, [9.0, 9.0]);
    }

    #[test]
    fn branch_with_more_spread_on_good_images_gets_less_weight() {
        let map = |peak: f32| [[0.0; 15].as_slice(), &[peak]].concat();
        let image = |structural: f32, logical: f32| ImageMaps {
            structural: map(structural),
            logical: map(logical),
            grid: MapSize::square(4),
            size: (4, 4),
        };
        // The maximum differs by 1 in the structural map and by 3 in the logical map.
        let images = [image(10.0, 10.0), image(11.0, 13.0)];
        let measure =
            |images: &[ImageMaps]| Calibration::measure(images, 0, BranchWeights::Calibrated);
        let [structural, logical] = measure(&images).expect("the maps have a range").weights;
        assert!((structural + logical - 2.0).abs() < 1e-6);
        assert!(structural > logical, "{structural} {logical}");
        assert!(measure(&[image(10.0, 10.0), image(10.0, 10.0)]).is_err());
    }
}
