//! The embeddings that a teacher learns to reproduce, computed once an image and kept while they fit.

use std::path::PathBuf;

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::embedding::Embedding;
use super::statistics::ChannelStatistics;
use crate::backbone::Backbone;
use crate::tensors;

/// Images to normalised embeddings.
#[derive(Debug)]
pub struct Targets {
    backbone: Backbone,
    embedding: Embedding,
    paths: Vec<PathBuf>,
    /// Side of the backbone's input.
    side: i64,
    /// Side of the teacher's features.
    grid: i64,
    device: Device,
    mean: Tensor,              // [1, F, 1, 1]
    std: Tensor,               // [1, F, 1, 1]
    kept: Vec<Option<Tensor>>, // f16 [1, F, grid, grid], not yet normalised
    room: usize,
}

impl Targets {
    /// Targets of `paths` for a teacher of `features` channels and an input of `side` pixels; at most
    /// `cache_bytes` of embeddings are kept. Not normalised until [`Self::measure`] has run.
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
            kept: paths.iter().map(|_| None).collect(),
            paths,
            grid: side / 4,
            device,
            mean: column(0.0),
            std: column(1.0),
            room: cache_bytes / per_image,
        }
    }

    /// Mean and standard deviation by channel over all images; `progress` is told the images done.
    /// What fits is kept on the way.
    ///
    /// # Errors
    /// When an image cannot be read; it is named.
    pub fn measure(&mut self, limit: usize, mut progress: impl FnMut(usize)) -> Result<()> {
        let mut statistics = ChannelStatistics::new(self.mean.size()[1]);
        for index in 0..self.paths.len().min(limit) {
            statistics.add(&self.raw(index)?);
            progress(index + 1);
        }
        let (mean, std) = statistics.finish()?;
        self.normalise_by(&mean, &std);
        Ok(())
    }

    /// Takes mean and standard deviation, `[F]` each, as measured before.
    pub fn normalise_by(&mut self, mean: &Tensor, std: &Tensor) {
        let column = |tensor: &Tensor| tensor.reshape([1, -1, 1, 1]).to_device(self.device);
        (self.mean, self.std) = (column(mean), column(std));
    }

    /// Mean and standard deviation, `[F]` each.
    pub fn statistics(&self) -> (Tensor, Tensor) {
        (self.mean.flatten(0, -1), self.std.flatten(0, -1))
    }

    /// The normalised target `[1, F, size, size]` of the cells from (`top`, `left`) on of image `index`,
    /// or of its grey copy.
    ///
    /// # Errors
    /// When the image cannot be read; it is named.
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
        let cut = raw.narrow(2, top, size).narrow(3, left, size);
        Ok((cut.to_kind(Kind::Float) - &self.mean) / &self.std)
    }

    /// Kept or not, a target has gone through f16 once, so that the cache's size changes no number.
    fn raw(&mut self, index: usize) -> Result<Tensor> {
        if let Some(kept) = &self.kept[index] {
            return Ok(kept.to_device(self.device));
        }
        let raw = self.compute(index, false)?;
        if self.room > 0 {
            self.room -= 1;
            self.kept[index] = Some(raw.to_device(Device::Cpu));
        }
        Ok(raw)
    }

    fn compute(&self, index: usize, grey: bool) -> Result<Tensor> {
        let frame = crate::dataset::load(&self.paths[index], self.side as u32)?;
        let mut unit = tensors::unit(&[&frame], self.device);
        if grey {
            unit = tensors::grey(&unit);
        }
        // In f32 within a step, too: kept or computed anew, a target is the same.
        let compute = || {
            let stages = self.backbone.stages(&tensors::normalise(&unit));
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
