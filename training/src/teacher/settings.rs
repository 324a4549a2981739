//! What `mhkd teacher distill` and `mhkd teacher pretrain` can be told.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::pretext::Lesson;
use crate::backbone::BackboneKind;
use crate::fit::plan::{Decay, Plan, Precision};
use crate::network::architecture::{InputSize, Preset};
use crate::settings::settings;

/// Settings that may differ when a run is resumed: none of them changes a number.
pub const FREE: [&str; 4] = ["log_every", "checkpoint_every", "cache_mib", "workers"];

settings! {
    /// Every setting of a distillation; the defaults are the paper's recipe.
    settings DistillSettings;
    /// The flags of `mhkd teacher distill`.
    flags DistillFlags;

    /// The backbone to learn from [default: wide_resnet101_2]
    backbone: BackboneKind = BackboneKind::WideResNet101,
    /// The backbone's checkpoint, .safetensors or .pth, with torchvision's names
    weights: PathBuf = PathBuf::new(),
    /// Folder of images, searched to its bottom
    images: PathBuf = PathBuf::new(),
    /// Whose teacher it is to be [default: medium]
    preset: Preset = Preset::Medium,
    /// Whether the teacher pads with zeros [default: true]
    padded: bool = true,
    /// Side of the teacher's input, pixels: a multiple of 32 from 128 to 512 [default: 256]
    input_size: InputSize = InputSize::try_from(256).expect("256 is a multiple of 32 from 128 to 512"),
    /// Optimiser steps [default: 60000]
    steps: u64 = 60_000,
    /// Images a step [default: 16]
    batch: usize = 16,
    /// Adam's learning rate, a tenth of it from 95 % of the steps on [default: 1e-4]
    learning_rate: f64 = 1e-4,
    /// L2 factor, added to the gradient [default: 1e-5]
    weight_decay: f64 = 1e-5,
    /// Of weights, order, crops and greys [default: 42]
    seed: u64 = 42,
    /// Share of the images that are turned grey [default: 0.1]
    greyscale: f64 = 0.1,
    /// Images that the embedding's statistics are taken over, at most [default: 10000]
    statistics_images: usize = 10_000,
    /// Memory for embeddings, MiB; those that do not fit are computed anew [default: 4096]
    cache_mib: usize = 4096,
    /// Arithmetic of the forward pass [default: auto]
    precision: Precision = Precision::Auto,
    /// Whether activations lie channels-last in memory [default: true]
    channels_last: bool = true,
    /// Whether a GPU's f32 products may round to TF32 [default: true]
    tf32: bool = true,
    /// Steps between two entries of the log [default: 10]
    log_every: u64 = 10,
    /// Steps between two checkpoints [default: 500]
    checkpoint_every: u64 = 500,
    /// Threads that decode and resize ahead [default: 2]
    workers: usize = 2,
    ;
    /// Side of a random crop of each image, pixels, a multiple of 16; twelve crops of 128 teach more
    /// than three whole images of 256 and cost the same [default: whole images]
    crop: i64,
}

settings! {
    /// Every setting of a lesson on generated pictures.
    settings PretrainSettings;
    /// The flags of `mhkd teacher pretrain`.
    flags PretrainFlags;

    /// What is learned from the pictures [default: both]
    lesson: Lesson = Lesson::Both,
    /// Whose teacher it is to be [default: tiny]
    preset: Preset = Preset::Tiny,
    /// Pictures to generate [default: 2000]
    pictures: u64 = 2000,
    /// Side of a picture, pixels: a multiple of 32 from 128 to 512 [default: 256]
    input_size: InputSize = InputSize::try_from(256).expect("256 is a multiple of 32 from 128 to 512"),
    /// Side of a random crop of each picture, pixels, a multiple of 16 [default: 128]
    crop: i64 = 128,
    /// Optimiser steps; 0 keeps the random weights [default: 2000]
    steps: u64 = 2000,
    /// Pictures a step [default: 12]
    batch: usize = 12,
    /// Adam's learning rate, a tenth of it from 95 % of the steps on [default: 1e-3]
    learning_rate: f64 = 1e-3,
    /// L2 factor, added to the gradient [default: 1e-5]
    weight_decay: f64 = 1e-5,
    /// Of pictures, weights and crops [default: 42]
    seed: u64 = 42,
    /// Arithmetic of the forward pass [default: auto]
    precision: Precision = Precision::Auto,
    /// Whether activations lie channels-last in memory [default: true]
    channels_last: bool = true,
    /// Whether a GPU's f32 products may round to TF32 [default: true]
    tf32: bool = true,
    /// Steps between two entries of the log [default: 10]
    log_every: u64 = 10,
    /// Steps between two checkpoints [default: 500]
    checkpoint_every: u64 = 500,
    ;
}

fn check_counts(counts: &[(&str, u64)]) -> Result<()> {
    for (key, value) in counts {
        ensure!(*value > 0, "{key} = 0: must be at least 1");
    }
    Ok(())
}

fn check_crop(crop: i64, side: i64) -> Result<()> {
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
        ensure!(
            !self.weights.as_os_str().is_empty(),
            "weights is not set: the backbone's checkpoint"
        );
        ensure!(
            !self.images.as_os_str().is_empty(),
            "images is not set: a folder of images"
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
        check_crop(self.crop(), self.input_size.side())
    }

    /// Side of a crop, pixels.
    pub fn crop(&self) -> i64 {
        self.crop.unwrap_or(self.input_size.side())
    }

    /// The descent.
    pub fn plan(&self) -> Plan {
        Plan {
            steps: self.steps,
            learning_rate: self.learning_rate,
            decay: Decay::default(),
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
        check_crop(self.crop, self.input_size.side())
    }

    /// The descent.
    pub fn plan(&self) -> Plan {
        Plan {
            steps: self.steps,
            learning_rate: self.learning_rate,
            decay: Decay::default(),
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
