//! `PaDiM` (Defard et al. 2021): a Gaussian of the features in every cell; the map is the Mahalanobis
//! distance.
//!
//! The covariance of a cell is `U diag(L) Uᵀ + noise I` with the `rank` largest eigenvalues `L` of the sample
//! covariance. The constant keeps it invertible with fewer images than channels (the paper adds 0.01 I to
//! random channels; here all channels are kept). By the Woodbury identity the squared distance of `e = x -
//! mean` is
//!
//! `(|e|² - |diag(sqrt(L / (L + noise))) Uᵀ e|²) / noise`,
//!
//! so a cell needs `rank` vectors instead of a square matrix.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::cross_fit::CrossFit;

/// Settings of the Gaussians.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PadimSettings {
    /// Number of eigenvectors per cell, at most the number of images less one and the number of channels.
    pub rank: i64,
    /// Variance that is added to every direction. The features are normalised, so 1 is the variance of a
    /// channel over all cells.
    pub noise: f64,
}

impl Default for PadimSettings {
    /// Chosen by scores of good parts and artificial defects; see `docs/results.md`.
    fn default() -> Self {
        Self {
            rank: 24,
            noise: 0.5,
        }
    }
}

/// Steps of the subspace iteration from a random start. The eigenvalues of features fall quickly.
const STEPS: usize = 6;
/// Steps from the eigenvectors of almost the same images.
const STEPS_FROM_NEARBY: usize = 2;

/// The Gaussians of all cells.
#[derive(Debug)]
pub struct Padim {
    mean: Tensor,    // [HW, C]
    vectors: Tensor, // [HW, C, rank], orthonormal
    values: Tensor,  // [HW, rank], eigenvalues
    noise: f64,
}

impl Padim {
    /// Fits the Gaussians to normalised `features`, `[N, C, HW]`, of at least two images.
    pub fn fit(features: &Tensor, settings: PadimSettings) -> Self {
        let size = features.size();
        let (count, channels, cells) = (size[0], size[1], size[2]);
        let rank = settings.rank.min(count - 1).min(channels);
        let start = random(channels, rank).expand([cells, channels, rank], false);
        Self::fit_from(features, &start, STEPS, settings.noise)
    }

    /// Fits the Gaussians to other images, starting from the eigenvectors of this fit.
    fn refit(&self, features: &Tensor) -> Self {
        let rank = self.values.size()[1].min(features.size()[0] - 1);
        let start = self.vectors.narrow(2, 0, rank);
        Self::fit_from(features, &start, STEPS_FROM_NEARBY, self.noise)
    }

    /// Finds the largest eigenvalues by subspace iteration from `start`, `[HW, C, rank]`.
    fn fit_from(features: &Tensor, start: &Tensor, steps: usize, noise: f64) -> Self {
        let cells = features.permute([2, 0, 1]).contiguous(); // [HW, N, C]
        let mean = cells.mean_dim([1].as_slice(), true, Kind::Float);
        let centred = &cells - &mean;
        let transposed = centred.transpose(1, 2).contiguous();
        let mut vectors = start.shallow_clone();
        for _ in 0..steps {
            let product = transposed.matmul(&centred.matmul(&vectors));
            (vectors, _) = Tensor::linalg_qr(&product, "reduced");
        }
        // The covariance within the subspace has the eigenvalues (Rayleigh-Ritz), ascending.
        let within = centred.matmul(&vectors);
        let covariance = within.transpose(1, 2).matmul(&within) / (features.size()[0] - 1) as f64;
        let (values, rotation) = covariance.linalg_eigh("L");
        Self {
            mean: mean.squeeze_dim(1),
            vectors: vectors.matmul(&rotation.flip([2])),
            values: values.flip([1]).clamp_min(0.0),
            noise,
        }
    }

    /// Returns the Mahalanobis distance in every cell, `[N, HW]`, of normalised `features`, `[N, C, HW]`.
    pub fn maps(&self, features: &Tensor) -> Tensor {
        let centred = features.permute([2, 1, 0]) - self.mean.unsqueeze(2); // [HW, C, N]
        let projected = self.basis().matmul(&centred);
        let sum = |x: &Tensor| {
            x.square()
                .sum_dim_intlist([1].as_slice(), false, Kind::Float)
        };
        let squared = (sum(&centred) - sum(&projected)) / self.noise;
        squared.clamp_min(0.0).sqrt().transpose(0, 1).contiguous()
    }

    /// Returns the distances of all images of `cross_fit`, each under Gaussians that were fitted without its original:
    /// `[K, HW]`. Calls `progress` after each fit.
    pub(super) fn cross_maps(&self, cross_fit: &CrossFit, mut progress: impl FnMut()) -> Tensor {
        cross_fit.maps(|others, scored| {
            let maps = self.refit(others).maps(scored);
            progress();
            maps
        })
    }

    /// Mean of every cell, `[HW, C]`.
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// Eigenvectors of every cell, scaled by sqrt(L / (L + noise)) and rounded to 16 bits, in which a bundle
    /// stores them, `[HW, rank, C]`.
    pub fn basis(&self) -> Tensor {
        let scale = (&self.values / (&self.values + self.noise)).sqrt();
        let basis = (&self.vectors * scale.unsqueeze(1)).transpose(1, 2);
        basis.to_kind(Kind::Half).to_kind(Kind::Float).contiguous()
    }

    /// The added variance.
    pub fn noise(&self) -> f64 {
        self.noise
    }
}

/// Random directions, `[channels, rank]`, the same for every fit.
fn random(channels: i64, rank: i64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let values: Vec<f32> = (0..channels * rank)
        .map(|_| rng.random::<f32>() - 0.5)
        .collect();
    Tensor::from_slice(&values).reshape([channels, rank])
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::feature_methods::Copies;

    const NOISE: f64 = 2.0;
    /// Largest relative difference, because the eigenvectors are rounded to 16 bits.
    const ROUNDING: f64 = 2e-2;

    fn features(images: i64, channels: i64, cells: i64) -> Tensor {
        tch::manual_seed(1);
        let mix = Tensor::randn([channels, channels], (Kind::Float, Device::Cpu));
        let x = Tensor::randn([images, cells, channels], (Kind::Float, Device::Cpu));
        x.matmul(&mix).transpose(1, 2).contiguous()
    }

    /// The definition: the inverse of the covariance matrix of each cell.
    fn mahalanobis(train: &Tensor, test: &Tensor, noise: f64) -> Tensor {
        let (count, channels) = (train.size()[0], train.size()[1]);
        let cells = train.permute([2, 0, 1]).to_kind(Kind::Double);
        let mean = cells.mean_dim([1].as_slice(), true, Kind::Double);
        let centred = &cells - &mean;
        let covariance = centred.transpose(1, 2).matmul(&centred) / (count - 1) as f64
            + Tensor::eye(channels, (Kind::Double, Device::Cpu)) * noise;
        let e = test.permute([2, 0, 1]).to_kind(Kind::Double) - mean; // [HW, N, C]
        let squared = (e.matmul(&Tensor::linalg_inv(&covariance)) * &e).sum_dim_intlist(
            [2].as_slice(),
            false,
            Kind::Double,
        );
        squared.sqrt().transpose(0, 1)
    }

    #[test]
    fn full_rank_is_the_mahalanobis_distance_with_few_and_with_many_images() {
        for images in [5, 40] {
            let train = features(images, 12, 6);
            let test = features(3, 12, 6) * 2.0;
            let settings = PadimSettings {
                rank: 12,
                noise: NOISE,
            };
            let maps = Padim::fit(&train, settings).maps(&test);
            let expected = mahalanobis(&train, &test, settings.noise);
            let difference = ((maps.to_kind(Kind::Double) - &expected).abs() / &expected)
                .max()
                .double_value(&[]);
            assert!(difference < ROUNDING, "{images} images: {difference:e}");
        }
    }

    #[test]
    fn cross_maps_are_those_of_fits_without_the_group() {
        let train = features(44, 12, 6);
        let settings = PadimSettings {
            rank: 12,
            noise: NOISE,
        };
        let cross_fit = CrossFit::new(&train, &Copies::none(&train), &Copies::none(&train));
        let maps = Padim::fit(&train, settings).cross_maps(&cross_fit, || ());
        let expected = cross_fit.maps(|others, scored| mahalanobis(others, scored, settings.noise));
        let difference = ((maps.to_kind(Kind::Double) - &expected).abs() / &expected).max();
        assert!(difference.double_value(&[]) < ROUNDING, "{difference}");
    }

    #[test]
    fn subspace_iteration_finds_the_largest_eigenvalues() {
        // The variance of real features falls quickly from one direction to the next.
        let falling: Vec<f32> = (0..12).map(|channel| 0.6_f32.powi(channel)).collect();
        tch::manual_seed(1);
        let train = Tensor::randn([40, 12, 6], (Kind::Float, Device::Cpu))
            * Tensor::from_slice(&falling).unsqueeze(1);
        let settings = PadimSettings {
            rank: 4,
            noise: NOISE,
        };
        let fitted = Padim::fit(&train, settings);
        let cells = train.permute([2, 0, 1]);
        let centred = &cells - cells.mean_dim([1].as_slice(), true, Kind::Float);
        let covariance = centred.transpose(1, 2).matmul(&centred) / 39.0;
        let (values, _) = covariance.linalg_eigh("L");
        let expected = values.flip([1]).narrow(1, 0, 4);
        let difference = ((&fitted.values - &expected) / &expected).abs().max();
        assert!(difference.double_value(&[]) < 0.05, "{difference}");
    }

    #[test]
    fn lower_rank_never_gives_a_smaller_distance() {
        let train = features(20, 12, 4);
        let distance = |rank| {
            let settings = PadimSettings { rank, noise: NOISE };
            Padim::fit(&train, settings).maps(&train)
        };
        let (low, high) = (distance(3), distance(9));
        assert!((low - high).min().double_value(&[]) > -1e-3);
    }
}
