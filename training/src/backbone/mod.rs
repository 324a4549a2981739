//! ImageNet backbones, whose features of two middle stages are what a teacher learns.

mod squeezenet;
mod wide_resnet;

use std::collections::BTreeMap;

use tch::Tensor;
use thiserror::Error;

pub use squeezenet::SqueezeNet;
pub use wide_resnet::WideResNet101;

/// The backbones that can be distilled, by torchvision's names.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
pub enum BackboneKind {
    /// The paper's; stages `layer2` and `layer3` (512 and 1024 channels, 1/8 and 1/16 of the side).
    #[value(name = "wide_resnet101_2")]
    #[serde(rename = "wide_resnet101_2")]
    WideResNet101,
    /// A thirtieth of the work; stages `features.5` and `features.8` (256 and 384 channels, 1/4 and
    /// 1/8 of the side) of an image at the teacher's own size, so that the grid is the teacher's. One
    /// of their values sees 35 and 75 pixels, near the 33 of a PDN. Chosen by measurement, as nearest
    /// neighbours on MVTec AD bottle (image AUROC over all types): these 0.998; the paper's 1/8 and
    /// 1/16 of twice the size (`features.8`, `features.12`) 0.996; `features.8`, `features.10` of twice
    /// the size 0.992; `features.5`, `features.8` of twice the size 0.933.
    #[value(name = "squeezenet1_0")]
    #[serde(rename = "squeezenet1_0")]
    SqueezeNet,
}

/// A backbone with its weights: images to the features of two stages, without gradients.
#[derive(Debug)]
pub enum Backbone {
    /// `wide_resnet101_2`.
    WideResNet101(Box<WideResNet101>),
    /// `squeezenet1_0`.
    SqueezeNet(Box<SqueezeNet>),
}

/// A checkpoint that is not this backbone's.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BackboneError {
    /// A tensor is not there.
    #[error("tensor `{0}` is missing")]
    Missing(String),
    /// A tensor has another shape.
    #[error("tensor `{name}` has shape {actual:?}, allowed is {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// What it has.
        actual: Vec<i64>,
        /// What it must have.
        expected: Vec<i64>,
    },
}

/// A checkpoint's tensors while a backbone is put together from them.
#[derive(Debug)]
pub(super) struct CheckpointTensors<'a>(pub(super) &'a BTreeMap<String, Tensor>);

impl CheckpointTensors<'_> {
    pub(super) fn take(&self, name: &str, expected: &[i64]) -> Result<Tensor, BackboneError> {
        let tensor = self
            .0
            .get(name)
            .ok_or_else(|| BackboneError::Missing(name.into()))?;
        let actual = tensor.size();
        if actual == expected {
            return Ok(tensor.shallow_clone());
        }
        Err(BackboneError::Shape {
            name: name.into(),
            actual,
            expected: expected.to_vec(),
        })
    }
}

impl BackboneKind {
    /// The backbone of this kind with the tensors of its checkpoint.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape; it is named.
    pub fn load(self, tensors: &BTreeMap<String, Tensor>) -> Result<Backbone, BackboneError> {
        let source = CheckpointTensors(tensors);
        Ok(match self {
            Self::WideResNet101 => {
                Backbone::WideResNet101(Box::new(WideResNet101::from_checkpoint(&source)?))
            }
            Self::SqueezeNet => {
                Backbone::SqueezeNet(Box::new(SqueezeNet::from_checkpoint(&source)?))
            }
        })
    }
}

impl Backbone {
    /// Channels of the two stages.
    pub fn channels(&self) -> [i64; 2] {
        match self {
            Self::WideResNet101(_) => [512, 1024],
            Self::SqueezeNet(_) => [256, 384],
        }
    }

    /// The side of the backbone's input over the teacher's, chosen so that the finer stage has a
    /// quarter of the teacher's input's side, as the teacher's features have.
    pub fn scale(&self) -> i64 {
        match self {
            Self::WideResNet101(_) => 2,
            Self::SqueezeNet(_) => 1,
        }
    }

    /// The features of the two stages, finer first, of normalised images `x` [N, 3, H, W].
    pub fn stages(&self, x: &Tensor) -> [Tensor; 2] {
        tch::no_grad(|| match self {
            Self::WideResNet101(net) => net.stages(x),
            Self::SqueezeNet(net) => net.stages(x),
        })
    }
}
