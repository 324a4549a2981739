//! `SqueezeNet` 1.0 (Iandola et al. 2016) with torchvision's layer names.

use tch::Tensor;

use super::{BackboneError, CheckpointTensors};

/// Channels of a fire module.
#[derive(Clone, Copy, Debug)]
struct FireShape {
    /// Index of the module in `features`.
    index: usize,
    /// Input channels.
    input: i64,
    /// Output channels of the squeeze convolution.
    squeeze: i64,
    /// Output channels of each of the two expand convolutions.
    expand: i64,
}

/// The fire modules in order.
const FIRES: [FireShape; 8] = [
    fire(3, 96, 16, 64),
    fire(4, 128, 16, 64),
    fire(5, 128, 32, 128),
    fire(7, 256, 32, 128),
    fire(8, 256, 48, 192),
    fire(9, 384, 48, 192),
    fire(10, 384, 64, 256),
    fire(12, 512, 64, 256),
];

const fn fire(index: usize, input: i64, squeeze: i64, expand: i64) -> FireShape {
    FireShape {
        index,
        input,
        squeeze,
        expand,
    }
}

/// Indices of the fire modules that a pooling layer follows: `features.6` and `features.11`.
const POOLED_AFTER: [usize; 2] = [5, 10];

/// The network with its classifier. Only the comparison with reference outputs uses the classifier.
#[derive(Debug)]
pub struct SqueezeNet {
    stem: Conv,
    fires: Vec<Fire>,
    classifier: Conv,
}

#[derive(Debug)]
struct Conv {
    weight: Tensor,
    bias: Tensor,
}

#[derive(Debug)]
struct Fire {
    index: usize,
    squeeze: Conv,
    expand1x1: Conv,
    expand3x3: Conv,
}

/// Features of the fire modules that are used, and the class scores.
#[derive(Debug)]
pub struct Outputs {
    /// `features.5`, [N, 256, H/4, W/4] except for the border.
    pub fire5: Tensor,
    /// `features.8`, [N, 384, H/8, W/8].
    pub fire8: Tensor,
    /// `features.12`, [N, 512, H/16, W/16].
    pub fire12: Tensor,
    /// [N, 1000], before the softmax.
    pub logits: Tensor,
}

impl Conv {
    fn load(
        source: &CheckpointTensors<'_>,
        name: &str,
        shape: [i64; 4],
    ) -> Result<Self, BackboneError> {
        Ok(Self {
            weight: source.take(&format!("{name}.weight"), &shape)?,
            bias: source.take(&format!("{name}.bias"), &shape[..1])?,
        })
    }

    fn relu(&self, x: &Tensor, stride: i64, padding: i64) -> Tensor {
        let (stride, padding) = ([stride; 2], [padding; 2]);
        x.conv2d(&self.weight, Some(&self.bias), stride, padding, [1, 1], 1)
            .relu_()
    }
}

impl Fire {
    fn load(source: &CheckpointTensors<'_>, shape: FireShape) -> Result<Self, BackboneError> {
        let FireShape {
            index,
            input,
            squeeze,
            expand,
        } = shape;
        let load =
            |part: &str, shape| Conv::load(source, &format!("features.{index}.{part}"), shape);
        Ok(Self {
            index,
            squeeze: load("squeeze", [squeeze, input, 1, 1])?,
            expand1x1: load("expand1x1", [expand, squeeze, 1, 1])?,
            expand3x3: load("expand3x3", [expand, squeeze, 3, 3])?,
        })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let squeezed = self.squeeze.relu(x, 1, 0);
        Tensor::cat(
            &[
                self.expand1x1.relu(&squeezed, 1, 0),
                self.expand3x3.relu(&squeezed, 1, 1),
            ],
            1,
        )
    }
}

/// 3x3 max pool, stride 2, ceil mode: 62 pixels give 31; floor mode would give 30.
fn pool(x: &Tensor) -> Tensor {
    x.max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], true)
}

impl SqueezeNet {
    pub(super) fn from_checkpoint(source: &CheckpointTensors<'_>) -> Result<Self, BackboneError> {
        Ok(Self {
            stem: Conv::load(source, "features.0", [96, 3, 7, 7])?,
            fires: FIRES
                .iter()
                .map(|&shape| Fire::load(source, shape))
                .collect::<Result<_, _>>()?,
            classifier: Conv::load(source, "classifier.1", [1000, 512, 1, 1])?,
        })
    }

    /// Runs the network up to fire module `last` and returns the output of each fire module.
    fn features(&self, x: &Tensor, last: usize) -> Vec<(usize, Tensor)> {
        let mut x = pool(&self.stem.relu(x, 2, 0));
        let mut features = Vec::with_capacity(FIRES.len());
        for fire in self.fires.iter().take_while(|fire| fire.index <= last) {
            let out = fire.forward(&x);
            x = if POOLED_AFTER.contains(&fire.index) {
                pool(&out)
            } else {
                out.shallow_clone()
            };
            features.push((fire.index, out));
        }
        features
    }

    /// Features of fire modules 5 and 8. The image gets a reflected border of 3 and 4 pixels, because the
    /// network has no padding before its second pooling layer: 256 pixels then give 64 features instead of
    /// 62, each centred on its 4x4 cell.
    pub(super) fn stages(&self, x: &Tensor) -> [Tensor; 2] {
        let features = self.features(&x.reflection_pad2d([3, 4, 3, 4]), 8);
        [output_of(&features, 5), output_of(&features, 8)]
    }

    /// Returns all outputs for normalised images `x` [N, 3, H, W].
    pub fn outputs(&self, x: &Tensor) -> Outputs {
        let features = self.features(x, 12);
        let fire12 = output_of(&features, 12);
        let scores = self.classifier.relu(&fire12, 1, 0);
        Outputs {
            fire5: output_of(&features, 5),
            fire8: output_of(&features, 8),
            logits: scores.mean_dim([2, 3].as_slice(), false, tch::Kind::Float),
            fire12,
        }
    }
}

/// Returns the output of the fire module `index`.
fn output_of(features: &[(usize, Tensor)], index: usize) -> Tensor {
    let (_, tensor) = features
        .iter()
        .find(|(found, _)| *found == index)
        .expect("FIRES contains the index of the module");
    tensor.shallow_clone()
}
