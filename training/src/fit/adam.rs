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

/// Returns `gradient` with the strides of `weight`. The fused step on a CPU reads both in memory order; on a GPU it
/// requires equal strides. A view suffices if only strides of sides of one element differ, as for a kernel of 1x1.
fn in_layout_of(weight: &Tensor, gradient: Tensor) -> Tensor {
    let (size, wanted, found) = (weight.size(), weight.stride(), gradient.stride());
    if found == wanted {
        return gradient;
    }
    let mut strides = size.iter().zip(wanted.iter().zip(&found));
    if strides.all(|(&side, (wanted, found))| side == 1 || wanted == found) {
        return gradient.as_strided(size.as_slice(), wanted.as_slice(), None::<i64>);
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

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

    #[test]
    fn gradient_of_a_1x1_kernel_is_viewed_and_others_are_copied() {
        // Strides of a 1x1 kernel: row-major in the weight, channels-last in the gradient.
        let weight = Tensor::zeros([4, 3, 1, 1], CPU);
        let gradient = Tensor::arange(12, CPU);
        let gradient = gradient.as_strided([4, 3, 1, 1], [3, 1, 3, 3], None::<i64>);
        let view = in_layout_of(&weight, gradient.shallow_clone());
        assert_eq!(view.stride(), weight.stride());
        assert_eq!(view.data_ptr(), gradient.data_ptr());
        assert!(view == gradient);

        let weight = crate::torch::channels_last(&Tensor::zeros([4, 3, 2, 2], CPU));
        let gradient = Tensor::arange(48, CPU).reshape([4, 3, 2, 2]);
        let copy = in_layout_of(&weight, gradient.shallow_clone());
        assert_eq!(copy.stride(), weight.stride());
        assert!(copy == gradient);
    }

    #[test]
    fn each_step_is_counted_once_for_each_weight() {
        let weights = [2, 3].map(|side| Tensor::ones([side], CPU).set_requires_grad(true));
        let named = ["a", "b"].map(str::to_owned).into_iter().zip(&weights);
        let mut adam = Adam::new(named, 0.0);
        for _ in 0..3 {
            adam.step(
                &(weights[0].sum(Kind::Float) + weights[1].sum(Kind::Float)),
                0.1,
            );
        }
        let counts: Vec<i64> = adam
            .state()
            .iter()
            .filter(|(name, _)| name.starts_with("adam.steps."))
            .map(|(_, steps)| steps.int64_value(&[]))
            .collect();
        assert_eq!(counts, [3, 3]);
    }
}
