//! The model of a fit: methods without training, a trained student, or both added.

use inspectd_core::frame::Frame;
use inspectd_core::maps::MapSize;
use tch::Tensor;

use super::maps::Maps;
use super::method::FitMethod;
use super::student::FittedStudent;
use crate::export::graph::Fused;
use crate::feature_methods::{FeatureMethod, FittedMethod};

/// Everything that was fitted to the photographs, and the method that is selected from it.
#[derive(Debug)]
pub(super) struct Model {
    features: FittedMethod,
    student: Option<FittedStudent>,
    method: FitMethod,
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
            method.student().is_none() || method.student() == trained,
            "{} was not trained",
            method.name()
        );
        self.features
            .select(method.features().unwrap_or(FeatureMethod::Both));
        self.method = method;
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
            .filter(|_| self.method.student().is_some())
    }

    /// Size of the maps.
    pub(super) fn grid(&self) -> MapSize {
        self.features.grid()
    }

    /// Maps of the photographs, each by a model that has not seen it.
    pub(super) fn unseen_maps(&self) -> Maps {
        self.combined(|| self.features.unseen_maps(), FittedStudent::unseen_maps)
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
        features: impl Fn() -> Tensor,
        student: impl Fn(&FittedStudent) -> [Tensor; 2],
    ) -> Maps {
        let Some(trained) = self.student() else {
            return Maps {
                structural: features(),
                logical: None,
            };
        };
        let [structural, logical] = student(trained);
        let structural = if self.method.features().is_some() {
            features() + trained.scale().apply(&structural)
        } else {
            structural
        };
        Maps {
            structural,
            logical: Some(logical),
        }
    }

    /// The maps that the graph adds to the student's structural map.
    pub(super) fn fused(&self) -> Option<Fused> {
        let student = self.student()?;
        self.method.features()?;
        Some(Fused {
            terms: self.features.terms(),
            scale: student.scale().values(),
        })
    }
}
