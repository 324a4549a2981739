//! An exponential moving average of the weights: it follows them through the noise of small batches.

use tch::Tensor;

/// The averages beside the weights that they are of.
pub(super) struct Average {
    names: Vec<String>,
    weights: Vec<Tensor>,
    means: Vec<Tensor>,
    decay: f64,
}

/// What the average of the tensor `name` is called in a checkpoint.
pub fn averaged_name(name: &str) -> String {
    format!("ema.{name}")
}

impl Average {
    /// Of the named `weights`, as they are now.
    pub(super) fn new<'a>(weights: impl Iterator<Item = (String, &'a Tensor)>, decay: f64) -> Self {
        let (names, weights): (Vec<_>, Vec<_>) = weights
            .map(|(name, tensor)| (averaged_name(&name), tensor.shallow_clone()))
            .unzip();
        Self {
            means: weights
                .iter()
                .map(|weight| weight.detach().copy())
                .collect(),
            names,
            weights,
            decay,
        }
    }

    /// Adds the weights after step `step`. Early on the average is of fewer steps, so that the drawn
    /// weights are forgotten soon (as TensorFlow's `num_updates` has it).
    pub(super) fn add(&mut self, step: u64) {
        let steps = step as f64;
        let decay = self.decay.min((1.0 + steps) / (10.0 + steps));
        tch::no_grad(|| {
            for (mean, weight) in self.means.iter_mut().zip(&self.weights) {
                let _ = mean.lerp_(weight, 1.0 - decay);
            }
        });
    }

    /// The averages with their names.
    pub(super) fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.names.iter().cloned().zip(&self.means)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_and_forgets_the_start() {
        let mut weight = Tensor::from_slice(&[100.0_f32]);
        let mut average = Average::new(std::iter::once(("w".to_owned(), &weight)), 0.9);
        let _ = weight.fill_(1.0);
        for step in 0..200 {
            average.add(step);
        }
        let (name, mean) = average.tensors().next().expect("there is one");
        assert_eq!(name, "ema.w");
        assert!((mean.double_value(&[0]) - 1.0).abs() < 1e-4);
        let _ = weight.fill_(2.0);
        average.add(1000);
        let (_, mean) = average.tensors().next().expect("there is one");
        assert!((mean.double_value(&[0]) - 1.1).abs() < 1e-4);
    }
}
