//! [`Adam`] compared with `torch.optim.Adam`.

use inspectd_test_support::reference_data;
use mhkd::fit::adam::Adam;
use tch::{Kind, Tensor};

use super::uniform;
use crate::support::{relative_difference, tensors};

/// Largest accepted difference, as a fraction of the tensor's largest value. The steps are in f32, and
/// implementations differ in the order of the operations: 2e-7 between two of `PyTorch`'s own.
const TOLERANCE: f64 = 1e-6;

/// A trained tensor.
struct Trained {
    name: &'static str,
    shape: &'static [i64],
    /// Bound of its gradients.
    gradient: f32,
}

/// The gradients of `bias` are as small as the eps of Adam.
const TRAINED: [Trained; 3] = [
    Trained {
        name: "kernel",
        shape: &[4, 3, 2, 2],
        gradient: 1.0,
    },
    Trained {
        name: "matrix",
        shape: &[6, 5],
        gradient: 1e-3,
    },
    Trained {
        name: "bias",
        shape: &[7],
        gradient: 3e-8,
    },
];

/// Steps after which the reference has the weights; the last one is the last step.
const KEPT: [u32; 5] = [1, 2, 12, 13, 20];

/// Learning rate of `step`, counted from 1.
fn learning_rate(step: u32) -> f64 {
    if step < 13 { 0.01 } else { 0.001 }
}

/// `tensor` in the layout that the networks use: channels-last for the weight of a convolution.
fn in_layout_of_networks(tensor: Tensor) -> Tensor {
    if tensor.dim() == 4 {
        mhkd::torch::channels_last(&tensor)
    } else {
        tensor
    }
}

/// A loss of `weights` whose gradients are those of `step`.
fn loss(weights: &[Tensor], step: u32) -> Tensor {
    let products = TRAINED.iter().zip(weights).map(|(of, weight)| {
        let name = format!("{}.gradient{step}", of.name);
        // Contiguous, while the weight of a convolution is channels-last: the step must not mix them up.
        let gradient = uniform(&name, of.shape, 0.0, of.gradient);
        (weight * gradient).sum(Kind::Float)
    });
    Tensor::stack(&products.collect::<Vec<_>>(), 0).sum(Kind::Float)
}

#[test]
fn weights_and_moments_of_20_steps_agree_with_torch_optim_adam() {
    let reference = tensors(&reference_data("adam-reference/adam.safetensors"));
    let check = |name: &str, actual: &Tensor| {
        let difference = relative_difference(&actual.detach(), &reference[name]);
        assert!(difference <= TOLERANCE, "{name}: {difference:e}");
    };
    for (run, weight_decay) in [("decay0", 0.0), ("decay0.05", 0.05)] {
        let start = |of: &Trained| uniform(of.name, of.shape, 0.0, 1.0);
        let weights: Vec<Tensor> = TRAINED
            .iter()
            .map(|of| in_layout_of_networks(start(of)).set_requires_grad(true))
            .collect();
        let named = TRAINED.iter().zip(&weights);
        let mut adam = Adam::new(
            named.map(|(of, weight)| (of.name.to_owned(), weight)),
            weight_decay,
        );
        for step in 1..=KEPT[KEPT.len() - 1] {
            adam.step(&loss(&weights, step), learning_rate(step));
            if KEPT.contains(&step) {
                for (of, weight) in TRAINED.iter().zip(&weights) {
                    check(&format!("{run}.step{step}.{}", of.name), weight);
                }
            }
        }
        for (name, tensor) in adam.state() {
            let name = name.strip_prefix("adam.").expect("the prefix of the state");
            if !name.starts_with("steps.") {
                check(&format!("{run}.{name}"), &tensor);
            }
        }
    }
}
