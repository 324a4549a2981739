//! Teaches a teacher without photographs: on generated pictures, by what is known about them
//! ([`Lesson::Labels`]), by telling places apart under changes of light ([`Lesson::Contrast`]), or both.

use anyhow::Result;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::synthetic_images::{Example, MEASURES, materials};
use crate::fit::Task;
use crate::network::layer::Layer;
use crate::network::net::{Mode, Net};
use crate::tensors;

/// What is learned from a generated picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Lesson {
    /// A linear head names each cell's material, edge, orientation, wavelength, albedo and light.
    Labels,
    /// `InfoNCE` (van den Oord et al. 2018) over places: two views of a picture under other light,
    /// colour and noise have the same features at the same place, and other ones elsewhere.
    Contrast,
    /// The sum of the two.
    Both,
}

/// Channels that places are compared in.
const PROJECTED: i64 = 64;
/// Places of a step that are told apart: each has all others as its negatives.
const PLACES: i64 = 512;
/// `InfoNCE`'s temperature.
const TEMPERATURE: f64 = 0.1;

/// How a step is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawing {
    /// Pictures a step.
    pub batch: usize,
    /// Side of the random crop of each, pixels, a multiple of 4.
    pub crop: i64,
}

/// The lesson as a task.
#[derive(Debug)]
pub struct Pretext {
    net: Net,
    labels: Net,
    projection: Net,
    examples: Vec<Example>,
    lesson: Lesson,
    drawing: Drawing,
    seed: u64,
    device: Device,
}

/// A crop of a generated picture.
struct Cut {
    unit: Tensor,     // [1, 3, crop, crop]
    material: Tensor, // [1, crop/4, crop/4]
    measures: Tensor, // [1, MEASURES, crop/4, crop/4]
}

impl Pretext {
    /// `lesson` for `net` on `examples`.
    pub fn new(
        net: Net,
        examples: Vec<Example>,
        lesson: Lesson,
        drawing: Drawing,
        seed: u64,
        device: Device,
    ) -> Self {
        let head = |name, output| {
            let layer = Layer::Conv {
                input: net.channels(),
                output,
                kernel: 1,
                stride: 1,
                padding: 0,
            };
            Net::new(name, vec![layer], device).train()
        };
        Self {
            labels: head("labels", materials() + MEASURES as i64),
            projection: head("projection", PROJECTED),
            net: net.train(),
            examples,
            lesson,
            drawing,
            seed,
            device,
        }
    }

    fn cut(&self, rng: &mut ChaCha8Rng) -> Cut {
        let example = &self.examples[rng.random_range(0..self.examples.len())];
        let unit = tensors::unit(&[&example.frame], self.device);
        let (material, measures) = example.labels(self.device);
        let (crop, cells) = (self.drawing.crop, (unit.size()[3] - self.drawing.crop) / 4);
        let mut offset = || 4 * rng.random_range(0..=cells);
        let (top, left) = (offset(), offset());
        let cut = |x: &Tensor, scale: i64| {
            let rows = x.narrow(-2, top / scale, crop / scale);
            rows.narrow(-1, left / scale, crop / scale)
        };
        Cut {
            unit: cut(&unit, 1),
            material: cut(&material, 4),
            measures: cut(&measures, 4),
        }
    }

    fn label_loss(&self, features: &Tensor, cuts: &[Cut]) -> Tensor {
        let said = self
            .labels
            .forward(features, Mode::Train)
            .to_kind(Kind::Float);
        let classes = materials();
        let material = Tensor::cat(&cuts.iter().map(|cut| &cut.material).collect::<Vec<_>>(), 0);
        let measures = Tensor::cat(&cuts.iter().map(|cut| &cut.measures).collect::<Vec<_>>(), 0);
        let classified = said.narrow(1, 0, classes).cross_entropy_loss::<Tensor>(
            &material,
            None,
            tch::Reduction::Mean,
            -100,
            0.0,
        );
        let measured = said
            .narrow(1, classes, MEASURES as i64)
            .mse_loss(&measures, tch::Reduction::Mean);
        // Four: about where the two start to fall alike.
        classified + measured * 4.0
    }

    /// Each row of `first` [P, C] has its match in the same row of `second`.
    fn contrast_loss(&self, first: &Tensor, second: &Tensor) -> Tensor {
        let project = |features: &Tensor, places: &Tensor| {
            let projected = self
                .projection
                .forward(features, Mode::Train)
                .to_kind(Kind::Float);
            let rows = projected
                .permute([0, 2, 3, 1])
                .reshape([-1, PROJECTED])
                .index_select(0, places);
            &rows
                / rows
                    .square()
                    .sum_dim_intlist([1].as_slice(), true, Kind::Float)
                    .sqrt()
                    .clamp_min(1e-6)
        };
        let size = first.size();
        let all = size[0] * size[2] * size[3];
        let places = Tensor::randint(all, [PLACES], (Kind::Int64, self.device));
        let similarity =
            project(first, &places).matmul(&project(second, &places).tr()) / TEMPERATURE;
        let diagonal = Tensor::arange(PLACES, (Kind::Int64, self.device));
        (similarity.cross_entropy_for_logits(&diagonal)
            + similarity.tr().cross_entropy_for_logits(&diagonal))
            / 2.0
    }
}

/// `unit` [N, 3, H, W] under other light and colour, with noise; another draw for each picture.
fn relit(unit: &Tensor) -> Tensor {
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

impl Task for Pretext {
    fn losses(&self) -> &'static [&'static str] {
        &["labels", "contrast", "total"]
    }

    fn forward(&mut self, step: u64) -> Result<Vec<Tensor>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(step);
        let cuts: Vec<Cut> = (0..self.drawing.batch)
            .map(|_| self.cut(&mut rng))
            .collect();
        let unit = Tensor::cat(&cuts.iter().map(|cut| &cut.unit).collect::<Vec<_>>(), 0);
        let see = |unit: &Tensor| self.net.forward(&tensors::normalise(unit), Mode::Train);
        let first = see(&relit(&unit));
        let nothing = || Tensor::zeros([], (Kind::Float, self.device));
        let labels = match self.lesson {
            Lesson::Contrast => nothing(),
            Lesson::Labels | Lesson::Both => self.label_loss(&first, &cuts),
        };
        let contrast = match self.lesson {
            Lesson::Labels => nothing(),
            Lesson::Contrast | Lesson::Both => self.contrast_loss(&first, &see(&relit(&unit))),
        };
        let total = &labels + &contrast;
        Ok(vec![labels, contrast, total])
    }

    fn learned(&self) -> Vec<(String, Tensor)> {
        let heads = match self.lesson {
            Lesson::Labels => vec![&self.labels],
            Lesson::Contrast => vec![&self.projection],
            Lesson::Both => vec![&self.labels, &self.projection],
        };
        let nets = std::iter::once(&self.net).chain(heads);
        nets.flat_map(Net::tensors)
            .map(|(name, tensor)| (name, tensor.shallow_clone()))
            .collect()
    }
}
