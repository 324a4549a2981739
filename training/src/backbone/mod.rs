//! `ImageNet` backbones. The teacher is distilled from the features of two middle stages.

mod efficientnet_lite;
mod resnet101;
pub mod shipped;
mod squeezenet;

use std::collections::BTreeMap;

use crate::tensors::InputNormalisation;
use tch::Tensor;
use thiserror::Error;

pub use efficientnet_lite::{
    EfficientNetLite, LiteBlock, LiteConv, LiteVariant, SIDE_STEP, STRIDE,
};
pub use resnet101::{ResNet101, ResNet101Variant};
pub use squeezenet::SqueezeNet;

/// Supported backbones, with torchvision's names.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
pub enum BackboneKind {
    /// The paper's backbone; stages `layer2` and `layer3` (512 and 1024 channels, 1/8 and 1/16 of the side).
    #[value(name = "wide_resnet101_2")]
    #[serde(rename = "wide_resnet101_2")]
    WideResNet101,
    /// The backbone of the authors' published script; the same stages and channels as `wide_resnet101_2`.
    #[value(name = "resnext101_32x8d")]
    #[serde(rename = "resnext101_32x8d")]
    ResNext101,
    /// About a thirtieth of the operations; stages `features.5` and `features.8` (256 and 384 channels, 1/4
    /// and 1/8 of the side) of an image at the teacher's input size, so that both have the same grid. The
    /// receptive fields are 35 and 75 pixels, close to a PDN's 33. The stages were chosen by measurement,
    /// with nearest neighbours on MVTec AD bottle (image AUROC over all types): these 0.998; 1/8 and 1/16 at
    /// twice the size as in the paper (`features.8`, `features.12`) 0.996; `features.8`, `features.10` at
    /// twice the size 0.992; `features.5`, `features.8` at twice the size 0.933.
    #[value(name = "squeezenet1_0")]
    #[serde(rename = "squeezenet1_0")]
    SqueezeNet,
    /// 0.7 M parameters up to stride 16; the last blocks at stride 8 and 16 (40 and 112 channels).
    #[value(name = "efficientnet_lite0")]
    #[serde(rename = "efficientnet_lite0")]
    EfficientNetLite0,
    /// As `efficientnet_lite0`, with more blocks.
    #[value(name = "efficientnet_lite1")]
    #[serde(rename = "efficientnet_lite1")]
    EfficientNetLite1,
    /// 1.2 M parameters up to stride 16; 48 and 120 channels.
    #[value(name = "efficientnet_lite2")]
    #[serde(rename = "efficientnet_lite2")]
    EfficientNetLite2,
}

/// A backbone with its weights. It maps images to the features of two stages, without gradients.
#[derive(Debug)]
pub enum Backbone {
    /// `wide_resnet101_2` or `resnext101_32x8d`.
    ResNet101(Box<ResNet101>),
    /// `squeezenet1_0`.
    SqueezeNet(Box<SqueezeNet>),
    /// `efficientnet_lite0`, `efficientnet_lite1` or `efficientnet_lite2`.
    EfficientNetLite(Box<EfficientNetLite>),
}

/// A checkpoint that does not belong to the backbone.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BackboneError {
    /// A tensor is missing.
    #[error("tensor `{0}` is missing")]
    Missing(String),
    /// A tensor has an unexpected shape.
    #[error("tensor `{name}` has shape {actual:?}, expected {expected:?}")]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Shape in the checkpoint.
        actual: Vec<i64>,
        /// Expected shape.
        expected: Vec<i64>,
    },
}

/// Tensors of a checkpoint, looked up by name and checked by shape.
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
    /// Builds the backbone from the tensors of its checkpoint.
    ///
    /// # Errors
    /// Returns the first tensor that is missing or has an unexpected shape.
    pub fn load(self, tensors: &BTreeMap<String, Tensor>) -> Result<Backbone, BackboneError> {
        let source = CheckpointTensors(tensors);
        let lite = |variant| -> Result<Backbone, BackboneError> {
            let net = EfficientNetLite::from_checkpoint(&source, variant)?;
            Ok(Backbone::EfficientNetLite(Box::new(net)))
        };
        let resnet = |variant| -> Result<Backbone, BackboneError> {
            let net = ResNet101::from_checkpoint(&source, variant)?;
            Ok(Backbone::ResNet101(Box::new(net)))
        };
        Ok(match self {
            Self::EfficientNetLite0 => lite(LiteVariant::Lite0)?,
            Self::EfficientNetLite1 => lite(LiteVariant::Lite1)?,
            Self::EfficientNetLite2 => lite(LiteVariant::Lite2)?,
            Self::WideResNet101 => resnet(ResNet101Variant::Wide2)?,
            Self::ResNext101 => resnet(ResNet101Variant::Next32x8d)?,
            Self::SqueezeNet => {
                Backbone::SqueezeNet(Box::new(SqueezeNet::from_checkpoint(&source)?))
            }
        })
    }
}

impl Backbone {
    /// Number of channels of the two stages.
    pub fn channels(&self) -> [i64; 2] {
        match self {
            Self::ResNet101(_) => [512, 1024],
            Self::SqueezeNet(_) => [256, 384],
            Self::EfficientNetLite(net) => net.variant().channels(),
        }
    }

    /// Ratio of the backbone's input side to the teacher's. It is chosen so that the finer stage has the
    /// same side as the teacher's features: a quarter of the teacher's input side.
    pub fn scale(&self) -> i64 {
        match self {
            Self::ResNet101(_) | Self::EfficientNetLite(_) => 2,
            Self::SqueezeNet(_) => 1,
        }
    }

    /// Returns the features of the two stages, finer first, of normalised images `x` [N, 3, H, W].
    pub fn stages(&self, x: &Tensor) -> [Tensor; 2] {
        tch::no_grad(|| match self {
            Self::ResNet101(net) => net.stages(x),
            Self::SqueezeNet(net) => net.stages(x),
            Self::EfficientNetLite(net) => net.stages(x),
        })
    }

    /// Features of both stages on the finer grid, `[N, C, h, w]`, of normalised images `x` [N, 3, H, W]: each
    /// stage is averaged over 3x3 cells and the coarser one resized.
    pub fn grid_features(&self, x: &Tensor) -> Tensor {
        let mean = |x: &Tensor| x.avg_pool2d([3, 3], [1, 1], [1, 1], false, true, None::<i64>);
        let [fine, coarse] = self.stages(x).map(|stage| mean(&stage));
        let coarse = coarse.upsample_bilinear2d(&fine.size()[2..], false, None, None);
        Tensor::cat(&[&fine, &coarse], 1).to_kind(tch::Kind::Float)
    }

    /// Normalisation of the images that the network was trained on.
    pub fn input_normalisation(&self) -> InputNormalisation {
        match self {
            Self::ResNet101(_) | Self::SqueezeNet(_) => InputNormalisation::ImageNet,
            Self::EfficientNetLite(_) => InputNormalisation::Half,
        }
    }
}
