//! Layer descriptions. A network is a list of layers; the forward pass, the ONNX export and the counts of
//! parameters and operations are all derived from that list.
//!
//! Layers are numbered as in `PyTorch`'s flat `Sequential`: every layer except [`Layer::Reflect`] has an
//! index, so the convolutions have the same names as in the public teacher checkpoints (`0.weight`,
//! `3.weight`).

/// One layer. All inputs and kernels are square; shapes are NCHW.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Convolution with a bias.
    Conv {
        /// Input channels.
        input: i64,
        /// Output channels.
        output: i64,
        /// Kernel side in pixels.
        kernel: i64,
        /// Stride in pixels.
        stride: i64,
        /// Zero padding on each side, in pixels.
        padding: i64,
    },
    /// `max(x, 0)`.
    Relu,
    /// 2x2 average, stride 2; padding zeros are included in the average (`PyTorch`'s default).
    AvgPool {
        /// Zero padding on each side, in pixels.
        padding: i64,
    },
    /// 2x2 maximum, stride 2.
    MaxPool {
        /// Padding with minus infinity on each side, in pixels.
        padding: i64,
    },
    /// Resize to `side` x `side` pixels with half-pixel centres.
    Resize {
        /// Output side in pixels.
        side: i64,
        /// Interpolation.
        filter: Filter,
    },
    /// Reflection padding without repeating the edge pixel. Has no index.
    Reflect {
        /// Pixels added on the left and at the top.
        before: i64,
        /// Pixels added on the right and at the bottom.
        after: i64,
    },
    /// Dropout in training; identity in evaluation.
    Dropout,
}

/// Interpolation of a resize, as in `PyTorch`: `align_corners=False`, not antialiased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Bicubic, 4x4 pixels, a = -0.75.
    Bicubic,
    /// Bilinear, 2x2 pixels.
    Bilinear,
}

/// Default dropout probability of the decoders (section IV-B of the paper).
pub const DROPOUT: f64 = 0.2;

/// The layers of a network in order.
pub type Layers = Vec<Layer>;

/// A convolution with stride 1.
pub(super) fn conv(input: i64, output: i64, kernel: i64, padding: i64) -> Layer {
    strided(input, output, kernel, 1, padding)
}

/// A bicubic upsampling.
pub(super) fn bicubic(side: i64) -> Layer {
    Layer::Resize {
        side,
        filter: Filter::Bicubic,
    }
}

/// A bilinear resize.
pub(super) fn bilinear(side: i64) -> Layer {
    Layer::Resize {
        side,
        filter: Filter::Bilinear,
    }
}

/// A convolution with the given stride.
pub(super) fn strided(input: i64, output: i64, kernel: i64, stride: i64, padding: i64) -> Layer {
    Layer::Conv {
        input,
        output,
        kernel,
        stride,
        padding,
    }
}

impl Layer {
    /// Returns the output side in pixels for the input side `side`.
    pub fn side_after(self, side: i64) -> i64 {
        match self {
            Self::Conv {
                kernel,
                stride,
                padding,
                ..
            } => (side + 2 * padding - kernel) / stride + 1,
            Self::AvgPool { padding } | Self::MaxPool { padding } => {
                (side + 2 * padding - 2) / 2 + 1
            }
            Self::Resize { side, .. } => side,
            Self::Reflect { before, after } => side + before + after,
            Self::Relu | Self::Dropout => side,
        }
    }
}

/// Returns the output side of `layers` in pixels for the input side `side`.
pub fn side_after(layers: &[Layer], side: i64) -> i64 {
    layers
        .iter()
        .fold(side, |side, layer| layer.side_after(side))
}

/// Returns the number of output channels of the last convolution in `layers`.
///
/// # Panics
/// If `layers` has no convolution. Every network of this crate has one.
pub fn channels(layers: &[Layer]) -> i64 {
    let last = layers.iter().rev().find_map(|layer| match layer {
        Layer::Conv { output, .. } => Some(*output),
        _ => None,
    });
    last.expect("every network of this crate has a convolution")
}

/// Iterates over `layers` with their indices; [`Layer::Reflect`] has the index of the layer after it.
pub fn numbered(layers: &[Layer]) -> impl Iterator<Item = (usize, &Layer)> {
    layers.iter().scan(0, |next, layer| {
        let number = *next;
        *next += usize::from(!matches!(layer, Layer::Reflect { .. }));
        Some((number, layer))
    })
}

/// Iterates over the convolutions of `layers`: index and weight shape `[out, in, k, k]`.
pub fn convolutions(layers: &[Layer]) -> impl Iterator<Item = (usize, [i64; 4])> + '_ {
    numbered(layers).filter_map(|(number, layer)| match *layer {
        Layer::Conv {
            input,
            output,
            kernel,
            ..
        } => Some((number, [output, input, kernel, kernel])),
        _ => None,
    })
}

/// Returns the number of weights and biases in `layers`.
pub fn parameters(layers: &[Layer]) -> i64 {
    convolutions(layers)
        .map(|(_, shape)| shape.iter().product::<i64>() + shape[0])
        .sum()
}

/// Returns the multiply-accumulates of the convolutions of `layers` for an input of `side` x `side` pixels.
pub fn macs(layers: &[Layer], side: i64) -> i64 {
    let mut total = 0;
    let mut side = side;
    for layer in layers {
        side = layer.side_after(side);
        if let Layer::Conv {
            input,
            output,
            kernel,
            ..
        } = layer
        {
            total += input * output * kernel * kernel * side * side;
        }
    }
    total
}
