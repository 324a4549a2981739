//! The model of a fit: methods without training, a trained student, or both.

use inspectd_core::frame::Frame;
use inspectd_core::maps::MapSize;
use tch::Tensor;

use super::maps::Maps;
use super::method::FitMethod;
use super::student::FittedStudent;
use crate::export::graph::Fused;
use crate::export::method_graph::{Combination, FeatureTerms, SMALLEST_POWER, STRUCTURAL_SHARE};
use crate::feature_methods::{FeatureMaps, FittedMethod, MapScale, Terms};

/// Everything that was fitted to the photographs, and the method that is selected from it.
#[derive(Debug)]
pub(super) struct Model {
    features: FittedMethod,
    student: Option<FittedStudent>,
    method: FitMethod,
    scales: Scales,
}

/// Scales that make all maps comparable, for [`norm`].
#[derive(Clone, Copy, Debug)]
struct Scales {
    features: [MapScale; 2],
    student: [MapScale; 2],
}

/// Images with their features.
#[derive(Clone, Copy, Debug)]
pub(super) struct Images<'a> {
    /// The images, of the size of the network input.
    pub(super) frames: &'a [Frame],
    /// Features before normalisation, `[N, C, HW]`.
    pub(super) features: &'a Tensor,
}

impl Model {
    /// Combines what was fitted.
    ///
    /// # Panics
    /// When `method` needs a part that was not fitted.
    pub(super) fn new(
        features: FittedMethod,
        student: Option<FittedStudent>,
        method: FitMethod,
    ) -> Self {
        let mut model = Self {
            features,
            student,
            method,
            scales: Scales {
                features: [MapScale::NONE; 2],
                student: [MapScale::NONE; 2],
            },
        };
        model.select(method);
        model
    }

    /// Adds a trained student.
    pub(super) fn with_student(self, student: Option<FittedStudent>) -> Self {
        Self { student, ..self }
    }

    /// Selects a method.
    ///
    /// # Panics
    /// When it needs a part that was not fitted.
    pub(super) fn select(&mut self, method: FitMethod) {
        let trained = self.student.as_ref().map(FittedStudent::method);
        assert!(
            method.student.is_none() || method.student == trained,
            "{method} was not trained"
        );
        self.features.select(method.features);
        self.method = method;
        if method.has_common_norm() {
            let FeatureMaps {
                structural,
                logical,
            } = self.features.unseen_maps();
            let scale =
                |maps: Option<Tensor>| maps.map_or(MapScale::NONE, |m| MapScale::of_norm(&m));
            self.scales.features = [scale(structural), scale(logical)];
            if let Some(student) = self.student() {
                self.scales.student = student.unseen_maps().map(|maps| MapScale::of_norm(&maps));
            }
        }
    }

    /// The same method, with `features` and `student` in place of the fitted ones.
    pub(super) fn with_parts(
        &self,
        features: FittedMethod,
        student: Option<FittedStudent>,
    ) -> Self {
        Self::new(features, student, self.method)
    }

    /// The selected method.
    pub(super) fn method(&self) -> FitMethod {
        self.method
    }

    /// The methods without training.
    pub(super) fn features(&self) -> &FittedMethod {
        &self.features
    }

    /// The trained student, if the method has one.
    pub(super) fn student(&self) -> Option<&FittedStudent> {
        self.student
            .as_ref()
            .filter(|_| self.method.student.is_some())
    }

    /// Size of the maps.
    pub(super) fn grid(&self) -> MapSize {
        self.features.grid()
    }

    /// Maps of the photographs, each by a model that has not seen it.
    pub(super) fn unseen_maps(&self) -> Maps {
        self.combined(|| self.features.unseen_maps(), FittedStudent::unseen_maps)
    }

    /// Maps of the artificial defects, each by a model that has not seen its original.
    pub(super) fn probe_maps(&self) -> Maps {
        self.combined(|| self.features.probe_maps(), FittedStudent::probe_maps)
    }

    /// Maps of other images.
    pub(super) fn maps(&self, images: Images<'_>) -> Maps {
        self.combined(
            || self.features.maps(images.features),
            |student| student.maps(images.frames),
        )
    }

    /// The maps of the method from those of its parts.
    fn combined(
        &self,
        features: impl Fn() -> FeatureMaps,
        student: impl Fn(&FittedStudent) -> [Tensor; 2],
    ) -> Maps {
        if !self.method.has_common_norm() {
            return match self.student() {
                Some(trained) => {
                    let [structural, logical] = student(trained);
                    Maps {
                        structural,
                        logical: Some(logical),
                    }
                }
                None => Maps {
                    structural: features().single(),
                    logical: None,
                },
            };
        }
        let FeatureMaps {
            structural,
            logical,
        } = features();
        let mut sides = [Vec::new(), Vec::new()];
        for (side, (map, scale)) in sides
            .iter_mut()
            .zip([structural, logical].into_iter().zip(self.scales.features))
        {
            side.extend(map.map(|map| scale.apply(&map)));
        }
        if let Some(trained) = self.student() {
            let maps = student(trained).into_iter().zip(self.scales.student);
            for (side, (map, scale)) in sides.iter_mut().zip(maps) {
                side.push(scale.apply(&map));
            }
        }
        let [structural, logical] = norm(&sides);
        Maps {
            structural,
            logical: Some(logical),
        }
    }

    /// The maps of the methods without training as constants of a graph.
    pub(super) fn combination(&self) -> Combination {
        let Terms {
            mut structural,
            logical,
        } = self.features.terms();
        if self.method.has_common_norm() {
            return Combination::Both(FeatureTerms {
                structural,
                logical,
                scales: self.scales.features.map(MapScale::values),
            });
        }
        structural.extend(logical);
        Combination::Single(structural)
    }

    /// The maps that the graph combines with the student's.
    pub(super) fn fused(&self) -> Option<Fused> {
        self.student()?;
        match self.combination() {
            Combination::Single(_) => None,
            Combination::Both(terms) => Some(Fused {
                terms,
                scales: self.scales.student.map(MapScale::values),
            }),
        }
    }
}

/// Two maps whose sum is the 4-norm of all given maps, as [`crate::export::method_graph`] describes it.
fn norm(sides: &[Vec<Tensor>; 2]) -> [Tensor; 2] {
    let powers = sides.each_ref().map(|maps| {
        let powers = maps.iter().map(|map| (map.relu() * map).square());
        powers
            .reduce(|sum, map| sum + map)
            .expect("a map on each side")
    });
    let [structural, logical] = powers;
    let smallest = f64::from(SMALLEST_POWER);
    let root = (&structural + &logical + smallest).sqrt().sqrt();
    let structural = structural * f64::from(STRUCTURAL_SHARE);
    let unit = root / (&structural + &logical + smallest);
    [structural * &unit, logical * &unit]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_of_the_maps_is_the_norm_of_all() {
        let map = |values: &[f32]| Tensor::from_slice(values);
        let one = vec![
            map(&[3.0, -2.0, 1.0, f32::NAN]),
            map(&[0.0, -1.0, 2.0, 1.0]),
        ];
        let other = vec![map(&[4.0, -5.0, 2.0, 1.0])];
        let [structural, logical] = norm(&[one, other]);
        let values = |tensor: &Tensor| Vec::<f32>::try_from(tensor).expect("floats");
        let (structural, logical) = (values(&structural), values(&logical));
        let near = |found: f32, expected: f32| (found - expected).abs() < 1e-5;
        // (3^4 + 4^4)^(1/4), divided as (2 * 3)^4 to 4^4.
        let total = 337.0_f32.powf(0.25);
        assert!(near(structural[0], total * 1296.0 / 1552.0));
        assert!(near(logical[0], total * 256.0 / 1552.0));
        assert!(near(structural[1], 0.0) && near(logical[1], 0.0));
        assert!(near(structural[2] + logical[2], 33.0_f32.powf(0.25)));
        assert!(structural[3].is_nan());
    }
}
