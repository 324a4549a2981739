//! Distillation targets: the embedding of each image, cached within a memory limit.

use std::path::PathBuf;

use anyhow::{Context, Result};
use inspectd_engine::{Elements, EngineOptions, Session};
use prost::Message;
use tch::{Device, Kind, Tensor};

use super::embedding::Embedding;
use super::statistics::ChannelStatistics;
use crate::backbone::{Backbone, EfficientNetLite};
use crate::export::feature_graph::stage_extractor;
use crate::fit::checkpoint::host;
use crate::tensors::{self, InputNormalisation};

/// What computes the two stages of a backbone.
#[derive(Debug)]
enum StageSource {
    /// libtorch.
    Torch(Backbone),
    /// ONNX Runtime, for `EfficientNet`-Lite on a CPU: libtorch takes several times as long for depth-wise
    /// convolutions.
    OnnxRuntime {
        session: Box<Session>,
        names: [String; 2],
    },
}

impl StageSource {
    fn new(backbone: Backbone, side: i64, device: Device) -> Result<Self> {
        match backbone {
            Backbone::EfficientNetLite(net) if device == Device::Cpu => Self::lite(&net, side),
            other => Ok(Self::Torch(other)),
        }
    }

    fn lite(net: &EfficientNetLite, side: i64) -> Result<Self> {
        let (model, names) = stage_extractor(net.variant(), &net.weights(), side);
        let session = Session::load(&model.encode_to_vec(), &EngineOptions::default());
        Ok(Self::OnnxRuntime {
            session: Box::new(session.context("cannot run the backbone")?),
            names,
        })
    }

    /// Features of both stages of normalised images `x` [1, 3, side, side].
    fn stages(&mut self, x: &Tensor) -> Result<[Tensor; 2]> {
        match self {
            Self::Torch(backbone) => Ok(backbone.stages(x)),
            Self::OnnxRuntime { session, names } => {
                let [fine, coarse] = names.each_ref().map(String::as_str);
                let features = session.run(&x.size(), Elements::F32(&host(x)), [fine, coarse])?;
                Ok(features.map(|stage| Tensor::from_slice(&stage.elements).reshape(&stage.shape)))
            }
        }
    }
}

/// Computes and caches the normalised embeddings of images.
#[derive(Debug)]
pub struct Targets {
    backbone: StageSource,
    input_normalisation: InputNormalisation,
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
    ///
    /// # Errors
    /// When ONNX Runtime, which runs `EfficientNet`-Lite on a CPU, is not available.
    pub fn new(
        backbone: Backbone,
        paths: Vec<PathBuf>,
        (features, side): (i64, i64),
        cache_bytes: usize,
        device: Device,
    ) -> Result<Self> {
        let side_of_backbone = side * backbone.scale();
        let column = |value: f64| Tensor::full([1, features, 1, 1], value, (Kind::Float, device));
        let per_image = (features * (side / 4).pow(2)) as usize * size_of::<half::f16>();
        Ok(Self {
            embedding: Embedding::new(backbone.channels(), features, device),
            side: side_of_backbone,
            input_normalisation: backbone.input_normalisation(),
            backbone: StageSource::new(backbone, side_of_backbone, device)?,
            cache: paths.iter().map(|_| None).collect(),
            paths,
            grid: side / 4,
            device,
            mean: column(0.0),
            std: column(1.0),
            free_entries: cache_bytes / per_image,
        })
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
            return Ok(crate::torch::copy_to(cached, self.device));
        }
        let raw = self.compute(index, false)?;
        if self.free_entries > 0 {
            self.free_entries -= 1;
            self.cache[index] = Some(raw.to_device(Device::Cpu));
        }
        Ok(raw)
    }

    fn compute(&mut self, index: usize, grey: bool) -> Result<Tensor> {
        let frame = crate::dataset::load(&self.paths[index], self.side as u32)?;
        let mut unit = tensors::unit(&[&frame], self.device);
        if grey {
            unit = tensors::grey(&unit);
        }
        // Computed in f32 also within a training step, so that a recomputed target equals a cached one.
        let compute = || {
            let stages = self
                .backbone
                .stages(&self.input_normalisation.apply(&unit))?;
            let embedding = self.embedding.apply(&stages);
            debug_assert_eq!(
                embedding.size()[2..],
                [self.grid, self.grid],
                "Backbone::scale"
            );
            Ok(embedding.to_kind(Kind::Half))
        };
        crate::torch::in_f32(self.device, || tch::no_grad(compute))
    }
}
