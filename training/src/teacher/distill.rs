//! Distillation of a backbone into a teacher (section IV-B of the paper). The teacher, a PDN, is trained
//! with the mean squared error to reproduce the channel-normalised embedding of the same image at twice its
//! size.

use std::time::Duration;

use anyhow::Result;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::targets::Targets;
use crate::dataset::loader::Loader;
use crate::fit::Task;
use crate::network::net::{Mode, Net};
use crate::tensors::{self, InputNormalisation};

/// Sampling of the images of a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Images per step.
    pub batch: usize,
    /// Side of the random crop of each image, pixels, a multiple of 4. The side of the input selects the
    /// whole image. Twelve crops of 128 train the teacher better than three whole images, at the same cost.
    pub crop: i64,
    /// Fraction of the images that are converted to greyscale, for both the teacher and the backbone.
    pub greyscale: f64,
}

/// The distillation task for the training loop.
pub struct Distillation {
    net: Net,
    targets: Targets,
    loader: Loader,
    sampling: Sampling,
    side: i64,
    seed: u64,
    device: Device,
}

impl Distillation {
    /// Creates the task that trains `net`, with an input side of `side` pixels, to reproduce `targets`.
    /// `loader` yields the same images in the order of the steps.
    pub fn new(
        net: Net,
        targets: Targets,
        loader: Loader,
        sampling: Sampling,
        side: i64,
        seed: u64,
        device: Device,
    ) -> Self {
        Self {
            net: net.train(),
            targets,
            loader,
            sampling,
            side,
            seed,
            device,
        }
    }

    /// Loads one image of a step: the network input and the target.
    fn example(&mut self, rng: &mut ChaCha8Rng) -> Result<(Tensor, Tensor)> {
        let loaded = self.loader.next_image()?;
        let grey = rng.random_bool(self.sampling.greyscale);
        let mut unit = tensors::unit(&[loaded.frame.as_ref()], self.device);
        if grey {
            unit = tensors::grey(&unit);
        }
        // A cell of the feature grid covers 4x4 pixels.
        let cells = self.sampling.crop / 4;
        let mut offset = || rng.random_range(0..=self.side / 4 - cells);
        let (top, left) = (offset(), offset());
        let target = self
            .targets
            .target(loaded.index, grey, [top, left, cells])?;
        let crop = unit
            .narrow(2, 4 * top, 4 * cells)
            .narrow(3, 4 * left, 4 * cells);
        Ok((InputNormalisation::ImageNet.apply(&crop), target))
    }
}

impl Task for Distillation {
    fn loss_names(&self) -> &'static [&'static str] {
        &["distillation"]
    }

    fn forward(&mut self, step: u64) -> Result<Vec<Tensor>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(step);
        let examples = (0..self.sampling.batch)
            .map(|_| self.example(&mut rng))
            .collect::<Result<Vec<_>>>()?;
        let (images, targets): (Vec<_>, Vec<_>) = examples.into_iter().unzip();
        let features = self.net.forward(&Tensor::cat(&images, 0), Mode::Train);
        let loss = features.mse_loss(&Tensor::cat(&targets, 0), tch::Reduction::Mean);
        Ok(vec![loss])
    }

    fn learned(&self) -> Vec<(String, Tensor)> {
        self.net
            .tensors()
            .map(|(name, tensor)| (name, tensor.shallow_clone()))
            .collect()
    }

    fn fixed(&self) -> Vec<(String, Tensor)> {
        let (mean, std) = self.targets.statistics();
        vec![("target.mean".into(), mean), ("target.std".into(), std)]
    }

    fn waited(&self) -> Duration {
        self.loader.waited()
    }
}
