//! Scores by models that have not seen the scored image: for calibration and for the choice of a method.

use tch::Tensor;

/// Number of groups of images that are scored by a fit to the others.
const GROUPS: i64 = 8;
/// With fewer images than this, each is a group: a fit to seven eighths of them would be too different.
const LEAVE_ONE_OUT: i64 = 32;

/// Altered copies of good images, such as copies with artificial defects.
#[derive(Debug)]
pub struct Probes {
    /// Their features, `[M, C, HW]`; M may be 0.
    pub features: Tensor,
    /// Index of the good image that each is a copy of, `[M]`.
    pub originals: Vec<i64>,
}

impl Probes {
    /// No probes for images with `features`, `[N, C, HW]`.
    pub fn none(features: &Tensor) -> Self {
        Self {
            features: features.narrow(0, 0, 0),
            originals: Vec::new(),
        }
    }
}

/// Good images and probes, to be scored by fits to the good images without their originals.
#[derive(Debug)]
pub(super) struct CrossFit {
    /// Normalised features of the good images, then of the probes, `[K, C, HW]`.
    pub(super) features: Tensor,
    /// Index of the good image behind each, `[K]`.
    pub(super) originals: Vec<i64>,
    /// Number of good images.
    pub(super) good: i64,
    groups: Vec<Vec<i64>>,
}

impl CrossFit {
    /// Divides the good images, `[N, C, HW]`, into groups of neighbours: neighbours in the list are often photographs
    /// of the same part, which a fit must not have seen.
    pub(super) fn new(good: &Tensor, probes: &Tensor, originals: &[i64]) -> Self {
        let count = good.size()[0];
        let number = if count < LEAVE_ONE_OUT { count } else { GROUPS };
        Self {
            features: Tensor::cat(&[good, probes], 0),
            originals: (0..count).chain(originals.iter().copied()).collect(),
            good: count,
            groups: (0..number)
                .map(|group| (group * count / number..(group + 1) * count / number).collect())
                .collect(),
        }
    }

    /// Number of groups.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// Maps of all good images and probes, `[K, HW]`. `score` gets the features of the good images without a group,
    /// and those to score.
    pub(super) fn maps(&self, mut score: impl FnMut(&Tensor, &Tensor) -> Tensor) -> Tensor {
        let select = |indices: &[i64]| self.features.index_select(0, &Tensor::from_slice(indices));
        let mut order: Vec<i64> = Vec::with_capacity(self.originals.len());
        let mut maps = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let others: Vec<i64> = (0..self.good)
                .filter(|index| !group.contains(index))
                .collect();
            let scored: Vec<i64> = (0_i64..)
                .zip(&self.originals)
                .filter(|(_, original)| group.contains(original))
                .map(|(index, _)| index)
                .collect();
            maps.push(score(&select(&others), &select(&scored)));
            order.extend(scored);
        }
        let order = Tensor::from_slice(&order).argsort(0, false);
        Tensor::cat(&maps, 0).index_select(0, &order)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn every_image_is_scored_by_a_fit_without_its_original() {
        // The feature of an image is its index, that of a probe its original plus a half.
        let image = |value: f64| Tensor::full([1, 1, 1], value, (Kind::Float, Device::Cpu));
        for count in [5, 41] {
            let good: Vec<Tensor> = (0..count).map(|index| image(index as f64)).collect();
            let originals = [count - 1, 0, 3];
            let probes: Vec<Tensor> = originals
                .iter()
                .map(|&original| image(original as f64 + 0.5))
                .collect();
            let (good, probes) = (Tensor::cat(&good, 0), Tensor::cat(&probes, 0));
            let cross_fit = CrossFit::new(&good, &probes, &originals);
            let maps = cross_fit.maps(|others, scored| {
                for index in 0..scored.size()[0] {
                    let original = scored.double_value(&[index, 0, 0]).floor();
                    let seen = others.eq(original).any().int64_value(&[]);
                    assert_eq!(seen, 0, "{original}");
                }
                scored.flatten(1, 2)
            });
            let expected = Tensor::cat(&[good, probes], 0).flatten(1, 2);
            assert!(maps.equal(&expected));
        }
    }
}
