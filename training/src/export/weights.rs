//! The weights of a trained model as the export takes them: plain numbers by name, so that nothing
//! here knows the library that trained them.

use std::collections::BTreeMap;

use half::f16;
use thiserror::Error;

/// Shape and elements, row-major, of every tensor by its name: `teacher.0.weight` is the weight of
/// the convolution that [`layer::convolutions`](crate::network::layer::convolutions) numbers 0.
#[derive(Clone, Debug, Default)]
pub struct Weights(pub BTreeMap<String, (Vec<i64>, Vec<f32>)>);

/// Mean and standard deviation of every channel of the teacher over the training images: `f_t` is
/// normalised by them before every use.
#[derive(Clone, Debug)]
pub struct TeacherNormalisation {
    /// `[C]`.
    pub mean: Vec<f32>,
    /// `[C]`.
    pub std: Vec<f32>,
}

/// Why weights do not make a graph.
#[derive(Debug, Error, PartialEq)]
pub enum GraphError {
    /// A tensor of the architecture is not among the weights.
    #[error("no tensor {name}")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor has another shape than the architecture's, or not as many elements as its shape.
    #[error("{name}: needs shape {expected:?}, has {found:?} with {elements} elements")]
    Shape {
        /// Its name.
        name: String,
        /// The architecture's shape.
        expected: Vec<i64>,
        /// The shape given.
        found: Vec<i64>,
        /// How many numbers came with it.
        elements: usize,
    },
    /// A tensor has an element that is no number (or that 16 bits cannot hold).
    #[error("{name}: element {index} is {value}")]
    NotFinite {
        /// Its name.
        name: String,
        /// Which element, row-major.
        index: usize,
        /// The element.
        value: f32,
    },
    /// A channel of the teacher never varies, so that nothing can be divided by its deviation.
    #[error("the teacher's standard deviation of channel {channel} is {value}: must be above 0")]
    Deviation {
        /// Which channel.
        channel: usize,
        /// Its deviation.
        value: f32,
    },
}

impl Weights {
    /// The elements of `name`, which must have this shape and be finite.
    pub(super) fn tensor(&self, name: &str, shape: &[i64]) -> Result<&[f32], GraphError> {
        let (found, values) = self.0.get(name).ok_or_else(|| GraphError::Missing {
            name: name.to_owned(),
        })?;
        check(name, shape, found, values)?;
        Ok(values)
    }
}

impl TeacherNormalisation {
    /// Refuses what a teacher of `channels` channels cannot be normalised by.
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

    /// Weight and bias of a convolution whose result is that of `weight` and `bias`, normalised:
    /// `((w x + b) - mean) / std = (w / std) x + (b - mean) / std`, channel by channel.
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

/// Rounds every `.weight` to what 16 bits can hold, as a graph of
/// [`WeightType::F16`](super::graph::WeightType) will. Biases are few and stay.
pub fn round_to_f16(weights: &mut Weights) {
    for (name, (_, values)) in &mut weights.0 {
        if name.ends_with(".weight") {
            for value in values {
                *value = f16::from_f32(*value).to_f32();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_convolution_gives_the_normalised_result() {
        let normalisation = TeacherNormalisation {
            mean: vec![0.5, -2.0],
            std: vec![0.25, 4.0],
        };
        let (weight, bias) = normalisation.fold(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0]);
        assert_eq!(weight, [4.0, 8.0, 0.75, 1.0]);
        assert_eq!(bias, [2.0, 1.0]);
    }

    #[test]
    fn a_channel_that_never_varies_is_refused() {
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
    fn rounding_touches_weights_alone() {
        let tensor = (vec![1], vec![0.1_f32]);
        let named =
            ["teacher.0.weight", "teacher.0.bias"].map(|name| (name.to_owned(), tensor.clone()));
        let mut weights = Weights(BTreeMap::from(named));
        round_to_f16(&mut weights);
        let value = |name: &str| weights.0[name].1[0];
        assert!((value("teacher.0.weight") - 0.099_975_586).abs() < 1e-9);
        assert!((value("teacher.0.bias") - 0.1).abs() < f32::EPSILON);
    }
}
