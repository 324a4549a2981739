//! Calibration: what a trained student says of good parts, and the threshold that follows from it.

mod location;

use anyhow::{Result, ensure};
use inspectd::maps::{MapCalibration, Quantiles, image_score};
use inspectd::score;
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::dataset::loader::Loaded;
use crate::fit::checkpoint::host;
use crate::network::net::Mode;
use crate::network::student::{Maps, Student, Teacher};
use crate::tensors;

pub use location::{CellStatistics, LocationNormalisation, LocationStatistics};

/// Lower and upper quantile that a map is normalised by (eq. 9).
const QUANTILES: [f64; 2] = [0.9, 0.995];

/// The two maps of one image, `[side * side]` each, with the size that the image had before resizing.
#[derive(Clone, Debug)]
pub struct ImageMaps {
    /// `A_s`.
    pub structural: Vec<f32>,
    /// `A_g`.
    pub logical: Vec<f32>,
    /// Width and height of the image, pixels.
    pub size: (u32, u32),
}

/// The maps that libtorch makes of one image, in f32.
pub fn image_maps(
    teacher: &Teacher,
    student: &Student,
    image: &Loaded,
    device: Device,
) -> ImageMaps {
    let Maps {
        structural,
        logical,
    } = tch::no_grad(|| {
        let x = tensors::input(&[image.frame.as_ref()], device);
        let f_t = teacher.forward(&x);
        student.maps(&f_t, &student.forward(&x, Mode::Evaluate))
    });
    ImageMaps {
        structural: host(&structural),
        logical: host(&logical),
        size: image.size,
    }
}

/// `maps` normalised by `location`, or as they are where there is none.
pub fn normalised(location: Option<&LocationNormalisation>, maps: ImageMaps) -> ImageMaps {
    match location {
        Some(location) => location.apply(&maps),
        None => maps,
    }
}

/// The outcome, as saved in the run's `calibration.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The structural map's 0.9 and 0.995 quantiles.
    pub structural: [f32; 2],
    /// The logical map's.
    pub logical: [f32; 2],
    /// What the normalised maps are multiplied by: structural, logical.
    #[serde(default = "equal")]
    pub weights: [f32; 2],
    /// Scores of the validation images, ascending.
    pub scores: Vec<f64>,
}

/// The paper's weights.
fn equal() -> [f32; 2] {
    [1.0; 2]
}

/// How the two maps are weighted against each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum BranchWeights {
    /// The same, as the paper has it.
    #[default]
    Equal,
    /// By the spread of each map's maximum over the good validation images: the branch that is less sure
    /// of good parts counts less. Not in the paper.
    Calibrated,
}

impl Calibration {
    /// Of the maps of validation images, which are all good. The quantiles are exact: over all pixels
    /// at once, by selection, however many there are.
    ///
    /// # Errors
    /// When there are none, or a map is not finite or all the same.
    pub fn measure(validation: &[ImageMaps], weights: BranchWeights) -> Result<Self> {
        ensure!(
            !validation.is_empty(),
            "calibration needs validation images, there are none"
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
            weights: equal(),
            scores: Vec::new(),
        };
        if weights == BranchWeights::Calibrated {
            calibration.weights = calibration.weights_by_spread(validation)?;
        }
        calibration.score(validation)?;
        Ok(calibration)
    }

    /// Takes the scores of `validation` for those of good parts.
    ///
    /// # Errors
    /// As [`Self::maps`].
    pub fn score(&mut self, validation: &[ImageMaps]) -> Result<()> {
        let maps = self.maps()?;
        self.scores = validation
            .iter()
            .map(|image| score_of(image, &maps))
            .collect();
        self.scores.sort_by(f64::total_cmp);
        Ok(())
    }

    /// Weights inverse to the standard deviation of each branch's own score, 2 in sum.
    fn weights_by_spread(&self, validation: &[ImageMaps]) -> Result<[f32; 2]> {
        let inverse = |weights| -> Result<f64> {
            let alone = MapCalibration {
                weights,
                ..self.maps()?
            };
            let scores = validation.iter().map(|image| score_of(image, &alone));
            let spread = deviation(&scores.collect::<Vec<f64>>());
            ensure!(
                spread > 0.0,
                "branch weights cannot be calibrated: a map's maximum is the same in all {} validation images",
                validation.len()
            );
            Ok(spread.recip())
        };
        let (structural, logical) = (inverse([1.0, 0.0])?, inverse([0.0, 1.0])?);
        let sum = structural + logical;
        Ok([structural, logical].map(|weight| (2.0 * weight / sum) as f32))
    }

    /// The quantiles and weights.
    ///
    /// # Errors
    /// When they are not finite or not ascending.
    pub fn maps(&self) -> Result<MapCalibration> {
        Ok(MapCalibration {
            structural: Quantiles::try_new(self.structural[0], self.structural[1])?,
            logical: Quantiles::try_new(self.logical[0], self.logical[1])?,
            weights: self.weights,
        })
    }
}

/// The score of one image.
pub fn score_of(image: &ImageMaps, calibration: &MapCalibration) -> f64 {
    let side = image.structural.len().isqrt();
    f64::from(
        image_score(
            &image.structural,
            &image.logical,
            side,
            calibration,
            image.size.0,
            image.size.1,
        )
        .score,
    )
}

/// The standard deviation of `values`, 0 where there are none.
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
            size: (2, 1),
        }
    }

    #[test]
    fn calibration_is_exact_and_refuses_maps_without_range() {
        let ramp: Vec<f32> = (0..=1000).map(|i| i as f32).collect();
        let squared = ImageMaps {
            structural: ramp[..900].to_vec(),
            logical: ramp[..900].to_vec(),
            size: (30, 30),
        };
        let calibration =
            Calibration::measure(&[squared], BranchWeights::Equal).expect("the maps have a range");
        // Position 0.9 * 899 between two whole numbers, as torch.quantile interpolates.
        assert!(
            (calibration.structural[0] - 809.1).abs() < 1e-4,
            "{:?}",
            calibration.structural
        );
        assert!(Calibration::measure(&[], BranchWeights::Equal).is_err());
        let flat = maps([1.0, 1.0], [1.0, 1.0]);
        assert!(Calibration::measure(&[flat], BranchWeights::Equal).is_err());
    }

    #[test]
    fn the_branch_that_scatters_counts_less() {
        let map = |peak: f32| [[0.0; 15].as_slice(), &[peak]].concat();
        let image = |structural: f32, logical: f32| ImageMaps {
            structural: map(structural),
            logical: map(logical),
            size: (4, 4),
        };
        // The largest value differs by 1 in the one map and by 3 in the other.
        let images = [image(10.0, 10.0), image(11.0, 13.0)];
        let measure =
            |images: &[ImageMaps]| Calibration::measure(images, BranchWeights::Calibrated);
        let [structural, logical] = measure(&images).expect("the maps have a range").weights;
        assert!((structural + logical - 2.0).abs() < 1e-6);
        assert!(structural > logical, "{structural} {logical}");
        assert!(measure(&[image(10.0, 10.0), image(10.0, 10.0)]).is_err());
    }
}
