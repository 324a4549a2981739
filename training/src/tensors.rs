//! Conversion of frames to network input tensors, and tensors outside libtorch.

use inspectd_core::frame::Frame;
use tch::{Device, Kind, Tensor};

use crate::fit::checkpoint::host;

/// Shape and elements of a tensor in memory, independent of libtorch.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightTensor {
    /// Shape, outermost dimension first.
    pub shape: Vec<i64>,
    /// Elements, row-major.
    pub values: Vec<f32>,
}

impl WeightTensor {
    /// Copies a tensor of libtorch.
    pub fn of(tensor: &Tensor) -> Self {
        Self {
            shape: tensor.size(),
            values: host(tensor),
        }
    }
}

/// Channel means of `ImageNet`, for values in [0, 1].
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Channel standard deviations of `ImageNet`, for values in [0, 1].
pub const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Normalisation of images with values in [0, 1]: `(x - mean) / std` for each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputNormalisation {
    /// Mean and standard deviation of `ImageNet`'s images.
    ImageNet,
    /// 0.5 and 0.5 for all channels, as `EfficientNet`-Lite was trained.
    Half,
}

impl InputNormalisation {
    /// Mean of red, green and blue.
    pub fn mean(self) -> [f32; 3] {
        match self {
            Self::ImageNet => MEAN,
            Self::Half => [0.5; 3],
        }
    }

    /// Standard deviation of red, green and blue.
    pub fn std(self) -> [f32; 3] {
        match self {
            Self::ImageNet => STD,
            Self::Half => [0.5; 3],
        }
    }

    /// Normalises `unit` [N, 3, H, W] with values in [0, 1].
    pub fn apply(self, unit: &Tensor) -> Tensor {
        let column = |values: [f32; 3]| {
            Tensor::from_slice(&values)
                .reshape([1, 3, 1, 1])
                .to_device(unit.device())
        };
        (unit - column(self.mean())) / column(self.std())
    }
}

/// Converts frames of equal size to values in [0, 1], `[N, 3, H, W]`. Channels are innermost in memory,
/// as in a frame.
pub fn unit(frames: &[&Frame], device: Device) -> Tensor {
    let images: Vec<Tensor> = frames
        .iter()
        .map(|frame| {
            let shape = [i64::from(frame.height()), i64::from(frame.width()), 3];
            Tensor::from_slice(frame.rgb()).reshape(shape)
        })
        .collect();
    Tensor::stack(&images, 0)
        .to_device(device)
        .permute([0, 3, 1, 2])
        .to_kind(Kind::Float)
        / 255.0
}

/// Converts `unit` [N, 3, H, W] to greyscale: the luma (ITU-R BT.601) in all three channels.
pub fn grey(unit: &Tensor) -> Tensor {
    let luma = Tensor::from_slice(&[0.2989_f32, 0.587, 0.114])
        .reshape([1, 3, 1, 1])
        .to_device(unit.device());
    let grey = (unit * luma).sum_dim_intlist([1].as_slice(), true, Kind::Float);
    grey.expand_as(unit)
}
