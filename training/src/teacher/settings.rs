//! Settings of `mhkd teacher distill` and `mhkd teacher pretrain`.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

use super::pretext::PretextObjective;
use crate::backbone::{BackboneKind, LiteVariant};
use crate::fit::plan::{LearningRateDecay, Precision, TrainingPlan};
use crate::network::input_size::InputSize;
use crate::network::preset::Pdn;
use crate::settings::{settings, value_name};

/// Settings that may differ when a run is resumed. They do not change the trained weights.
pub const CHANGEABLE_ON_RESUME: [&str; 4] =
    ["log_every", "checkpoint_every", "cache_mib", "workers"];

settings! {
    /// Settings of a distillation. The defaults are those of the paper.
    settings DistillSettings;
    /// Command-line flags of `mhkd teacher distill`.
    flags DistillFlags;

    /// Backbone to distill [default: wide_resnet101_2]
    backbone: BackboneKind = BackboneKind::WideResNet101,
    /// Folder of images, searched recursively
    images: PathBuf = PathBuf::new(),
    /// Preset of the teacher [default: medium]
    preset: Pdn = Pdn::Medium,
    /// Whether the teacher pads with zeros [default: true]
    padded: bool = true,
    /// Side of the square teacher input, pixels: a multiple of 32 from 64 to 1024 [default: 256]
    input_size: InputSize = InputSize::default(),
    /// Optimiser steps [default: 60000]
    steps: u64 = 60_000,
    /// Images per step [default: 16]
    batch: usize = 16,
    /// Learning rate of Adam; multiplied by 0.1 after 95 % of the steps [default: 1e-4]
    learning_rate: f64 = 1e-4,
    /// Factor of the L2 term added to the gradient [default: 1e-5]
    weight_decay: f64 = 1e-5,
    /// Random seed of weights, image order, crops and greyscale conversion [default: 42]
    seed: u64 = 42,
    /// Fraction of the images that are converted to greyscale [default: 0.1]
    greyscale: f64 = 0.1,
    /// Maximum number of images for the statistics of the embedding [default: 10000]
    statistics_images: usize = 10_000,
    /// Memory for cached embeddings, MiB; other embeddings are recomputed [default: 4096]
    cache_mib: usize = 4096,
    /// Floating-point precision of the forward pass [default: auto]
    precision: Precision = Precision::Auto,
    /// Whether activations use the channels-last memory format [default: true]
    channels_last: bool = true,
    /// Whether f32 products on a GPU may round to TF32 [default: true]
    tf32: bool = true,
    /// Steps between two log entries [default: 10]
    log_every: u64 = 10,
    /// Steps between two checkpoints; another one is written after each minute [default: 500]
    checkpoint_every: u64 = 500,
    /// Number of threads that decode and resize images in advance [default: 2]
    workers: usize = 2,
    ;
    /// Checkpoint of the backbone, .safetensors or .pth, with the tensor names of torchvision [default: that in the
    /// program, for efficientnet_lite0 and efficientnet_lite2]
    weights: PathBuf,
    /// Side of a random crop of each image, pixels, a multiple of 16; twelve crops of 128 train better
    /// than three whole images of 256, at the same cost [default: whole images]
    crop: i64,
}

settings! {
    /// Settings of a pretraining on synthetic images.
    settings PretrainSettings;
    /// Command-line flags of `mhkd teacher pretrain`.
    flags PretrainFlags;

    /// Objective of the pretext task [default: both]
    lesson: PretextObjective = PretextObjective::Both,
    /// Preset of the teacher [default: tiny]
    preset: Pdn = Pdn::Tiny,
    /// Number of images to generate [default: 2000]
    pictures: u64 = 2000,
    /// Side of a square image, pixels: a multiple of 32 from 64 to 1024 [default: 256]
    input_size: InputSize = InputSize::default(),
    /// Side of a random crop of each image, pixels, a multiple of 16 [default: 128]
    crop: i64 = 128,
    /// Optimiser steps; 0 keeps the random initial weights [default: 2000]
    steps: u64 = 2000,
    /// Images per step [default: 12]
    batch: usize = 12,
    /// Learning rate of Adam; multiplied by 0.1 after 95 % of the steps [default: 1e-3]
    learning_rate: f64 = 1e-3,
    /// Factor of the L2 term added to the gradient [default: 1e-5]
    weight_decay: f64 = 1e-5,
    /// Random seed of images, weights and crops [default: 42]
    seed: u64 = 42,
    /// Floating-point precision of the forward pass [default: auto]
    precision: Precision = Precision::Auto,
    /// Whether activations use the channels-last memory format [default: true]
    channels_last: bool = true,
    /// Whether f32 products on a GPU may round to TF32 [default: true]
    tf32: bool = true,
    /// Steps between two log entries [default: 10]
    log_every: u64 = 10,
    /// Steps between two checkpoints; another one is written after each minute [default: 500]
    checkpoint_every: u64 = 500,
    ;
}

fn check_counts(counts: &[(&str, u64)]) -> Result<()> {
    for (key, value) in counts {
        ensure!(*value > 0, "{key} = 0: must be at least 1");
    }
    Ok(())
}

fn check_crop(crop: i64, input_size: InputSize) -> Result<()> {
    let Some(side) = input_size.square_side() else {
        bail!("input_size = {input_size}: must be a square");
    };
    ensure!(
        crop % 16 == 0 && (64..=side).contains(&crop),
        "crop = {crop}: must be a multiple of 16 from 64 to input_size = {side}"
    );
    Ok(())
}

impl DistillSettings {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// When a value is out of its range; key and range are named.
    pub fn validate(&self) -> Result<()> {
        if self.weights.is_none() {
            self.shipped()?;
        }
        ensure!(
            !self.images.as_os_str().is_empty(),
            "images is not set: must be a folder of images"
        );
        ensure!(
            (0.0..=1.0).contains(&self.greyscale),
            "greyscale = {}: must be from 0 to 1",
            self.greyscale
        );
        check_counts(&[
            ("batch", self.batch as u64),
            ("steps", self.steps),
            ("statistics_images", self.statistics_images as u64),
            ("log_every", self.log_every),
            ("checkpoint_every", self.checkpoint_every),
            ("workers", self.workers as u64),
        ])?;
        check_crop(self.crop(), self.input_size)
    }

    /// The backbone in the program that is used without `weights`.
    ///
    /// # Errors
    /// When the program does not contain the backbone.
    pub fn shipped(&self) -> Result<LiteVariant> {
        match self.backbone {
            BackboneKind::EfficientNetLite0 => Ok(LiteVariant::Lite0),
            BackboneKind::EfficientNetLite2 => Ok(LiteVariant::Lite2),
            other => bail!(
                "weights is not set: must be a checkpoint of {}; only efficientnet_lite0 and efficientnet_lite2 are part of the program",
                value_name(&other)
            ),
        }
    }

    /// Side of the square input, pixels.
    pub fn side(&self) -> i64 {
        self.input_size.sides()[0]
    }

    /// Side of a crop, pixels.
    pub fn crop(&self) -> i64 {
        self.crop.unwrap_or(self.side())
    }

    /// Plan of the training loop.
    pub fn plan(&self) -> TrainingPlan {
        TrainingPlan {
            steps: self.steps,
            learning_rate: self.learning_rate,
            decay: LearningRateDecay::default(),
            weight_decay: self.weight_decay,
            seed: self.seed,
            precision: self.precision,
            tf32: self.tf32,
            log_every: self.log_every,
            checkpoint_every: self.checkpoint_every,
            early_stopping: None,
        }
    }
}

impl PretrainSettings {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// When a value is out of its range; key and range are named.
    pub fn validate(&self) -> Result<()> {
        check_counts(&[
            ("pictures", self.pictures),
            ("batch", self.batch as u64),
            ("log_every", self.log_every),
            ("checkpoint_every", self.checkpoint_every),
        ])?;
        check_crop(self.crop, self.input_size)
    }

    /// Plan of the training loop.
    pub fn plan(&self) -> TrainingPlan {
        TrainingPlan {
            steps: self.steps,
            learning_rate: self.learning_rate,
            decay: LearningRateDecay::default(),
            weight_decay: self.weight_decay,
            seed: self.seed,
            precision: self.precision,
            tf32: self.tf32,
            log_every: self.log_every,
            checkpoint_every: self.checkpoint_every,
            early_stopping: None,
        }
    }
}
