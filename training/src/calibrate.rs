//! Calibration: what a trained student says of good parts, and the threshold that follows from it.

use anyhow::{Result, ensure};
use inspectd::maps::{MapCalibration, Quantiles, image_score};
use inspectd::score;
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::dataset::loader::Loaded;
use crate::fit::checkpoint::host;
use crate::network::net::Mode;
use crate::network::student::{Maps, Student, Teacher, maps};
use crate::pixels;

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
pub fn image_maps(teacher: &Teacher, student: &Student, image: &Loaded, device: Device) -> ImageMaps {
    let Maps { structural, logical } = tch::no_grad(|| {
        let x = pixels::input(&[image.frame.as_ref()], device);
        maps(&teacher.forward(&x), &student.forward(&x, Mode::Evaluate))
    });
    ImageMaps {
        structural: host(&structural),
        logical: host(&logical),
        size: image.size,
    }
}

/// The outcome, as saved in the run's `calibration.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The structural map's 0.9 and 0.995 quantiles.
    pub structural: [f32; 2],
    /// The logical map's.
    pub logical: [f32; 2],
    /// Scores of the validation images, ascending.
    pub scores: Vec<f64>,
}

impl Calibration {
    /// Of the maps of validation images, which are all good. The quantiles are exact: over all pixels
    /// at once, by selection, however many there are.
    ///
    /// # Errors
    /// When there are none, or a map is not finite or all the same.
    pub fn measure(validation: &[ImageMaps]) -> Result<Self> {
        ensure!(!validation.is_empty(), "calibration needs validation images, there are none");
        let quantiles = |map: fn(&ImageMaps) -> &Vec<f32>| {
            let mut pixels: Vec<f32> = validation.iter().flat_map(|maps| map(maps).iter().copied()).collect();
            QUANTILES.map(|q| score::quantile(&mut pixels, q) as f32)
        };
        let mut calibration = Self {
            structural: quantiles(|maps| &maps.structural),
            logical: quantiles(|maps| &maps.logical),
            scores: Vec::new(),
        };
        let maps = calibration.maps()?;
        calibration.scores = validation.iter().map(|image| score_of(image, &maps)).collect();
        calibration.scores.sort_by(f64::total_cmp);
        Ok(calibration)
    }

    /// The quantiles with the paper's equal weights.
    ///
    /// # Errors
    /// When they are not finite or not ascending.
    pub fn maps(&self) -> Result<MapCalibration> {
        Ok(MapCalibration {
            structural: Quantiles::try_new(self.structural[0], self.structural[1])?,
            logical: Quantiles::try_new(self.logical[0], self.logical[1])?,
            weights: [1.0, 1.0],
        })
    }
}

/// The score of one image.
pub fn score_of(image: &ImageMaps, calibration: &MapCalibration) -> f64 {
    let side = image.structural.len().isqrt();
    f64::from(image_score(&image.structural, &image.logical, side, calibration, image.size.0, image.size.1).score)
}
