//! Settings of a fit, and what follows from them.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use inspectd_core::manifest::Precision;
use inspectd_engine::EngineOptions;

use super::augmentation::Augmentation;
use super::method::FitMethod;
use super::photos::View;
use super::{image_size, student};
use crate::backbone::LiteVariant;
use crate::dataset::ImageSize;
use crate::feature_methods::extractor;
use crate::network::architecture::{Architecture, Method};
use crate::network::input_size::InputSize;
use crate::network::preset::Preset;

/// Shortest time in which a student is trained, minutes.
pub const MIN_TRAINING_MINUTES: f64 = 3.0;

/// Settings of a fit.
#[derive(Clone, Debug)]
pub struct FitSettings {
    /// The inspected part of the photographs.
    pub view: View,
    /// Size of the network input; chosen if unset.
    pub size: Option<ImageSize>,
    /// Side of a square with the largest number of input pixels.
    pub side_limit: u32,
    /// Rate of the line, images per second; unlimited if unset.
    pub fps: Option<f64>,
    /// The backbone.
    pub backbone: LiteVariant,
    /// The method, or automatic.
    pub method: Option<FitMethod>,
    /// Time for the whole fit, minutes. Without a method, a student is trained from [`MIN_TRAINING_MINUTES`] on.
    pub minutes: f64,
    /// Optimiser steps of each training; as many as fit into the time if unset.
    pub steps: Option<u64>,
    /// Largest number of dimensions of the subspace of FRE.
    pub fre_rank: i64,
    /// Copies of the photographs to fit to as well.
    pub augmentation: Augmentation,
    /// Requested false-reject rate, 0 to 1.
    pub false_reject_rate: f64,
    /// Random seed.
    pub seed: u64,
    /// Whether suspicious photographs are left out.
    pub leave_out_suspicious: bool,
    /// CPU threads of the features; 0 for all.
    pub threads: usize,
    /// Precisions of the graphs of the bundle, at least one.
    pub precisions: BTreeSet<Precision>,
}

impl FitSettings {
    /// The student to train, if any.
    pub(super) fn student(&self) -> Option<Method> {
        if let Some(method) = self.method {
            return method.student;
        }
        let trained = self.steps.is_some() || self.minutes >= MIN_TRAINING_MINUTES;
        trained.then_some(Method::Mhkd)
    }

    /// Preset of a student on the backbone.
    pub(super) fn preset(&self) -> Preset {
        match self.backbone {
            LiteVariant::Lite0 => Preset::Edge,
            LiteVariant::Lite1 | LiteVariant::Lite2 => Preset::Standard,
        }
    }

    /// Architecture of the student for images of `size`, if one is trained.
    pub(super) fn architecture(&self, size: ImageSize) -> Result<Option<Architecture>> {
        let Some(method) = self.student() else {
            return Ok(None);
        };
        let size = InputSize::try_from(size)?;
        Ok(Some(Architecture {
            method,
            ..Architecture::mhkd(self.preset(), size, true)
        }))
    }

    /// Time of the features, or of teacher and student if there is one, for an image of `size`.
    pub(super) fn milliseconds(&self, size: ImageSize) -> Result<f64> {
        let (graph, output) = match self.architecture(size)? {
            Some(architecture) => (student::untrained_graph(&architecture)?, "structural"),
            None => (extractor::graph(self.backbone, size)?, "features"),
        };
        let options = EngineOptions {
            threads: self.threads,
            ..EngineOptions::default()
        };
        image_size::milliseconds(&graph, size, output, &options)
    }

    /// Size of the network input for photographs with the given sizes.
    ///
    /// # Errors
    /// When the networks do not support it, or no size suits the rate.
    pub(super) fn input_size(
        &self,
        sizes: &[(u32, u32)],
        warnings: &mut Vec<String>,
    ) -> Result<ImageSize> {
        let photo = image_size::typical(sizes);
        let size = match self.size {
            Some(size) => size,
            None => self.chosen_size(photo)?,
        };
        if self.student().is_some() {
            InputSize::try_from(size).with_context(|| format!("--size {size}"))?;
        }
        if size.width > photo.0 || size.height > photo.1 {
            warnings.push(format!(
                "the photographs are {}x{} pixels, smaller than the input {size}: the daemon needs allow_upscaling = true for such frames",
                photo.0, photo.1
            ));
        }
        Ok(size)
    }

    fn chosen_size(&self, photo: (u32, u32)) -> Result<ImageSize> {
        let mut side = self.side_limit;
        if let Some(fps) = self.fps {
            side = image_size::for_rate(photo, side, fps, |size| self.milliseconds(size))?;
        }
        // More pixels than the photograph has show nothing new.
        let available = (f64::from(photo.0) * f64::from(photo.1)).sqrt() as u32;
        Ok(image_size::with_aspect(photo, side.min(available)))
    }

    /// The methods to choose from.
    pub(super) fn candidates(&self) -> Vec<FitMethod> {
        let mut methods = vec![
            FitMethod::PADIM,
            FitMethod::PATCH_CORE,
            FitMethod::FRE,
            FitMethod::FEATURES,
        ];
        if self.student().is_some() {
            methods.extend([FitMethod::MHKD, FitMethod::FUSED]);
        }
        methods
    }
}
