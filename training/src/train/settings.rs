//! What `mhkd train` can be told; the defaults are the paper's recipe.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::calibrate::BranchWeights;
use crate::dataset::Layout;
use crate::fit::plan::{Decay, EarlyStopping, Plan, Precision};
use crate::network::architecture::{InputSize, Method};
use crate::network::layer::DROPOUT;
use crate::network::student::LossWeights;
use crate::settings::settings;

/// Settings that may differ when a run is resumed: none of them changes what is learned. Those of the
/// calibration change what is made of it, which then is made anew.
pub const FREE: [&str; 9] = [
    "location_normalisation",
    "branch_weights",
    "penalty_images",
    "dataset",
    "log_every",
    "checkpoint_every",
    "teacher_cache_mib",
    "workers",
    "false_reject_rate",
];

settings! {
    /// Every setting of a training, as saved in the run's `settings.toml`.
    settings Settings;
    /// The flags of `mhkd train`, one for each of [`Settings`].
    flags Flags;

    /// Folder of the dataset, or of one category of it
    dataset: PathBuf = PathBuf::new(),
    /// The teacher's file; it brings the preset along
    teacher: PathBuf = PathBuf::new(),
    /// What is trained: mhkd or efficientad [default: mhkd]
    method: Method = Method::Mhkd,
    /// Whether MHKD has its second encoder; without it the decoders read f_l [default: true]
    second_encoder: bool = true,
    /// Whether MHKD has the self-distillation; without it the logical map is that of f_t and f_g [default: true]
    self_distillation: bool = true,
    /// Side of the networks' input, pixels: a multiple of 32 from 128 to 512 [default: 256]
    input_size: InputSize = InputSize::try_from(256).expect("256 is a multiple of 32 from 128 to 512"),
    /// Images a step [default: 1]
    batch: usize = 1,
    /// Optimiser steps [default: 80000]
    steps: u64 = 80_000,
    /// Adam's learning rate to begin with [default: 1e-4]
    learning_rate: f64 = 1e-4,
    /// Share of the steps after which the learning rate falls, 0 to 1 [default: 0.95]
    decay_at: f64 = Decay::default().at,
    /// What it is multiplied by then [default: 0.1]
    decay_factor: f64 = Decay::default().factor,
    /// The decoders' dropout probability [default: 0.2]
    dropout: f64 = DROPOUT,
    /// L2 factor, added to the gradient [default: 1e-5]
    weight_decay: f64 = 1e-5,
    /// Of weights, order and dropout, and of the validation split where the dataset has none [default: 42]
    seed: u64 = 42,
    /// Factor of the structural loss [default: 1]
    alpha: f64 = LossWeights::default().alpha,
    /// Factor of the logical loss [default: 1]
    beta: f64 = LossWeights::default().beta,
    /// Factor of the self-distillation [default: 2]
    gamma: f64 = LossWeights::default().gamma,
    /// Arithmetic of the forward pass while training [default: auto]
    precision: Precision = Precision::Auto,
    /// Whether activations lie channels-last in memory [default: true]
    channels_last: bool = true,
    /// Whether a GPU's f32 products may round to TF32 [default: true]
    tf32: bool = true,
    /// Validations without a better loss after which training stops [default: 10]
    early_stopping_patience: u64 = 10,
    /// Whether the maps are normalised cell by cell over the training images, for parts that always lie
    /// at the same place; not in the paper [default: false]
    location_normalisation: bool = false,
    /// How the two maps are weighted: equal, or calibrated by their spread over good parts; the latter not
    /// in the paper [default: equal]
    branch_weights: BranchWeights = BranchWeights::Equal,
    /// Steps between two entries of the log [default: 10]
    log_every: u64 = 10,
    /// Steps between two checkpoints [default: 1000]
    checkpoint_every: u64 = 1000,
    /// Memory for the teacher's features, MiB; 0 computes them anew every step [default: 2048]
    teacher_cache_mib: usize = 2048,
    /// Threads that decode and resize ahead [default: 2]
    workers: usize = 2,
    /// Share of good parts that the suggested threshold may reject [default: 0.01]
    false_reject_rate: f64 = 0.01,
    ;
    /// Category, where the dataset has several
    category: String,
    /// The dataset's layout (found out where not given)
    layout: Layout,
    /// Steps between two validations for early stopping [default: off]
    early_stopping_every: u64,
    /// Only features whose squared difference is above this quantile count in the structural loss
    /// [default: all with mhkd, 0.999 with efficientad]
    hard_quantile: f64,
    /// Folder of pictures on which EfficientAD's student should not follow the teacher [default: none]
    penalty_images: PathBuf,
}

impl Settings {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// When a value is out of its range; key and range are named.
    pub fn validate(&self) -> Result<()> {
        ensure!(
            !self.dataset.as_os_str().is_empty(),
            "dataset is not set: the folder of a dataset or of one of its categories"
        );
        ensure!(
            !self.teacher.as_os_str().is_empty(),
            "teacher is not set: the file of `mhkd teacher distill` or `mhkd teacher import`"
        );
        let positive = [
            ("batch", self.batch as u64),
            ("steps", self.steps),
            ("log_every", self.log_every),
            ("checkpoint_every", self.checkpoint_every),
            ("workers", self.workers as u64),
            ("early_stopping_patience", self.early_stopping_patience),
            (
                "early_stopping_every",
                self.early_stopping_every.unwrap_or(1),
            ),
        ];
        for (key, value) in positive {
            ensure!(value > 0, "{key} = 0: must be at least 1");
        }
        let factors = [
            ("learning_rate", self.learning_rate),
            ("weight_decay", self.weight_decay),
            ("decay_factor", self.decay_factor),
            ("alpha", self.alpha),
            ("beta", self.beta),
            ("gamma", self.gamma),
        ];
        for (key, value) in factors {
            ensure!(
                value.is_finite() && value >= 0.0,
                "{key} = {value}: must be a finite number of at least 0"
            );
        }
        ensure!(
            (0.0..1.0).contains(&self.dropout),
            "dropout = {}: must be at least 0 and below 1",
            self.dropout
        );
        ensure!(
            (0.0..=1.0).contains(&self.decay_at),
            "decay_at = {}: must be from 0 to 1",
            self.decay_at
        );
        ensure!(
            self.hard_quantile
                .is_none_or(|quantile| (0.0..1.0).contains(&quantile)),
            "hard_quantile = {}: must be at least 0 and below 1",
            self.hard_quantile.unwrap_or_default()
        );
        self.validate_method()?;
        let rate = self.false_reject_rate;
        ensure!(
            rate > 0.0 && rate < 1.0,
            "false_reject_rate = {rate}: must be above 0 and below 1"
        );
        Ok(())
    }

    /// Refuses what the other method's networks do not have.
    fn validate_method(&self) -> Result<()> {
        match self.method {
            Method::Mhkd => ensure!(
                self.penalty_images.is_none(),
                "penalty_images is set: method = \"mhkd\" has no penalty, \"efficientad\" has"
            ),
            Method::EfficientAd => ensure!(
                self.second_encoder && self.self_distillation,
                "second_encoder and self_distillation can be switched off with method = \"mhkd\" alone"
            ),
        }
        Ok(())
    }

    /// The descent.
    pub fn plan(&self) -> Plan {
        Plan {
            steps: self.steps,
            learning_rate: self.learning_rate,
            decay: Decay {
                at: self.decay_at,
                factor: self.decay_factor,
            },
            weight_decay: self.weight_decay,
            seed: self.seed,
            precision: self.precision,
            tf32: self.tf32,
            log_every: self.log_every,
            checkpoint_every: self.checkpoint_every,
            early_stopping: self.early_stopping_every.map(|every| EarlyStopping {
                every,
                patience: self.early_stopping_patience,
            }),
        }
    }

    /// The losses' factors; none for the self-distillation where it is off.
    pub fn loss_weights(&self) -> LossWeights {
        LossWeights {
            alpha: self.alpha,
            beta: self.beta,
            gamma: if self.self_distillation {
                self.gamma
            } else {
                0.0
            },
        }
    }

    /// What a bundle's manifest tells of the training: all settings but the places of files.
    ///
    /// # Errors
    /// Never in practice: every setting is a TOML value.
    pub fn hyper_parameters(&self) -> Result<toml::Table> {
        let mut table = toml::Table::try_from(self)?;
        for place in [
            "dataset",
            "teacher",
            "penalty_images",
            "workers",
            "log_every",
            "checkpoint_every",
            "teacher_cache_mib",
        ] {
            table.remove(place);
        }
        Ok(table)
    }
}
