//! `PatchCore` (Roth et al. 2022): a memory bank of features of good cells; the map is the distance to the
//! nearest one.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::cross_fit::CrossFit;

/// Settings of the memory bank.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PatchCoreSettings {
    /// Number of features in the bank.
    pub bank: i64,
    /// Number of features that the greedy selection chooses from, drawn at random.
    pub candidates: i64,
    /// Random seed.
    pub seed: u64,
}

impl Default for PatchCoreSettings {
    fn default() -> Self {
        Self {
            bank: 2000,
            candidates: 40_000,
            seed: 42,
        }
    }
}

/// Added to the squared norms of entries that do not count.
const FAR: f64 = 1e12;

/// Dimensions of the random projection for the selection (the paper's Johnson-Lindenstrauss projection).
const PROJECTED: i64 = 64;

/// The memory bank.
#[derive(Debug)]
pub struct PatchCore {
    bank: Tensor,    // [M, C]
    image: Tensor,   // [M], image of each entry
    squares: Tensor, // [M], squared norms
}

impl PatchCore {
    /// Selects the bank from normalised `features`, `[N, C, HW]`. `images` are the numbers of their images.
    pub fn fit(features: &Tensor, images: &[i64], settings: PatchCoreSettings) -> Self {
        let size = features.size();
        let (channels, cells) = (size[1], size[2]);
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        let total = size[0] * cells;
        let chosen: Vec<i64> = if total <= settings.candidates {
            (0..total).collect()
        } else {
            let mut drawn: Vec<i64> =
                rand::seq::index::sample(&mut rng, total as usize, settings.candidates as usize)
                    .iter()
                    .map(|index| index as i64)
                    .collect();
            drawn.sort_unstable();
            drawn
        };
        let all = features.permute([0, 2, 1]).reshape([total, channels]);
        let candidates = all.index_select(0, &Tensor::from_slice(&chosen));
        let selected = coreset(&candidates, settings.bank, &mut rng);
        let bank = candidates.index_select(0, &Tensor::from_slice(&selected));
        let image: Vec<i64> = selected
            .iter()
            .map(|&index| images[(chosen[index as usize] / cells) as usize])
            .collect();
        let squares = bank
            .square()
            .sum_dim_intlist([1].as_slice(), false, Kind::Float);
        Self {
            bank,
            image: Tensor::from_slice(&image),
            squares,
        }
    }

    /// Returns the distance to the nearest entry in every cell, `[N, HW]`, of normalised `features`,
    /// `[N, C, HW]`.
    pub fn maps(&self, features: &Tensor) -> Tensor {
        let maps: Vec<Tensor> = (0..features.size()[0])
            .map(|index| self.map(&features.get(index), &self.squares))
            .collect();
        Tensor::stack(&maps, 0)
    }

    /// Returns the distances of all images of `cross_fit`, each to the nearest entry of another image than its
    /// original: `[K, HW]`.
    pub(super) fn cross_maps(&self, cross_fit: &CrossFit) -> Tensor {
        let scored = cross_fit.scored();
        let maps: Vec<Tensor> = (0..)
            .zip(&scored.originals)
            .map(|(index, &original)| {
                let own = self.image.eq(original).to_kind(Kind::Float);
                // Far from everything, and finite: infinity times zero is not a number.
                let squares = &self.squares + own * FAR;
                self.map(&scored.features.get(index), &squares)
            })
            .collect();
        Tensor::stack(&maps, 0)
    }

    /// Distances of one image's features, `[C, HW]`, for entries with the squared norms `squares`.
    fn map(&self, features: &Tensor, squares: &Tensor) -> Tensor {
        let queries = features.transpose(0, 1); // [HW, C]
        let products = queries.matmul(&self.bank.transpose(0, 1));
        let nearest = (squares - products * 2.0).amin([1].as_slice(), false);
        let norms = queries
            .square()
            .sum_dim_intlist([1].as_slice(), false, Kind::Float);
        (nearest + norms).clamp_min(0.0).sqrt()
    }

    /// The entries, `[M, C]`.
    pub fn bank(&self) -> &Tensor {
        &self.bank
    }

    /// Squared norms of the entries, `[M]`.
    pub fn squares(&self) -> &Tensor {
        &self.squares
    }
}

/// Greedy selection of `count` rows of `candidates`, `[P, C]`: each is the one that is farthest from the rows
/// selected before (the paper's minimax facility location), in a random projection.
fn coreset(candidates: &Tensor, count: i64, rng: &mut ChaCha8Rng) -> Vec<i64> {
    let (rows, channels) = candidates.size2().expect("two dimensions");
    let projection: Vec<f32> = (0..channels * PROJECTED)
        .map(|_| {
            // A sum of uniform numbers: the projection only needs independent entries of equal variance.
            (0..3).map(|_| rng.random::<f32>() - 0.5).sum::<f32>()
        })
        .collect();
    let projection = Tensor::from_slice(&projection).reshape([channels, PROJECTED]);
    let points = candidates.matmul(&projection);
    let squares = points
        .square()
        .sum_dim_intlist([1].as_slice(), false, Kind::Float);
    let mut distance = Tensor::full([rows], f64::INFINITY, (Kind::Float, Device::Cpu));
    let mut next = rng.random_range(0..rows);
    let count = count.min(rows);
    let mut selected = Vec::with_capacity(count as usize);
    for _ in 0..count {
        selected.push(next);
        let point = points.get(next);
        let to_point = &squares + squares.get(next) - points.mv(&point) * 2.0;
        distance = distance.minimum(&to_point);
        next = distance.argmax(0, false).int64_value(&[]);
    }
    selected
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature_methods::Copies;

    fn features(values: &[f32]) -> Tensor {
        // Two channels, one cell per value: the value and its negative.
        let row = Tensor::from_slice(values);
        Tensor::stack(&[row.shallow_clone(), -row], 0).unsqueeze(0)
    }

    #[test]
    fn map_is_the_distance_to_the_nearest_good_feature() {
        let settings = PatchCoreSettings {
            bank: 3,
            ..PatchCoreSettings::default()
        };
        let fitted = PatchCore::fit(&features(&[0.0, 1.0, 5.0]), &[0], settings);
        let maps = fitted.maps(&features(&[1.0, 3.5, 5.0, -1.0]));
        let expected = Tensor::from_slice(&[0.0_f32, 1.5, 0.0, 1.0]) * 2.0_f64.sqrt();
        assert!((maps.get(0) - expected).abs().max().double_value(&[]) < 1e-3);
    }

    #[test]
    fn coreset_covers_distant_features_before_dense_ones() {
        let mut values = vec![0.0; 1000];
        values.extend([50.0, -50.0]);
        let settings = PatchCoreSettings {
            bank: 4,
            ..PatchCoreSettings::default()
        };
        let fitted = PatchCore::fit(&features(&values), &[0], settings);
        let maps = fitted.maps(&features(&[50.0, -50.0, 0.0]));
        assert!(maps.max().double_value(&[]) < 1e-2, "{maps}");
    }

    #[test]
    fn left_out_image_is_not_compared_with_its_own_entries() {
        let two = Tensor::cat(&[features(&[0.0]), features(&[4.0])], 0);
        let fitted = PatchCore::fit(&two, &[0, 1], PatchCoreSettings::default());
        let probe = Copies {
            features: two.narrow(0, 0, 1),
            originals: vec![0],
        };
        let cross_fit = CrossFit::new(&two, &probe, &Copies::none(&two));
        let maps = fitted.cross_maps(&cross_fit);
        assert!(maps.get(2).equal(&maps.get(0)));
        for image in [0, 1] {
            assert!((maps.double_value(&[image, 0]) - 4.0 * 2.0_f64.sqrt()).abs() < 1e-3);
        }
    }
}
