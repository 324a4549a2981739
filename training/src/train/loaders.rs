//! Image loaders and objective of a run.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;

use super::objective::{HARD_QUANTILE, Objective};
use super::run::{Run, penalty_paths};
use super::task::TrainingData;
use crate::dataset::ImageSize;
use crate::dataset::image_cache::ImageCache;
use crate::dataset::loader::{Loader, Prefetch};
use crate::dataset::sampler::Sampler;
use crate::network::architecture::Method;

/// Memory for cached resized images: 5,000 images of 256x256 pixels.
const IMAGE_CACHE_BYTES: usize = 1 << 30;

impl Run {
    /// Creates the training objective for the steps from `start` on.
    pub(super) fn objective(&self, start: u64) -> Result<Objective> {
        let settings = &self.settings;
        Ok(match settings.method {
            Method::Mhkd => Objective::Mhkd {
                weights: settings.loss_weights(),
                hard_quantile: settings.hard_quantile,
            },
            Method::UninformedStudents => Objective::UninformedStudents,
            Method::EfficientAd => Objective::EfficientAd {
                hard_quantile: settings.hard_quantile.unwrap_or(HARD_QUANTILE),
                penalty: penalty_paths(settings)?.map(|paths| self.penalty_images(paths, start)),
            },
        })
    }

    /// Loads the penalty images at twice the input sides; the objective uses their centre.
    fn penalty_images(&self, paths: Vec<PathBuf>, start: u64) -> Loader {
        let settings = &self.settings;
        let ImageSize { width, height } = settings.input_size.into();
        let sampler = Sampler::shuffled(settings.seed, paths.len());
        let images = Arc::new(ImageCache::new(
            paths,
            ImageSize {
                width: 2 * width,
                height: 2 * height,
            },
            0,
        ));
        let steps = start * settings.batch as u64..u64::MAX;
        Loader::new(&images, sampler, steps, self.prefetch())
    }

    /// Creates the loaders of the training and validation images for the steps from `start` on.
    pub(super) fn data(&self, start: u64) -> Result<TrainingData> {
        let settings = &self.settings;
        let early_stopping = settings.early_stopping_every.is_some();
        let validation = if early_stopping {
            self.sequential_loader(&self.dataset.validation)
                .collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        let images = Arc::new(ImageCache::new(
            self.dataset.train.clone(),
            settings.input_size.into(),
            IMAGE_CACHE_BYTES,
        ));
        let sampler = Sampler::shuffled(settings.seed, self.dataset.train.len());
        let steps = start * settings.batch as u64..u64::MAX;
        Ok(TrainingData {
            train: Loader::new(&images, sampler, steps, self.prefetch()),
            features: self.dataset.train.iter().map(|_| None).collect(),
            validation,
            batch: settings.batch,
            cache_bytes: settings.teacher_cache_mib << 20,
        })
    }

    /// Returns a loader that yields each image of `paths` once, in order, resized to the network input.
    pub fn sequential_loader(&self, paths: &[PathBuf]) -> Loader {
        let images = Arc::new(ImageCache::new(
            paths.to_vec(),
            self.settings.input_size.into(),
            0,
        ));
        let end = paths.len() as u64;
        Loader::new(
            &images,
            Sampler::sequential(paths.len()),
            0..end,
            self.prefetch(),
        )
    }

    fn prefetch(&self) -> Prefetch {
        let workers = self.settings.workers;
        Prefetch {
            workers,
            depth: workers * self.settings.batch.max(4),
        }
    }
}
