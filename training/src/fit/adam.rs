//! Adam with a state that can be saved. The optimiser of tch does not expose its moments.

use tch::{Device, Kind, Tensor};

use crate::torch::{AdamTensors, adam_step};

/// Adam as in `torch.optim.Adam`: betas 0.9 and 0.999, eps 1e-8, L2 term added to the gradient.
#[derive(Debug)]
pub struct Adam {
    names: Vec<String>,
    weights: Vec<Tensor>,
    means: Vec<Tensor>,
    squares: Vec<Tensor>,
    steps: Vec<Tensor>,
    weight_decay: f64,
}

/// Returns `gradient` in the memory layout of `weight`. The fused step on a CPU reads both in memory order.
fn in_layout_of(weight: &Tensor, gradient: Tensor) -> Tensor {
    if gradient.stride() == weight.stride() {
        return gradient;
    }
    let mut copy = weight.detach().empty_like();
    copy.copy_(&gradient);
    copy
}

impl Adam {
    /// Creates an optimiser of the named `weights` with zero moments.
    pub fn new<'a>(weights: impl Iterator<Item = (String, &'a Tensor)>, weight_decay: f64) -> Self {
        let (names, weights): (Vec<_>, Vec<_>) = weights
            .map(|(name, tensor)| (name, tensor.shallow_clone()))
            .unzip();
        let zeros = |of: &[Tensor]| {
            of.iter()
                .map(|tensor| tensor.detach().zeros_like())
                .collect()
        };
        let count = |of: &Tensor| Tensor::zeros([] as [i64; 0], (Kind::Float, of.device()));
        Self {
            means: zeros(&weights),
            squares: zeros(&weights),
            steps: weights.iter().map(count).collect(),
            names,
            weights,
            weight_decay,
        }
    }

    /// Computes the gradients of `loss` and updates the weights with learning rate `lr`.
    pub fn step(&mut self, loss: &Tensor, lr: f64) {
        let gradients = Tensor::run_backward(&[loss], &self.weights, false, false);
        let gradients: Vec<Tensor> = gradients
            .into_iter()
            .zip(&self.weights)
            .map(|(gradient, weight)| in_layout_of(weight, gradient))
            .collect();
        tch::no_grad(|| {
            for step in &mut self.steps {
                let _ = step.g_add_scalar_(1.0);
            }
        });
        let tensors = AdamTensors {
            weights: &self.weights,
            gradients: &gradients,
            means: &self.means,
            squares: &self.squares,
            steps: &self.steps,
        };
        adam_step(&tensors, lr, self.weight_decay);
    }

    /// State without the weights, with names: two moments and the number of steps for each weight.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let named = |part: &'static str, of: &[Tensor]| {
            let pairs = self.names.iter().zip(of);
            pairs
                .map(|(name, tensor)| (format!("adam.{part}.{name}"), tensor.shallow_clone()))
                .collect::<Vec<_>>()
        };
        let mut state = named("mean", &self.means);
        state.extend(named("square", &self.squares));
        state.extend(named("steps", &self.steps));
        state
    }

    /// Device of the weights.
    pub fn device(&self) -> Device {
        self.weights[0].device()
    }
}
