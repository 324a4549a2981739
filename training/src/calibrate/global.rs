//! How unusual an image is as a whole: the Mahalanobis distance of its pooled teacher features from those
//! of the training images, added to its score (as PUAD does, Sugawara and Imamura 2024). An image with a
//! part too many may have no single place that looks wrong.
//!
//! The term is the same for every pixel, so it is added to the logical map: the graph keeps its two
//! outputs, and whoever reads them needs to know nothing of it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tch::{Device, Kind, Tensor};

use super::{Calibration, ImageMaps, deviation};
use crate::fit::checkpoint::{Checkpoint, host};

/// The term's numbers: `offset(x) = scale (sqrt(mean((x - mean) W)^2) - centre)`.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalTerm {
    /// Of the pooled features, `[C]`.
    pub mean: Vec<f32>,
    /// `W`, which makes the pooled features uncorrelated and of variance 1, `[C, C]`, row-major.
    pub whitening: Vec<f32>,
    /// The distance's mean over the validation images.
    pub centre: f32,
    /// From a distance to the logical map's unit.
    pub scale: f32,
}

/// [`GlobalTerm`] in the making: the pooled features of the images so far.
#[derive(Debug, Default)]
pub struct GlobalStatistics {
    pooled: Vec<Tensor>,
}

impl GlobalStatistics {
    /// Adds one image.
    pub fn add(&mut self, maps: &ImageMaps) {
        self.pooled
            .push(Tensor::from_slice(&maps.pooled).to_kind(Kind::Double));
    }

    /// The term for maps that `calibration` holds for; `validation` are images that were not added.
    ///
    /// # Errors
    /// When there are fewer than two images, or the distances of all validation images are the same.
    pub fn finish(
        &self,
        validation: &[ImageMaps],
        calibration: &Calibration,
    ) -> Result<GlobalTerm> {
        ensure!(
            self.pooled.len() > 1 && validation.len() > 1,
            "the global term needs at least two training and two validation images"
        );
        let features = Tensor::stack(&self.pooled, 0);
        let mean = features.mean_dim([0].as_slice(), true, Kind::Double);
        let covariance = shrunk_covariance(&(features - &mean));
        let (variances, axes) = covariance.linalg_eigh("L");
        ensure!(
            variances.min().double_value(&[]) > 0.0,
            "the global term cannot be fitted: the teacher's pooled features are the same in all {} training images",
            self.pooled.len()
        );
        let whitening = axes / variances.sqrt();
        let mut term = GlobalTerm {
            mean: host(&mean),
            whitening: host(&whitening),
            centre: 0.0,
            scale: 1.0,
        };
        let distances: Vec<f64> = validation
            .iter()
            .map(|maps| f64::from(term.distance(&maps.pooled)))
            .collect();
        let spread = deviation(&distances);
        ensure!(
            spread > 0.0,
            "the global term cannot be calibrated: all {} validation images are as far from the training images",
            validation.len()
        );
        // One standard deviation of the distance counts as much as one of the score.
        let unit = f64::from(calibration.logical[1] - calibration.logical[0])
            / (0.1 * f64::from(calibration.weights[1]));
        term.centre = (distances.iter().sum::<f64>() / distances.len() as f64) as f32;
        term.scale = (deviation(&calibration.scores) / spread * unit) as f32;
        Ok(term)
    }
}

/// Below it a feature that never varies would weigh without bound.
const LEAST_SHRINKAGE: f64 = 1e-3;

/// The covariance of `centred` [n, C], drawn towards a multiple of the identity as far as so few images
/// need it (Ledoit and Wolf 2004), so that it can be inverted.
fn shrunk_covariance(centred: &Tensor) -> Tensor {
    let [count, channels] = [0, 1].map(|side| centred.size()[side]);
    let covariance = centred.tr().matmul(centred) / count as f64;
    let identity = Tensor::eye(channels, (Kind::Double, Device::Cpu));
    let scalar = |tensor: Tensor| tensor.double_value(&[]);
    let level = scalar(covariance.trace()) / channels as f64;
    let squared = scalar(covariance.square().sum(Kind::Double));
    let distance = scalar((&covariance - &identity * level).square().sum(Kind::Double));
    let fourth = scalar(
        centred
            .square()
            .sum_dim_intlist([1].as_slice(), false, Kind::Double)
            .square()
            .sum(Kind::Double),
    );
    let noise = (fourth / count as f64 - squared) / count as f64;
    let share = if distance > 0.0 {
        (noise / distance).clamp(LEAST_SHRINKAGE, 1.0)
    } else {
        1.0
    };
    identity * (share * level) + covariance * (1.0 - share)
}

impl GlobalTerm {
    /// The root of the mean square of the whitened features: 1 for an image like the training images.
    fn distance(&self, pooled: &[f32]) -> f32 {
        let channels = self.mean.len();
        let mut whitened = vec![0.0_f32; channels];
        let rows = self.whitening.chunks_exact(channels);
        for ((value, mean), row) in pooled.iter().zip(&self.mean).zip(rows) {
            for (sum, weight) in whitened.iter_mut().zip(row) {
                *sum += (value - mean) * weight;
            }
        }
        let squares: f32 = whitened.iter().map(|value| value * value).sum();
        (squares / channels as f32).sqrt()
    }

    /// `maps` with the term added to every pixel of the logical map.
    pub(super) fn apply(&self, mut maps: ImageMaps) -> ImageMaps {
        let offset = self.scale * (self.distance(&maps.pooled) - self.centre);
        maps.logical.iter_mut().for_each(|value| *value += offset);
        maps
    }

    /// Writes it to `path`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut checkpoint = Checkpoint::default();
        let channels = self.mean.len() as i64;
        let whitening = Tensor::from_slice(&self.whitening).reshape([channels, channels]);
        checkpoint.insert("mean", &Tensor::from_slice(&self.mean));
        checkpoint.insert("whitening", &whitening);
        checkpoint.insert(
            "centre_and_scale",
            &Tensor::from_slice(&[self.centre, self.scale]),
        );
        checkpoint.save(path)
    }

    /// Reads it from `path`.
    ///
    /// # Errors
    /// When the file cannot be read or is another one.
    pub fn load(path: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::load(path)?;
        let take = |name: &str| -> Result<Vec<f32>> {
            let tensor = checkpoint.tensors.get(name);
            Ok(host(tensor.with_context(|| {
                format!("{}: no {name}", path.display())
            })?))
        };
        let (mean, whitening) = (take("mean")?, take("whitening")?);
        ensure!(
            whitening.len() == mean.len().pow(2),
            "{}: whitening is not {1} x {1}",
            path.display(),
            mean.len()
        );
        let [centre, scale] = take("centre_and_scale")?[..] else {
            anyhow::bail!("{}: centre_and_scale are not two numbers", path.display());
        };
        Ok(Self {
            mean,
            whitening,
            centre,
            scale,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(pooled: [f32; 2]) -> ImageMaps {
        ImageMaps {
            structural: vec![0.0; 4],
            logical: vec![1.0; 4],
            pooled: pooled.to_vec(),
            size: (2, 2),
        }
    }

    fn calibration() -> Calibration {
        Calibration {
            structural: [0.0, 1.0],
            logical: [0.0, 2.0],
            weights: [1.0, 1.0],
            scores: vec![0.0, 1.0],
        }
    }

    #[test]
    fn what_is_unusual_for_the_training_images_adds_more() {
        let mut statistics = GlobalStatistics::default();
        for step in 0..40 {
            // Wide along the one feature, narrow along the other.
            let (wide, narrow) = ((step % 10) as f32 - 4.5, (step / 10) as f32 - 1.5);
            statistics.add(&image([10.0 * wide, narrow]));
        }
        let good = [image([0.0, 1.0]), image([20.0, 0.0])];
        let term = statistics
            .finish(&good, &calibration())
            .expect("they differ");
        let added = |pooled| term.apply(image(pooled)).logical[0] - 1.0;
        assert!(
            added([0.0, 20.0]) > added([20.0, 0.0]),
            "narrow counts more"
        );
        assert!(
            added([0.0, 0.0]) < 0.0,
            "the mean itself is less unusual than good parts"
        );
        // The validation images' offsets have the spread of the scores: 0.5, in units of 2 / 0.1.
        let offsets = good.map(|image| f64::from(term.apply(image).logical[0]));
        assert!((deviation(&offsets) - 10.0).abs() < 1e-3, "{offsets:?}");
    }

    #[test]
    fn few_images_give_a_covariance_that_can_be_inverted() {
        let centred = Tensor::from_slice(&[1.0, 2.0, 3.0, -1.0, -2.0, -3.0]).reshape([2, 3]);
        let (variances, _) = shrunk_covariance(&centred).linalg_eigh("L");
        let least = variances.min().double_value(&[]);
        assert!(least > 1e-3, "{least}");
        let trace = variances.sum(Kind::Double).double_value(&[]);
        assert!(
            (trace - 14.0).abs() < 1e-9,
            "shrinking keeps the trace: {trace}"
        );
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("global.safetensors");
        let term = GlobalTerm {
            mean: vec![1.0, 2.0],
            whitening: vec![1.0, 0.0, 0.5, 2.0],
            centre: 0.25,
            scale: 4.0,
        };
        term.save(&path).expect("writable");
        assert_eq!(GlobalTerm::load(&path).expect("readable"), term);
    }
}
