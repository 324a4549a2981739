//! Image loaders and objective of a run.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;

use super::objective::{HARD_QUANTILE, Objective};
use super::penalty::{PenaltyImages, PenaltySource};
use super::run::Run;
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
        let penalty = self.penalty(start)?;
        Ok(match settings.method {
            Method::Mhkd => Objective::Mhkd {
                weights: settings.loss_weights(),
                hard_quantile: settings.hard_quantile,
                penalty,
            },
            Method::UninformedStudents => Objective::UninformedStudents,
            Method::EfficientAd => Objective::EfficientAd {
                hard_quantile: settings.hard_quantile.unwrap_or(HARD_QUANTILE),
                penalty,
            },
        })
    }

    /// The penalty images for the steps from `start` on.
    fn penalty(&self, start: u64) -> Result<Option<PenaltyImages>> {
        let settings = &self.settings;
        let size: ImageSize = settings.input_size.into();
        let source = settings.penalty();
        let Some(paths) = source.paths()? else {
            return Ok((source == PenaltySource::Generated).then(|| PenaltyImages::generated(size)));
        };
        let sampler = Sampler::shuffled(settings.seed, paths.len());
        let doubled = ImageSize {
            width: 2 * size.width,
            height: 2 * size.height,
        };
        let images = Arc::new(ImageCache::new(paths, doubled, 0));
        let steps = start * settings.batch as u64..u64::MAX;
        let loader = Loader::new(&images, sampler, steps, self.prefetch());
        Ok(Some(PenaltyImages::Loaded(Box::new(loader))))
    }

    /// Creates the loaders of the training images `train` and of the validation images for the steps from `start` on.
    pub(super) fn data(&self, train: &[PathBuf], start: u64) -> Result<TrainingData> {
        let settings = &self.settings;
        let early_stopping = settings.early_stopping_every.is_some();
        let validation = if early_stopping {
            self.sequential_loader(&self.dataset.validation)
                .collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        let images = Arc::new(ImageCache::new(
            train.to_vec(),
            settings.input_size.into(),
            IMAGE_CACHE_BYTES,
        ));
        let sampler = Sampler::shuffled(settings.seed, train.len());
        let steps = start * settings.batch as u64..u64::MAX;
        Ok(TrainingData {
            train: Loader::new(&images, sampler, steps, self.prefetch()),
            features: train.iter().map(|_| None).collect(),
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
