//! Settings of `mhkd train`. The defaults are those of the paper.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::penalty::PenaltySource;
use crate::calibrate::BranchWeights;
use crate::dataset::Layout;
use crate::fit::plan::{EarlyStopping, LearningRateDecay, Precision, TrainingPlan};
use crate::network::architecture::Method;
use crate::network::input_size::InputSize;
use crate::network::layer::DROPOUT;
use crate::network::preset::Preset;
use crate::network::student::LossWeights;
use crate::settings::settings;

/// Settings that may differ when a run is resumed. `steps` may only grow. The others do not change the trained
/// weights. Changes of calibration settings take effect because the calibration runs again.
pub const CHANGEABLE_ON_RESUME: [&str; 10] = [
    "steps",
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
    /// All settings of a training, saved as `settings.toml` in the folder of the run.
    settings Settings;
    /// Command-line flags of `mhkd train`, one for each field of [`Settings`].
    flags Flags;

    /// Folder of the dataset or of one of its categories
    dataset: PathBuf = PathBuf::new(),
    /// Method: mhkd, efficientad or st [default: mhkd]
    method: Method = Method::Mhkd,
    /// Whether MHKD uses the second encoder; without it the decoders read f_l [default: true]
    second_encoder: bool = true,
    /// Whether MHKD uses self-distillation; without it the logical map compares f_t and f_g [default: true]
    self_distillation: bool = true,
    /// Size of the network input, pixels: one number for a square or WIDTHxHEIGHT, multiples of 32 from 64 to
    /// 1024 [default: 256]
    input_size: InputSize = InputSize::default(),
    /// Images per step [default: 1]
    batch: usize = 1,
    /// Initial learning rate of Adam [default: 1e-4]
    learning_rate: f64 = 1e-4,
    /// Fraction of the steps after which the learning rate decreases, 0 to 1 [default: 0.95]
    decay_at: f64 = LearningRateDecay::default().at,
    /// Factor by which the learning rate decreases [default: 0.1]
    decay_factor: f64 = LearningRateDecay::default().factor,
    /// Dropout probability of the decoders [default: 0.2]
    dropout: f64 = DROPOUT,
    /// Factor of the L2 term added to the gradient [default: 1e-5]
    weight_decay: f64 = 1e-5,
    /// Random seed of weights, image order and dropout, and of the validation split if the dataset has none [default: 42]
    seed: u64 = 42,
    /// Factor of the structural loss [default: 1]
    alpha: f64 = LossWeights::default().alpha,
    /// Factor of the logical loss [default: 1]
    beta: f64 = LossWeights::default().beta,
    /// Factor of the self-distillation loss [default: 2]
    gamma: f64 = LossWeights::default().gamma,
    /// Floating-point precision of the forward pass in training [default: auto]
    precision: Precision = Precision::Auto,
    /// Whether activations use the channels-last memory format [default: true]
    channels_last: bool = true,
    /// Whether f32 products on a GPU may round to TF32 [default: true]
    tf32: bool = true,
    /// Number of validations without a lower loss after which training stops [default: 10]
    early_stopping_patience: u64 = 10,
    /// Whether each map cell is normalised by its statistics over the training images, for parts that always
    /// lie at the same place; not in the paper [default: false]
    location_normalisation: bool = false,
    /// Weighting of the two maps: equal, or calibrated by their spread over good parts; calibrated is not
    /// in the paper [default: equal]
    branch_weights: BranchWeights = BranchWeights::Equal,
    /// Steps between two log entries [default: 10]
    log_every: u64 = 10,
    /// Steps between two checkpoints; another one is written after each minute [default: 1000]
    checkpoint_every: u64 = 1000,
    /// Memory for cached teacher features, MiB; 0 recomputes them in every step [default: 2048]
    teacher_cache_mib: usize = 2048,
    /// Number of threads that decode and resize images in advance [default: 2]
    workers: usize = 2,
    /// False-reject rate of good parts at the suggested threshold [default: 0.01]
    false_reject_rate: f64 = 0.01,
    ;
    /// Teacher file of `mhkd teacher distill` or `mhkd teacher import`; it defines the preset [default: none, the
    /// backbone of the preset is the teacher]
    teacher: PathBuf,
    /// Size of teacher and student [default: that of the teacher file, else standard]
    preset: Preset,
    /// Category, required if the dataset has several
    category: String,
    /// Layout of the dataset [default: detected]
    layout: Layout,
    /// Optimiser steps [default: 80000; 70000 with efficientad, as published]
    steps: u64,
    /// Steps between two validations for early stopping [default: off]
    early_stopping_every: u64,
    /// Students that calibrate the run, 2 to 10, each trained without one part of the images, for a dataset without
    /// validation images: the run takes this many trainings longer [default: a tenth of the images is held out]
    calibration_folds: usize,
    /// Quantile of the squared feature differences; the structural loss uses only features above it
    /// [default: all features with mhkd, 0.999 with efficientad]
    hard_quantile: f64,
    /// Penalty images, on which the structural branch must not reproduce the teacher: none, generated, or a folder
    /// [default: generated with efficientad, else none]
    penalty_images: PenaltySource,
}

impl Settings {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// When a value is out of its range; key and range are named.
    pub fn validate(&self) -> Result<()> {
        ensure!(
            !self.dataset.as_os_str().is_empty(),
            "dataset is not set: must be the folder of a dataset or of one of its categories"
        );
        let positive = [
            ("batch", self.batch as u64),
            ("steps", self.steps()),
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
                "{key} = {value}: must be finite and at least 0"
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
        self.validate_folds()?;
        let rate = self.false_reject_rate;
        ensure!(
            rate > 0.0 && rate < 1.0,
            "false_reject_rate = {rate}: must be above 0 and below 1"
        );
        Ok(())
    }

    /// Rejects settings that the method does not support.
    fn validate_method(&self) -> Result<()> {
        ensure!(
            self.method != Method::UninformedStudents || self.penalty() == PenaltySource::None,
            "penalty_images has no effect with method = \"st\""
        );
        ensure!(
            self.method == Method::Mhkd || (self.second_encoder && self.self_distillation),
            "second_encoder and self_distillation can be disabled only with method = \"mhkd\""
        );
        ensure!(
            self.method != Method::UninformedStudents || self.hard_quantile.is_none(),
            "hard_quantile has no effect with method = \"st\""
        );
        Ok(())
    }

    fn validate_folds(&self) -> Result<()> {
        let Some(folds) = self.calibration_folds else {
            return Ok(());
        };
        ensure!(
            (2..=10).contains(&folds),
            "calibration_folds = {folds}: must be from 2 to 10"
        );
        ensure!(
            self.early_stopping_every.is_none(),
            "calibration_folds and early_stopping_every exclude each other: early stopping requires validation images, and with folds the run has none"
        );
        Ok(())
    }

    /// Optimiser steps.
    pub fn steps(&self) -> u64 {
        self.steps.unwrap_or(match self.method {
            Method::Mhkd | Method::UninformedStudents => 80_000,
            Method::EfficientAd => 70_000,
        })
    }

    /// Source of the penalty images.
    pub fn penalty(&self) -> PenaltySource {
        let default = match self.method {
            Method::EfficientAd => PenaltySource::Generated,
            Method::Mhkd | Method::UninformedStudents => PenaltySource::None,
        };
        self.penalty_images.clone().unwrap_or(default)
    }

    /// Plan of the training loop.
    pub fn plan(&self) -> TrainingPlan {
        TrainingPlan {
            steps: self.steps(),
            learning_rate: self.learning_rate,
            decay: LearningRateDecay {
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

    /// Factors of the losses. The factor of the self-distillation is 0 if it is disabled.
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

    /// Settings that a bundle's manifest stores: all except paths and settings without effect on the result.
    ///
    /// # Errors
    /// When a setting cannot be converted to TOML, which does not occur with the present types.
    pub fn hyper_parameters(&self) -> Result<toml::Table> {
        let mut table = toml::Table::try_from(self)?;
        for key in [
            "dataset",
            "teacher",
            "penalty_images",
            "workers",
            "log_every",
            "checkpoint_every",
            "teacher_cache_mib",
        ] {
            table.remove(key);
        }
        Ok(table)
    }
}
