//! The weights of a trained model as plain arrays by name, independent of libtorch.

use std::collections::BTreeMap;

use half::f16;
use thiserror::Error;

pub use crate::tensors::WeightTensor;

/// Storage type of the convolution weights. All arithmetic is in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightType {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats. To compare such a graph with the network, first round the network's weights with
    /// [`round_to_f16`].
    F16,
}

/// All tensors by name: `teacher.0.weight` is the weight of the teacher's
/// convolution with index 0 in [`layer::convolutions`](crate::network::layer::convolutions).
#[derive(Clone, Debug, Default)]
pub struct Weights(pub BTreeMap<String, WeightTensor>);

/// Mean and standard deviation of every teacher channel over the training images. `f_t` is normalised with
/// them before every use.
#[derive(Clone, Debug)]
pub struct TeacherNormalisation {
    /// `[C]`.
    pub mean: Vec<f32>,
    /// `[C]`.
    pub std: Vec<f32>,
}

/// An error in the weights of a graph.
#[derive(Debug, Error, PartialEq)]
pub enum GraphError {
    /// A tensor of the architecture is missing.
    #[error("tensor {name} is missing")]
    Missing {
        /// Tensor name.
        name: String,
    },
    /// A tensor has a wrong shape, or a number of elements that does not match its shape.
    #[error("{name}: expected shape {expected:?}, found {found:?} with {elements} elements")]
    Shape {
        /// Tensor name.
        name: String,
        /// Shape in the architecture.
        expected: Vec<i64>,
        /// Shape in the weights.
        found: Vec<i64>,
        /// Number of elements in the weights.
        elements: usize,
    },
    /// A tensor has a non-finite element.
    #[error("{name}: element {index} is {value}; must be finite")]
    NotFinite {
        /// Tensor name.
        name: String,
        /// Index of the element, row-major.
        index: usize,
        /// Value of the element.
        value: f32,
    },
    /// A teacher channel has a standard deviation that is not positive.
    #[error("standard deviation of teacher channel {channel} is {value}; must be above 0")]
    Deviation {
        /// Index of the channel.
        channel: usize,
        /// Its standard deviation.
        value: f32,
    },
}

impl Weights {
    /// Returns the elements of `name` after checking the shape and that all values are finite.
    pub(super) fn tensor(&self, name: &str, shape: &[i64]) -> Result<&[f32], GraphError> {
        let tensor = self.0.get(name).ok_or_else(|| GraphError::Missing {
            name: name.to_owned(),
        })?;
        check(name, shape, &tensor.shape, &tensor.values)?;
        Ok(&tensor.values)
    }
}

impl TeacherNormalisation {
    /// Checks the number of channels, that all values are finite, and that the deviations are positive.
    pub(super) fn check(&self, channels: i64) -> Result<(), GraphError> {
        for (name, values) in [("teacher mean", &self.mean), ("teacher std", &self.std)] {
            check(name, &[channels], &[values.len() as i64], values)?;
        }
        match self.std.iter().position(|&std| std <= 0.0) {
            Some(channel) => Err(GraphError::Deviation {
                channel,
                value: self.std[channel],
            }),
            None => Ok(()),
        }
    }

    /// Folds the normalisation into a convolution:
    /// `((w x + b) - mean) / std = (w / std) x + (b - mean) / std`, for each channel.
    pub(super) fn fold(&self, weight: &[f32], bias: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let fan_in = weight.len() / bias.len();
        let scaled = |(index, &weight): (usize, &f32)| {
            (f64::from(weight) / f64::from(self.std[index / fan_in])) as f32
        };
        let shifted = |(channel, &bias): (usize, &f32)| {
            let centred = f64::from(bias) - f64::from(self.mean[channel]);
            (centred / f64::from(self.std[channel])) as f32
        };
        (
            weight.iter().enumerate().map(scaled).collect(),
            bias.iter().enumerate().map(shifted).collect(),
        )
    }
}

fn check(name: &str, expected: &[i64], found: &[i64], values: &[f32]) -> Result<(), GraphError> {
    let elements = expected.iter().product::<i64>() as usize;
    if found != expected || values.len() != elements {
        return Err(GraphError::Shape {
            name: name.to_owned(),
            expected: expected.to_vec(),
            found: found.to_vec(),
            elements: values.len(),
        });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(GraphError::NotFinite {
            name: name.to_owned(),
            index,
            value: values[index],
        }),
        None => Ok(()),
    }
}

/// Rounds every `.weight` to f16, as in a graph with [`WeightType::F16`]. Biases
/// are not rounded.
pub fn round_to_f16(weights: &mut Weights) {
    for (name, tensor) in &mut weights.0 {
        if name.ends_with(".weight") {
            for value in &mut tensor.values {
                *value = f16::from_f32(*value).to_f32();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_convolution_gives_the_normalised_result() {
        let normalisation = TeacherNormalisation {
            mean: vec![0.5, -2.0],
            std: vec![0.25, 4.0],
        };
        let (weight, bias) = normalisation.fold(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0]);
        assert_eq!(weight, [4.0, 8.0, 0.75, 1.0]);
        assert_eq!(bias, [2.0, 1.0]);
    }

    #[test]
    fn zero_deviation_is_rejected() {
        let normalisation = TeacherNormalisation {
            mean: vec![0.0; 2],
            std: vec![1.0, 0.0],
        };
        let expected = GraphError::Deviation {
            channel: 1,
            value: 0.0,
        };
        assert_eq!(normalisation.check(2), Err(expected));
    }

    #[test]
    fn round_to_f16_changes_only_weights() {
        let tensor = WeightTensor {
            shape: vec![1],
            values: vec![0.1_f32],
        };
        let named =
            ["teacher.0.weight", "teacher.0.bias"].map(|name| (name.to_owned(), tensor.clone()));
        let mut weights = Weights(BTreeMap::from(named));
        round_to_f16(&mut weights);
        let value = |name: &str| weights.0[name].values[0];
        assert!((value("teacher.0.weight") - 0.099_975_586).abs() < 1e-9);
        assert!((value("teacher.0.bias") - 0.1).abs() < f32::EPSILON);
    }
}
