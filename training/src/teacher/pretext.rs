//! Pretext task that trains a teacher without photographs, on synthetic images: by predicting their labels
//! ([`PretextObjective::Labels`]), by contrastive learning of locations under changed illumination
//! ([`PretextObjective::Contrast`]), or by both.

use anyhow::Result;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::synthetic_images::{LabelledImage, PROPERTIES, material_classes};
use crate::fit::Task;
use crate::network::layer::Layer;
use crate::network::net::{Mode, Net};
use crate::tensors::{self, InputNormalisation};

/// Objective of the pretext task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PretextObjective {
    /// A linear head predicts the material, edge, orientation, wavelength, albedo and illumination of each
    /// cell.
    Labels,
    /// `InfoNCE` (van den Oord et al. 2018) over locations: two views of an image with different
    /// illumination, colour and noise have equal features at the same location and different features
    /// elsewhere.
    Contrast,
    /// The sum of both losses.
    Both,
}

/// Channels of the projection for the contrastive loss.
const PROJECTED: i64 = 64;
/// Locations per step in the contrastive loss. Each has all others as negatives.
const LOCATIONS: i64 = 512;
/// Temperature of `InfoNCE`.
const TEMPERATURE: f64 = 0.1;

/// Sampling of the crops of a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropSampling {
    /// Images per step.
    pub batch: usize,
    /// Side of the random crop of each image, pixels, a multiple of 4.
    pub crop: i64,
}

/// The pretext task for the training loop.
#[derive(Debug)]
pub struct PretextTask {
    net: Net,
    labels: Net,
    projection: Net,
    images: Vec<LabelledImage>,
    objective: PretextObjective,
    sampling: CropSampling,
    seed: u64,
    device: Device,
}

/// Crop of a synthetic image with its labels.
struct Crop {
    unit: Tensor,       // [1, 3, crop, crop]
    material: Tensor,   // [1, crop/4, crop/4]
    properties: Tensor, // [1, PROPERTIES, crop/4, crop/4]
}

impl PretextTask {
    /// Creates the task that trains `net` on `images`.
    pub fn new(
        net: Net,
        images: Vec<LabelledImage>,
        objective: PretextObjective,
        sampling: CropSampling,
        seed: u64,
        device: Device,
    ) -> Self {
        let head = |name, output| {
            let layer = Layer::Conv {
                input: net.channels(),
                output,
                kernel: [1, 1],
                stride: 1,
                padding: 0,
            };
            Net::new(name, vec![layer], device).train()
        };
        Self {
            labels: head("labels", material_classes() + PROPERTIES as i64),
            projection: head("projection", PROJECTED),
            net: net.train(),
            images,
            objective,
            sampling,
            seed,
            device,
        }
    }

    fn random_crop(&self, rng: &mut ChaCha8Rng) -> Crop {
        let image = &self.images[rng.random_range(0..self.images.len())];
        let unit = tensors::unit(&[&image.frame], self.device);
        let (material, properties) = image.labels(self.device);
        let (crop, cells) = (
            self.sampling.crop,
            (unit.size()[3] - self.sampling.crop) / 4,
        );
        let mut offset = || 4 * rng.random_range(0..=cells);
        let (top, left) = (offset(), offset());
        let narrowed = |x: &Tensor, scale: i64| {
            let rows = x.narrow(-2, top / scale, crop / scale);
            rows.narrow(-1, left / scale, crop / scale)
        };
        Crop {
            unit: narrowed(&unit, 1),
            material: narrowed(&material, 4),
            properties: narrowed(&properties, 4),
        }
    }

    fn label_loss(&self, features: &Tensor, crops: &[Crop]) -> Tensor {
        let predicted = self
            .labels
            .forward(features, Mode::Train)
            .to_kind(Kind::Float);
        let classes = material_classes();
        let material = Tensor::cat(
            &crops.iter().map(|crop| &crop.material).collect::<Vec<_>>(),
            0,
        );
        let properties = Tensor::cat(
            &crops
                .iter()
                .map(|crop| &crop.properties)
                .collect::<Vec<_>>(),
            0,
        );
        let classified = predicted
            .narrow(1, 0, classes)
            .cross_entropy_loss::<Tensor>(&material, None, tch::Reduction::Mean, -100, 0.0);
        let measured = predicted
            .narrow(1, classes, PROPERTIES as i64)
            .mse_loss(&properties, tch::Reduction::Mean);
        // The factor 4 makes both losses decrease at about the same rate at the start.
        classified + measured * 4.0
    }

    /// `InfoNCE` between two views of the same crops, both [N, C, h, w]: a location in `first` matches the
    /// same location in `second`.
    fn contrast_loss(&self, first: &Tensor, second: &Tensor) -> Tensor {
        let project = |features: &Tensor, locations: &Tensor| {
            let projected = self
                .projection
                .forward(features, Mode::Train)
                .to_kind(Kind::Float);
            let rows = projected
                .permute([0, 2, 3, 1])
                .reshape([-1, PROJECTED])
                .index_select(0, locations);
            &rows
                / rows
                    .square()
                    .sum_dim_intlist([1].as_slice(), true, Kind::Float)
                    .sqrt()
                    .clamp_min(1e-6)
        };
        let size = first.size();
        let all = size[0] * size[2] * size[3];
        let locations = Tensor::randint(all, [LOCATIONS], (Kind::Int64, self.device));
        let similarity =
            project(first, &locations).matmul(&project(second, &locations).tr()) / TEMPERATURE;
        let diagonal = Tensor::arange(LOCATIONS, (Kind::Int64, self.device));
        (similarity.cross_entropy_for_logits(&diagonal)
            + similarity.tr().cross_entropy_for_logits(&diagonal))
            / 2.0
    }
}

/// Augments `unit` [N, 3, H, W] with random illumination, colour and noise, drawn separately for each image.
fn augmented(unit: &Tensor) -> Tensor {
    let draw = |low: f64, high: f64, channels: i64| {
        Tensor::empty(
            [unit.size()[0], channels, 1, 1],
            (Kind::Float, unit.device()),
        )
        .uniform_(low, high)
    };
    let light = draw(0.7, 1.3, 1) * draw(0.9, 1.1, 3);
    let noise = unit.randn_like() * draw(0.0, 0.04, 1);
    (unit * light + draw(-0.08, 0.08, 1) + noise).clamp(0.0, 1.0)
}

impl Task for PretextTask {
    fn loss_names(&self) -> &'static [&'static str] {
        &["labels", "contrast", "total"]
    }

    fn forward(&mut self, step: u64) -> Result<Vec<Tensor>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(step);
        let crops: Vec<Crop> = (0..self.sampling.batch)
            .map(|_| self.random_crop(&mut rng))
            .collect();
        let unit = Tensor::cat(&crops.iter().map(|crop| &crop.unit).collect::<Vec<_>>(), 0);
        let forward = |unit: &Tensor| {
            let x = InputNormalisation::ImageNet.apply(unit);
            self.net.forward(&x, Mode::Train)
        };
        let first = forward(&augmented(&unit));
        let zero = || Tensor::zeros([], (Kind::Float, self.device));
        let labels = match self.objective {
            PretextObjective::Contrast => zero(),
            PretextObjective::Labels | PretextObjective::Both => self.label_loss(&first, &crops),
        };
        let contrast = match self.objective {
            PretextObjective::Labels => zero(),
            PretextObjective::Contrast | PretextObjective::Both => {
                self.contrast_loss(&first, &forward(&augmented(&unit)))
            }
        };
        let total = &labels + &contrast;
        Ok(vec![labels, contrast, total])
    }

    fn learned(&self) -> Vec<(String, Tensor)> {
        let heads = match self.objective {
            PretextObjective::Labels => vec![&self.labels],
            PretextObjective::Contrast => vec![&self.projection],
            PretextObjective::Both => vec![&self.labels, &self.projection],
        };
        let nets = std::iter::once(&self.net).chain(heads);
        nets.flat_map(Net::tensors)
            .map(|(name, tensor)| (name, tensor.shallow_clone()))
            .collect()
    }
}
