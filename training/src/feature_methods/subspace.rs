//! Feature reconstruction error (FRE; Ndiour, Ahuja and Tickoo 2022): the features of a whole image are projected
//! on the subspace in which those of good images vary; the map is the squared error of the projection.
//!
//! A cell is reconstructed from all cells. So an image whose parts are each good but do not belong together has
//! an error where one part contradicts the others: the linear counterpart of the bottleneck of MHKD's logical
//! decoder.
//!
//! Added to the publication: the error of every cell is centred and scaled by its mean and spread over good
//! images, each projected on a subspace that was fitted without it.

use tch::{Kind, Tensor};

use super::cross_fit::CrossFit;

/// Settings of the subspace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SubspaceSettings {
    /// Largest number of dimensions. More need more memory and time.
    pub rank: i64,
    /// A dimension for this many images.
    pub images_per_dimension: i64,
}

impl Default for SubspaceSettings {
    /// Chosen by image AUROC on the simulator and three sets of photographs; see `docs/results.md`.
    fn default() -> Self {
        Self {
            rank: 24,
            images_per_dimension: 4,
        }
    }
}

/// Share of the mean spread that is added to the spread of each cell, so that a tiny error in a cell in which good
/// images hardly differ does not become an anomaly.
const SPREAD_FLOOR: f64 = 0.25;

/// The subspace and the statistics of the error.
#[derive(Debug)]
pub struct Subspace {
    projection: Projection,
    cell_mean: Tensor,   // [HW]
    cell_spread: Tensor, // [HW]
}

/// Projection on a subspace.
#[derive(Debug)]
struct Projection {
    mean: Tensor,  // [C HW]
    basis: Tensor, // [rank, C HW], orthonormal rows times `scale`, rounded to 16 bits
    scale: f64,
}

impl Projection {
    /// Fits the subspace of the largest variance to `rows`, `[N, C HW]`.
    fn fit(rows: &Tensor, rank: i64) -> Self {
        let size = rows.size();
        let mean = rows.mean_dim([0].as_slice(), false, Kind::Float);
        let centred = rows - &mean;
        // The eigenvectors of the small Gram matrix give those of the covariance.
        let gram = centred
            .matmul(&centred.transpose(0, 1))
            .to_kind(Kind::Double);
        let (values, vectors) = gram.linalg_eigh("L");
        let rank = rank.min(size[0] - 1);
        let values = values.flip([0]).narrow(0, 0, rank).clamp_min(1e-12);
        let vectors = vectors.flip([1]).narrow(1, 0, rank) / values.sqrt();
        let basis = vectors
            .to_kind(Kind::Float)
            .transpose(0, 1)
            .matmul(&centred);
        // Entries of unit rows are small; 16 bits represent numbers around 1 best.
        let scale = (size[1] as f64).sqrt();
        let basis = (basis * scale).to_kind(Kind::Half).to_kind(Kind::Float);
        Self { mean, basis, scale }
    }

    /// Squared errors of `rows`, `[N, C HW]`: the mean over the channels, `[N, HW]`.
    fn errors(&self, rows: &Tensor, channels: i64) -> Tensor {
        let centred = rows - &self.mean;
        let within = centred.matmul(&self.basis.transpose(0, 1)) / (self.scale * self.scale);
        let rest = centred - within.matmul(&self.basis);
        rest.reshape([rest.size()[0], channels, -1])
            .square()
            .mean_dim([1].as_slice(), false, Kind::Float)
    }
}

/// A subspace with the maps of the images that it was fitted to.
#[derive(Debug)]
pub(super) struct SubspaceFit {
    /// The subspace.
    pub(super) subspace: Subspace,
    /// Maps of the good images and probes, each by a subspace without its original, `[K, HW]`. The statistics of a
    /// good image's map are those of the others.
    pub(super) unseen: Tensor,
}

impl Subspace {
    /// Fits the subspace to the good images of `cross_fit` and their copies. Calls `progress` after each fit.
    pub(super) fn fit(
        cross_fit: &CrossFit,
        settings: SubspaceSettings,
        mut progress: impl FnMut(),
    ) -> SubspaceFit {
        let fitted = cross_fit.fitted().features;
        let channels = fitted.size()[1];
        let rank = |images: i64| (images / settings.images_per_dimension).clamp(1, settings.rank);
        let projection =
            |features: &Tensor| Projection::fit(&features.flatten(1, 2), rank(features.size()[0]));
        let errors = cross_fit.maps(|others, scored| {
            let errors = projection(others).errors(&scored.flatten(1, 2), channels);
            progress();
            errors
        });
        let good = errors.narrow(0, 0, cross_fit.good);
        let probes = errors.narrow(0, cross_fit.good, errors.size()[0] - cross_fit.good);
        let (cell_mean, cell_spread) = statistics(&good);
        let probes = (probes - &cell_mean) / &cell_spread;
        SubspaceFit {
            unseen: Tensor::cat(&[without_own(&good), probes], 0),
            subspace: Self {
                projection: projection(&fitted),
                cell_mean,
                cell_spread,
            },
        }
    }

    /// Returns the maps of normalised `features`, `[N, C, HW]`: `[N, HW]`.
    pub fn maps(&self, features: &Tensor) -> Tensor {
        let errors = self
            .projection
            .errors(&features.flatten(1, 2), features.size()[1]);
        (errors - &self.cell_mean) / &self.cell_spread
    }

    /// Mean of the features, `[C HW]`.
    pub fn mean(&self) -> &Tensor {
        &self.projection.mean
    }

    /// Orthonormal rows times [`Self::scale`], rounded to 16 bits, in which a bundle stores them, `[rank, C HW]`.
    pub fn basis(&self) -> &Tensor {
        &self.projection.basis
    }

    /// Factor of the basis.
    pub fn scale(&self) -> f64 {
        self.projection.scale
    }

    /// Mean of the error in every cell over good images, `[HW]`.
    pub fn cell_mean(&self) -> &Tensor {
        &self.cell_mean
    }

    /// Spread of the error in every cell, above 0, `[HW]`.
    pub fn cell_spread(&self) -> &Tensor {
        &self.cell_spread
    }
}

/// Mean and spread of every cell of `errors`, `[N, HW]`.
fn statistics(errors: &Tensor) -> (Tensor, Tensor) {
    let deviation = errors.std_dim([0].as_slice(), false, false);
    let mean = errors.mean_dim([0].as_slice(), false, Kind::Float);
    (mean, spread(&deviation))
}

/// Standard deviation plus a share of its mean over the cells, at least a tiny number.
fn spread(deviation: &Tensor) -> Tensor {
    let floor = deviation.mean_dim([-1].as_slice(), true, Kind::Float) * SPREAD_FLOOR;
    (deviation + floor).clamp_min(1e-6)
}

/// Centres and scales each of `errors`, `[N, HW]`, by the statistics of the others.
fn without_own(errors: &Tensor) -> Tensor {
    let errors = errors.to_kind(Kind::Double);
    let others = (errors.size()[0] - 1) as f64;
    let sum = |x: &Tensor| x.sum_dim_intlist([0].as_slice(), true, Kind::Double);
    let mean = (sum(&errors) - &errors) / others;
    let squares = errors.square();
    let variance = (sum(&squares) - squares) / others - mean.square();
    let normalised = (&errors - mean) / spread(&variance.clamp_min(0.0).sqrt());
    normalised.to_kind(Kind::Float)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::feature_methods::Copies;

    const CHANNELS: i64 = 3;
    const CELLS: i64 = 8;

    /// Images of two parts that always vary together: the first and the last cells have the same sign.
    fn paired(signs: &[(f64, f64)]) -> Tensor {
        tch::manual_seed(5);
        let images: Vec<Tensor> = signs
            .iter()
            .map(|(first, last)| {
                let half = Tensor::ones([CHANNELS, CELLS / 2], (Kind::Float, Device::Cpu));
                let noise = Tensor::randn([CHANNELS, CELLS], (Kind::Float, Device::Cpu)) * 0.05;
                Tensor::cat(&[&half * *first, &half * *last], 1) + noise
            })
            .collect();
        Tensor::stack(&images, 0)
    }

    fn fit(features: &Tensor) -> SubspaceFit {
        let cross_fit = CrossFit::new(features, &Copies::none(features), &Copies::none(features));
        Subspace::fit(&cross_fit, SubspaceSettings::default(), || ())
    }

    #[test]
    fn parts_that_do_not_belong_together_have_an_error() {
        let good: Vec<(f64, f64)> = (0..16)
            .map(|index| {
                if index % 2 == 0 {
                    (1.0, 1.0)
                } else {
                    (-1.0, -1.0)
                }
            })
            .collect();
        let fitted = fit(&paired(&good));
        let maps = fitted
            .subspace
            .maps(&paired(&[(1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)]));
        let peak = |index| maps.get(index).max().double_value(&[]);
        assert!(peak(0) < 10.0 && peak(1) < 10.0, "{} {}", peak(0), peak(1));
        assert!(peak(2) > 50.0, "{}", peak(2));
    }

    #[test]
    fn error_is_what_the_projection_leaves() {
        tch::manual_seed(2);
        let rows = Tensor::randn([12, CHANNELS * CELLS], (Kind::Float, Device::Cpu));
        let projection = Projection::fit(&rows, 11);
        // With all dimensions of the images, nothing is left of them.
        let left = projection.errors(&rows, CHANNELS).max().double_value(&[]);
        assert!(left < 1e-5, "{left}");
        let few = Projection::fit(&rows, 2);
        let centred = &rows - &few.mean;
        let unit = &few.basis / few.scale;
        let within = centred.matmul(&unit.transpose(0, 1));
        let expected = centred.square().sum(Kind::Float) - within.square().sum(Kind::Float);
        let found = few.errors(&rows, CHANNELS).sum(Kind::Float) * CHANNELS;
        let difference = (found / expected).double_value(&[]) - 1.0;
        assert!(difference.abs() < 1e-3, "{difference}");
    }

    #[test]
    fn images_are_scored_by_statistics_of_the_others() {
        let errors = Tensor::from_slice(&[1.0_f32, 2.0, 4.0, 9.0, 3.0, 5.0]).reshape([3, 2]);
        let found = without_own(&errors);
        for index in 0..3_i64 {
            let others: Vec<i64> = (0..3).filter(|other| *other != index).collect();
            let others = errors.index_select(0, &Tensor::from_slice(&others));
            let mean = others.mean_dim([0].as_slice(), false, Kind::Float);
            // The population deviation, because the sums of a large set are divided by its size.
            let deviation = (&others - &mean)
                .square()
                .mean_dim([0].as_slice(), false, Kind::Float)
                .sqrt();
            let expected = (errors.get(index) - mean) / spread(&deviation);
            let difference = (found.get(index) - expected).abs().max().double_value(&[]);
            assert!(difference < 1e-4, "{difference}");
        }
    }
}
