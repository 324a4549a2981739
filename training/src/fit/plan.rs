//! Training plan: steps, learning rate, precision. Part of the settings of a run.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Floating-point precision of the forward pass in training. Weights, gradient accumulation and losses are
/// always f32, and so is everything after training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// The faster one, measured at the start of the run and saved in its settings.
    Auto,
    /// Single precision; TF32 on a GPU unless disabled.
    F32,
    /// bf16 autocast of the convolutions.
    Bf16,
}

impl Precision {
    /// Resolves `Auto` for this machine and `device`.
    #[must_use]
    pub fn resolve(self, device: tch::Device) -> Self {
        match self {
            Self::Auto if device.is_cuda() => Self::Bf16,
            Self::Auto if cpu_supports_bf16() && bf16_is_faster() => Self::Bf16,
            Self::Auto => Self::F32,
            resolved => resolved,
        }
    }
}

/// Measures whether bf16 is faster than f32. Support for the instructions is not sufficient: on some CPUs
/// the backward pass is slower in bf16. The function times a typical convolution of the student in both
/// precisions, which takes half a second.
fn bf16_is_faster() -> bool {
    let time = |kind: Kind| {
        let random = |shape: [i64; 4]| {
            let tensor = Tensor::rand(shape, (Kind::Float, tch::Device::Cpu)).to_kind(kind);
            crate::torch::channels_last(&tensor).set_requires_grad(true)
        };
        let (x, weight) = (random([1, 128, 70, 70]), random([128, 128, 4, 4]));
        let mut fastest = Duration::MAX;
        for _ in 0..3 {
            let started = Instant::now();
            let y = x.conv2d::<Tensor>(&weight, None, [1, 1], [0, 0], [1, 1], 1);
            let _ = Tensor::run_backward(&[y.sum(kind)], &[&x, &weight], false, false);
            fastest = fastest.min(started.elapsed());
        }
        fastest
    };
    time(Kind::BFloat16) < time(Kind::Float)
}

/// Returns whether the CPU has bf16 instructions. Without them bf16 is emulated and much slower than f32.
/// Stable Rust cannot detect them in the standard library, so this reads the CPU flags of Linux.
fn cpu_supports_bf16() -> bool {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.split_ascii_whitespace()
        .any(|flag| ["avx512_bf16", "amx_bf16", "bf16"].contains(&flag))
}

/// Early stopping by the validation loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Steps between two validations.
    pub every: u64,
    /// Number of validations without a lower loss after which training stops. The best weights are saved.
    pub patience: u64,
}

/// A single decrease of the learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningRateDecay {
    /// Fraction of the steps after which the learning rate decreases, 0 to 1.
    pub at: f64,
    /// Factor by which the learning rate is multiplied.
    pub factor: f64,
}

impl Default for LearningRateDecay {
    /// The values of the paper: a factor of 0.1 after 95 % of the steps.
    fn default() -> Self {
        Self {
            at: 0.95,
            factor: 0.1,
        }
    }
}

/// Plan of a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingPlan {
    /// Optimiser steps.
    pub steps: u64,
    /// Initial learning rate of Adam.
    pub learning_rate: f64,
    /// Decrease of the learning rate.
    pub decay: LearningRateDecay,
    /// Factor of the L2 term added to the gradient.
    pub weight_decay: f64,
    /// Random seed of the initial weights, the image order and the dropout.
    pub seed: u64,
    /// Precision of the forward pass.
    pub precision: Precision,
    /// Whether f32 products on a GPU may round to TF32.
    pub tf32: bool,
    /// Steps between two log entries. The losses are also checked for non-finite values at these steps.
    pub log_every: u64,
    /// Steps between two checkpoints. Another one is written after each minute.
    pub checkpoint_every: u64,
    /// Early stopping, disabled if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
}

impl TrainingPlan {
    /// Learning rate of step `step`, counted from 0. By default it is multiplied by 0.1 after 95 % of the
    /// steps (section IV-B of the paper).
    pub fn learning_rate(&self, step: u64) -> f64 {
        let decay_step = (self.decay.at * self.steps as f64).round() as u64;
        if step >= decay_step {
            self.learning_rate * self.decay.factor
        } else {
            self.learning_rate
        }
    }

    /// Seed of the libtorch generator for step `step`. With a seed per step, a resumed run draws the same
    /// dropout without saving the state of the generator.
    pub fn seed_of_step(&self, step: u64) -> i64 {
        // Constants of SplitMix64: consecutive steps get unrelated seeds.
        (self
            .seed
            .wrapping_add(1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ step.wrapping_mul(0xBF58_476D_1CE4_E5B9)) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learning_rate_decreases_to_a_tenth_at_95_percent_of_the_steps() {
        let plan = TrainingPlan {
            steps: 80_000,
            learning_rate: 1e-4,
            decay: LearningRateDecay::default(),
            weight_decay: 1e-5,
            seed: 42,
            precision: Precision::F32,
            tf32: true,
            log_every: 10,
            checkpoint_every: 1000,
            early_stopping: None,
        };
        for (step, expected) in [(0, 1e-4), (75_999, 1e-4), (76_000, 1e-5), (79_999, 1e-5)] {
            assert!(
                (plan.learning_rate(step) - expected).abs() < 1e-12,
                "{step}"
            );
        }
    }
}
