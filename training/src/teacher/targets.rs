//! Distillation targets: the embedding of each image, cached within a memory limit.

use std::path::PathBuf;

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::embedding::Embedding;
use super::statistics::ChannelStatistics;
use crate::backbone::Backbone;
use crate::tensors;

/// Computes and caches the normalised embeddings of images.
#[derive(Debug)]
pub struct Targets {
    backbone: Backbone,
    embedding: Embedding,
    paths: Vec<PathBuf>,
    /// Side of the backbone input, pixels.
    side: i64,
    /// Side of the feature grid of the teacher, cells.
    grid: i64,
    device: Device,
    mean: Tensor,               // [1, F, 1, 1]
    std: Tensor,                // [1, F, 1, 1]
    cache: Vec<Option<Tensor>>, // f16 [1, F, grid, grid], before normalisation
    free_entries: usize,
}

impl Targets {
    /// Creates the targets of `paths` for a teacher with `features` channels and an input of `side` pixels.
    /// Caches at most `cache_bytes` of embeddings. The targets are not normalised before [`Self::measure`]
    /// or [`Self::normalise_by`] is called.
    pub fn new(
        backbone: Backbone,
        paths: Vec<PathBuf>,
        (features, side): (i64, i64),
        cache_bytes: usize,
        device: Device,
    ) -> Self {
        let column = |value: f64| Tensor::full([1, features, 1, 1], value, (Kind::Float, device));
        let per_image = (features * (side / 4).pow(2)) as usize * size_of::<half::f16>();
        Self {
            embedding: Embedding::new(backbone.channels(), features, device),
            side: side * backbone.scale(),
            backbone,
            cache: paths.iter().map(|_| None).collect(),
            paths,
            grid: side / 4,
            device,
            mean: column(0.0),
            std: column(1.0),
            free_entries: cache_bytes / per_image,
        }
    }

    /// Measures the mean and standard deviation per channel over at most `limit` images, and normalises the
    /// targets by them. The images are selected evenly from the list, which is sorted by name: neighbours are
    /// often of one class. Calls `progress` with the number of images done. Fills the cache.
    ///
    /// # Errors
    /// When an image cannot be read. The message names the file.
    pub fn measure(&mut self, limit: usize, mut progress: impl FnMut(usize)) -> Result<()> {
        let mut statistics = ChannelStatistics::new(self.mean.size()[1]);
        let count = self.paths.len().min(limit);
        for done in 0..count {
            let index = done * self.paths.len() / count;
            statistics.add(&self.raw(index)?);
            progress(done + 1);
        }
        let (mean, std) = statistics.finish()?;
        self.normalise_by(&mean, &std);
        Ok(())
    }

    /// Sets the mean and standard deviation, `[F]` each, from an earlier measurement.
    pub fn normalise_by(&mut self, mean: &Tensor, std: &Tensor) {
        let column = |tensor: &Tensor| tensor.reshape([1, -1, 1, 1]).to_device(self.device);
        (self.mean, self.std) = (column(mean), column(std));
    }

    /// Returns the mean and standard deviation, `[F]` each.
    pub fn statistics(&self) -> (Tensor, Tensor) {
        (self.mean.flatten(0, -1), self.std.flatten(0, -1))
    }

    /// Returns the normalised target `[1, F, size, size]` of the cells from (`top`, `left`) of image `index`,
    /// or of its greyscale version.
    ///
    /// # Errors
    /// When the image cannot be read. The message names the file.
    pub fn target(
        &mut self,
        index: usize,
        grey: bool,
        [top, left, size]: [i64; 3],
    ) -> Result<Tensor> {
        let raw = if grey {
            self.compute(index, true)?
        } else {
            self.raw(index)?
        };
        let cropped = raw.narrow(2, top, size).narrow(3, left, size);
        Ok((cropped.to_kind(Kind::Float) - &self.mean) / &self.std)
    }

    /// Returns the embedding before normalisation, in f16 whether cached or not, so that the size of the
    /// cache does not change the result.
    fn raw(&mut self, index: usize) -> Result<Tensor> {
        if let Some(cached) = &self.cache[index] {
            return Ok(cached.to_device(self.device));
        }
        let raw = self.compute(index, false)?;
        if self.free_entries > 0 {
            self.free_entries -= 1;
            self.cache[index] = Some(raw.to_device(Device::Cpu));
        }
        Ok(raw)
    }

    fn compute(&self, index: usize, grey: bool) -> Result<Tensor> {
        let frame = crate::dataset::load(&self.paths[index], self.side as u32)?;
        let mut unit = tensors::unit(&[&frame], self.device);
        if grey {
            unit = tensors::grey(&unit);
        }
        // Computed in f32 also within a training step, so that a recomputed target equals a cached one.
        let compute = || {
            let stages = self
                .backbone
                .stages(&self.backbone.input_normalisation().apply(&unit));
            let embedding = self.embedding.apply(&stages);
            debug_assert_eq!(
                embedding.size()[2..],
                [self.grid, self.grid],
                "Backbone::scale"
            );
            embedding.to_kind(Kind::Half)
        };
        Ok(crate::torch::in_f32(self.device, || tch::no_grad(compute)))
    }
}
