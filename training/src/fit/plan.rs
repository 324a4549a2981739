//! How to descend: steps, learning rate, precision. Part of a run's settings.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Arithmetic of the forward pass while training. Weights, gradients' sums and the losses are f32 in
/// both, and so is everything after training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// The faster of the two, which is measured when the run starts and saved with it.
    Auto,
    /// Single precision; TF32 on a GPU unless switched off.
    F32,
    /// bf16 autocast of the convolutions.
    Bf16,
}

impl Precision {
    /// What `self` means on this machine.
    #[must_use]
    pub fn settle(self, device: tch::Device) -> Self {
        match self {
            Self::Auto if device.is_cuda() => Self::Bf16,
            Self::Auto if processor_has_bf16() && bf16_is_faster() => Self::Bf16,
            Self::Auto => Self::F32,
            settled => settled,
        }
    }
}

/// The instructions alone do not tell: on some processors the backward pass in bf16 takes longer than
/// the one in f32. So a convolution of the students' middle is timed both ways, half a second in all.
fn bf16_is_faster() -> bool {
    let time = |kind: Kind| {
        let random = |shape: [i64; 4]| {
            let tensor = Tensor::rand(shape, (Kind::Float, tch::Device::Cpu)).to_kind(kind);
            crate::torch::channels_last(&tensor).set_requires_grad(true)
        };
        let (x, weight) = (random([1, 128, 70, 70]), random([128, 128, 4, 4]));
        let mut quickest = Duration::MAX;
        for _ in 0..3 {
            let started = Instant::now();
            let y = x.conv2d::<Tensor>(&weight, None, [1, 1], [0, 0], [1, 1], 1);
            let _ = Tensor::run_backward(&[y.sum(kind)], &[&x, &weight], false, false);
            quickest = quickest.min(started.elapsed());
        }
        quickest
    };
    time(Kind::BFloat16) < time(Kind::Float)
}

/// Without the instructions bf16 is emulated, many times slower than f32. The standard library cannot
/// ask for them yet on stable Rust, Linux can.
fn processor_has_bf16() -> bool {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.split_ascii_whitespace()
        .any(|flag| flag == "avx512_bf16" || flag == "amx_bf16")
}

/// When to stop before the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Steps between two validations.
    pub every: u64,
    /// Validations without a better loss after which training stops; the best weights are kept.
    pub patience: u64,
}

/// The one fall of the learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decay {
    /// Share of the steps after which it falls, 0 to 1.
    pub at: f64,
    /// What it is multiplied by then.
    pub factor: f64,
}

impl Default for Decay {
    /// The paper's: a tenth from 95 % on.
    fn default() -> Self {
        Self {
            at: 0.95,
            factor: 0.1,
        }
    }
}

/// The descent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Optimiser steps.
    pub steps: u64,
    /// Adam's learning rate to begin with.
    pub learning_rate: f64,
    /// When and by how much the learning rate falls.
    pub decay: Decay,
    /// L2 factor, added to the gradient.
    pub weight_decay: f64,
    /// Of the initial weights, the order of the images and the dropout.
    pub seed: u64,
    /// Of the forward pass.
    pub precision: Precision,
    /// Whether a GPU's f32 products may round to TF32.
    pub tf32: bool,
    /// Steps between two entries of the log; the losses are checked for NaN there, too.
    pub log_every: u64,
    /// Steps between two checkpoints.
    pub checkpoint_every: u64,
    /// Off when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
}

impl Plan {
    /// The learning rate of step `step` (0 first): a tenth from 95 % of the steps on, unless told
    /// otherwise (the paper's IV-B).
    pub fn learning_rate(&self, step: u64) -> f64 {
        let decay_step = (self.decay.at * self.steps as f64).round() as u64;
        if step >= decay_step {
            self.learning_rate * self.decay.factor
        } else {
            self.learning_rate
        }
    }

    /// What libtorch's generator is seeded with before step `step`, so that a resumed run draws the
    /// same dropout without the generator's state being kept.
    pub fn seed_of_step(&self, step: u64) -> i64 {
        // Splitmix64's increment: consecutive steps get unrelated seeds.
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
    fn the_learning_rate_falls_at_95_percent() {
        let plan = Plan {
            steps: 80_000,
            learning_rate: 1e-4,
            decay: Decay::default(),
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
