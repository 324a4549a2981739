//! Scores by models that have not seen the scored image: for calibration and for the choice of a method.

use tch::Tensor;

/// Number of groups of images that are scored by a fit to the others.
const GROUPS: i64 = 8;
/// With fewer images than this, each is a group: a fit to seven eighths of them would be too different.
const LEAVE_ONE_OUT: i64 = 32;

/// Altered copies of good images: moved ones to fit to, or ones with artificial defects.
#[derive(Debug)]
pub struct Copies {
    /// Their features, `[M, C, HW]`; M may be 0.
    pub features: Tensor,
    /// Index of the good image that each is a copy of, `[M]`.
    pub originals: Vec<i64>,
}

impl Copies {
    /// No copies of images with `features`, `[N, C, HW]`.
    pub fn none(features: &Tensor) -> Self {
        Self {
            features: features.narrow(0, 0, 0),
            originals: Vec::new(),
        }
    }
}

/// Good images and probes, to be scored by fits to the good images and their copies without their originals.
#[derive(Debug)]
pub(super) struct CrossFit {
    /// Normalised features of the good images, the probes, and the copies to fit to, `[K + copies, C, HW]`.
    features: Tensor,
    /// Index of the good image behind each.
    originals: Vec<i64>,
    /// Number of good images.
    pub(super) good: i64,
    /// Number of images that are scored: good ones and probes.
    scored: i64,
    groups: Vec<Vec<i64>>,
}

impl CrossFit {
    /// Divides the good images, `[N, C, HW]`, into groups of neighbours: neighbours in the list are often photographs
    /// of the same part, which a fit must not have seen. All features are normalised.
    pub(super) fn new(good: &Tensor, probes: &Copies, copies: &Copies) -> Self {
        let count = good.size()[0];
        let number = if count < LEAVE_ONE_OUT { count } else { GROUPS };
        let originals = probes.originals.iter().chain(&copies.originals).copied();
        Self {
            features: Tensor::cat(&[good, &probes.features, &copies.features], 0),
            originals: (0..count).chain(originals).collect(),
            good: count,
            scored: count + probes.originals.len() as i64,
            groups: (0..number)
                .map(|group| (group * count / number..(group + 1) * count / number).collect())
                .collect(),
        }
    }

    /// Number of groups.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// What a fit to everything gets: the good images and their copies.
    pub(super) fn fitted(&self) -> Selected {
        self.select(self.indices(|index, _| self.is_fitted(index)))
    }

    /// The good images and probes, with the index of the good image behind each.
    pub(super) fn scored(&self) -> Selected {
        self.select(self.indices(|index, _| index < self.scored))
    }

    fn is_fitted(&self, index: i64) -> bool {
        index < self.good || index >= self.scored
    }

    /// Indices of images that `wanted` selects by index and original.
    fn indices(&self, wanted: impl Fn(i64, i64) -> bool) -> Vec<i64> {
        (0..)
            .zip(&self.originals)
            .filter(|&(index, &original)| wanted(index, original))
            .map(|(index, _)| index)
            .collect()
    }

    fn select(&self, indices: Vec<i64>) -> Selected {
        Selected {
            features: self.features.index_select(0, &Tensor::from_slice(&indices)),
            originals: indices
                .iter()
                .map(|&index| self.originals[index as usize])
                .collect(),
            indices,
        }
    }

    /// Maps of all good images and probes, `[K, HW]`. `score` gets the features of the good images and copies without a
    /// group, and those to score.
    pub(super) fn maps(&self, mut score: impl FnMut(&Tensor, &Tensor) -> Tensor) -> Tensor {
        let mut order: Vec<i64> = Vec::with_capacity(self.originals.len());
        let mut maps = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let others =
                self.indices(|index, original| self.is_fitted(index) && !group.contains(&original));
            let scored =
                self.indices(|index, original| index < self.scored && group.contains(&original));
            let (others, scored) = (self.select(others), self.select(scored));
            maps.push(score(&others.features, &scored.features));
            order.extend(scored.indices);
        }
        let order = Tensor::from_slice(&order).argsort(0, false);
        Tensor::cat(&maps, 0).index_select(0, &order)
    }
}

/// Images of a fit.
#[derive(Debug)]
pub(super) struct Selected {
    /// Normalised features, `[N, C, HW]`.
    pub(super) features: Tensor,
    /// Index of the good image behind each, `[N]`.
    pub(super) originals: Vec<i64>,
    indices: Vec<i64>,
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
            let moved = Copies {
                features: &good + 0.25,
                originals: (0..count).collect(),
            };
            let copies = Copies {
                features: probes.shallow_clone(),
                originals: originals.to_vec(),
            };
            let cross_fit = CrossFit::new(&good, &copies, &moved);
            let fitted = cross_fit.fitted();
            assert!(
                fitted
                    .features
                    .equal(&Tensor::cat(&[&good, &moved.features], 0))
            );
            assert_eq!(
                fitted.originals,
                [&moved.originals[..], &moved.originals].concat()
            );
            let maps = cross_fit.maps(|others, scored| {
                for index in 0..scored.size()[0] {
                    let original = scored.double_value(&[index, 0, 0]).floor();
                    let seen = others.floor().eq(original).any().int64_value(&[]);
                    assert_eq!(seen, 0, "{original}");
                }
                scored.flatten(1, 2)
            });
            let expected = Tensor::cat(&[good, probes], 0).flatten(1, 2);
            assert!(maps.equal(&expected));
        }
    }
}
