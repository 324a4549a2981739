//! The teacher at run time: a frozen network and the statistics that normalise its features.

use tch::{Device, Tensor};

use super::architecture::{Architecture, TeacherTable};
use super::net::{Mode, Net};
use crate::backbone::{Backbone, EfficientNetLite, LiteVariant, shipped};
use crate::tensors::InputNormalisation;

/// A frozen network that computes `f_t`.
#[derive(Debug)]
pub enum TeacherNetwork {
    /// A distilled PDN.
    Pdn(Net),
    /// A backbone with features on the grid of stride 8.
    Backbone(Box<Backbone>),
}

impl TeacherNetwork {
    /// The shipped backbone `variant`.
    ///
    /// # Errors
    /// When the backbone is not part of the program.
    pub fn shipped(variant: LiteVariant, device: Device) -> anyhow::Result<Self> {
        let net: EfficientNetLite = shipped::load(variant)?.to_device(device);
        Ok(Self::Backbone(Box::new(Backbone::EfficientNetLite(
            Box::new(net),
        ))))
    }

    /// A PDN with random weights, or the shipped backbone, for `architecture`.
    ///
    /// # Errors
    /// When the backbone is not part of the program.
    pub fn untrained(architecture: &Architecture, device: Device) -> anyhow::Result<Self> {
        match architecture.layer_tables().teacher {
            TeacherTable::Pdn(layers) => Ok(Self::Pdn(Net::new("teacher", layers, device))),
            TeacherTable::Backbone(variant) => Self::shipped(variant, device),
        }
    }

    /// Normalisation of the images that the network reads.
    pub fn input_normalisation(&self) -> InputNormalisation {
        match self {
            Self::Pdn(_) => InputNormalisation::ImageNet,
            Self::Backbone(backbone) => backbone.input_normalisation(),
        }
    }

    /// Number of feature channels.
    pub fn channels(&self) -> i64 {
        match self {
            Self::Pdn(net) => net.channels(),
            Self::Backbone(backbone) => backbone.channels().iter().sum(),
        }
    }

    /// Features of normalised images `x` [N, 3, H, W] before their normalisation, without gradients:
    /// `[N, C, h, w]`. A PDN computes in the precision of the forward pass, a backbone in f32.
    pub fn features(&self, x: &Tensor) -> Tensor {
        tch::no_grad(|| match self {
            Self::Pdn(net) => net.forward(x, Mode::Evaluate),
            // Each image passes once, so f32 costs nothing.
            Self::Backbone(backbone) => {
                crate::torch::in_f32(x.device(), || backbone.grid_features(x))
            }
        })
    }

    /// The tensors of a PDN with their names; a backbone's weights are part of the program.
    pub fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let pdn = match self {
            Self::Pdn(net) => Some(net.tensors()),
            Self::Backbone(_) => None,
        };
        pdn.into_iter().flatten()
    }
}

/// `F_t` with the channel statistics for normalising its features.
#[derive(Debug)]
pub struct Teacher {
    network: TeacherNetwork,
    mean: Tensor, // [1, C, 1, 1]
    std: Tensor,  // [1, C, 1, 1]
}

impl Teacher {
    /// Creates a teacher from `network` and the per-channel mean and standard deviation of its features, `[C]`
    /// each.
    pub fn new(network: TeacherNetwork, mean: &Tensor, std: &Tensor) -> Self {
        let column = |tensor: &Tensor| tensor.to_kind(tch::Kind::Float).reshape([1, -1, 1, 1]);
        Self {
            network,
            mean: column(mean),
            std: column(std),
        }
    }

    /// Normalises images with values in [0, 1] for teacher and student.
    pub fn input(&self, unit: &Tensor) -> Tensor {
        self.network.input_normalisation().apply(unit)
    }

    /// Returns the normalised `f_t` of normalised images `x` [N, 3, H, W], without gradients.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.normalise(&self.features(x))
    }

    /// Returns `f_t` before normalisation; see [`TeacherNetwork::features`].
    pub fn features(&self, x: &Tensor) -> Tensor {
        self.network.features(x)
    }

    /// Returns (features - mean) / standard deviation, f32.
    pub fn normalise(&self, features: &Tensor) -> Tensor {
        (features - &self.mean) / &self.std
    }

    /// Mean of each channel, `[C]`.
    pub fn mean(&self) -> Tensor {
        self.mean.flatten(0, -1)
    }

    /// Standard deviation of each channel, `[C]`.
    pub fn std(&self) -> Tensor {
        self.std.flatten(0, -1)
    }

    /// The network without the normalisation.
    pub fn network(&self) -> &TeacherNetwork {
        &self.network
    }
}
