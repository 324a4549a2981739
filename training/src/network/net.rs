//! Runs a table of layers with libtorch, and holds its tensors.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::layer::{self, DROPOUT, Filter, Layer, Layers};
use crate::torch;

/// A table with its tensors.
#[derive(Debug)]
pub struct Net {
    name: &'static str,
    layers: Layers,
    convolutions: BTreeMap<usize, Convolution>,
    channels_last: bool,
    dropout: f64,
}

/// The tensors of one convolution.
#[derive(Debug)]
struct Convolution {
    weight: Tensor, // [out, in, k, k]
    bias: Tensor,   // [out]
}

/// What a forward pass is for: dropout works in training only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Dropout on.
    Train,
    /// Dropout off.
    Evaluate,
}

impl Net {
    /// `layers` with weights as `PyTorch` draws them (uniform within 1/sqrt(fan in)), from libtorch's
    /// generator; `name` is the first part of every tensor's name. Channels-last in memory, as the
    /// convolutions like it on both devices; see [`Self::channels_last`].
    pub fn new(name: &'static str, layers: Layers, device: Device) -> Self {
        let draw = |shape: &[i64], bound: f64| {
            let tensor = Tensor::empty(shape, (Kind::Float, Device::Cpu)).uniform_(-bound, bound);
            tensor.to_device(device)
        };
        let convolutions = layer::convolutions(&layers)
            .map(|(number, shape)| {
                let bound = ((shape[1] * shape[2] * shape[3]) as f64).sqrt().recip();
                let weight = draw(&shape, bound);
                let bias = draw(&shape[..1], bound);
                (number, Convolution { weight, bias })
            })
            .collect();
        let net = Self {
            name,
            layers,
            convolutions,
            channels_last: true,
            dropout: DROPOUT,
        };
        net.channels_last(true)
    }

    /// Lays weights and activations out with the channels innermost, or in the order of their shapes.
    /// Before [`Self::train`]: the weights move.
    #[must_use]
    pub fn channels_last(mut self, channels_last: bool) -> Self {
        self.channels_last = channels_last;
        for convolution in self.convolutions.values_mut() {
            convolution.weight = layout(&convolution.weight, channels_last);
        }
        self
    }

    /// `x` [N, C, H, W] through all layers.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        let x = layout(x, self.channels_last);
        layer::numbered(&self.layers).fold(x, |x, (number, layer)| match *layer {
            Layer::Conv {
                stride, padding, ..
            } => self.convolutions[&number].apply(&x, stride, padding),
            Layer::Relu => x.relu(),
            Layer::AvgPool { padding } => {
                x.avg_pool2d([2, 2], [2, 2], [padding, padding], false, true, None::<i64>)
            }
            Layer::MaxPool { padding } => {
                x.max_pool2d([2, 2], [2, 2], [padding, padding], [1, 1], false)
            }
            Layer::Resize { side, filter } => match filter {
                Filter::Bicubic => x.upsample_bicubic2d([side, side], false, None, None),
                Filter::Bilinear => x.upsample_bilinear2d([side, side], false, None, None),
            },
            Layer::Reflect { before, after } => x.reflection_pad2d([before, after, before, after]),
            Layer::Dropout => x.dropout(self.dropout, mode == Mode::Train),
        })
    }

    /// Every tensor with its name, in the order of the table.
    pub fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.convolutions.iter().flat_map(|(number, convolution)| {
            [
                (
                    format!("{}.{number}.weight", self.name),
                    &convolution.weight,
                ),
                (format!("{}.{number}.bias", self.name), &convolution.bias),
            ]
        })
    }

    /// Sets the probability of its dropout rows, [`DROPOUT`] otherwise.
    #[must_use]
    pub fn dropout(mut self, probability: f64) -> Self {
        self.dropout = probability;
        self
    }

    /// Marks every tensor as one to be learned.
    #[must_use]
    pub fn train(mut self) -> Self {
        for convolution in self.convolutions.values_mut() {
            convolution.weight = convolution.weight.set_requires_grad(true);
            convolution.bias = convolution.bias.set_requires_grad(true);
        }
        self
    }

    /// Channels of the result.
    pub fn channels(&self) -> i64 {
        layer::channels(&self.layers)
    }
}

/// `x` in the wanted layout, itself where it has it already.
fn layout(x: &Tensor, channels_last: bool) -> Tensor {
    if channels_last {
        torch::channels_last(x)
    } else {
        x.contiguous()
    }
}

impl Convolution {
    fn apply(&self, x: &Tensor, stride: i64, padding: i64) -> Tensor {
        // On a CPU oneDNN has no direct backward pass for a border as wide as the kernel less one and
        // multiplies matrices instead; a border of its own makes such a step up to 1.7 times as fast.
        let apart = padding > 0 && padding + 1 == self.weight.size()[3] && !x.device().is_cuda();
        if apart {
            let padded = x.constant_pad_nd([padding; 4]);
            return self.apply(&padded, stride, 0);
        }
        let (stride, padding) = ([stride; 2], [padding; 2]);
        x.conv2d(&self.weight, Some(&self.bias), stride, padding, [1, 1], 1)
    }
}
