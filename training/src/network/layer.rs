//! The vocabulary of the networks: a network is a table of layers, and a table is all that the
//! forward pass, the ONNX export, and the count of parameters and operations need to know.
//!
//! Numbering follows `PyTorch`'s flat `Sequential`: every row but [`Layer::Reflect`] takes one
//! number, so that the convolutions of a table are called as in the public teacher checkpoints
//! (`0.weight`, `3.weight`).

/// One row of a network's table. Everything is square; shapes are NCHW.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Convolution with a bias.
    Conv {
        /// Channels in.
        input: i64,
        /// Channels out.
        output: i64,
        /// Side of the kernel, pixels.
        kernel: i64,
        /// Step, pixels.
        stride: i64,
        /// Zeros on each side, pixels.
        padding: i64,
    },
    /// `max(x, 0)`.
    Relu,
    /// 2x2 mean, stride 2; padding zeros count in the mean, as `PyTorch`'s default has it.
    AvgPool {
        /// Zeros on each side, pixels.
        padding: i64,
    },
    /// 2x2 maximum, stride 2.
    MaxPool {
        /// Minus infinity on each side, pixels.
        padding: i64,
    },
    /// Resize with half-pixel centres to a side of `side` pixels.
    Resize {
        /// Side of the result, pixels.
        side: i64,
        /// What lies between two pixels.
        filter: Filter,
    },
    /// Mirrors the border outwards, the edge pixel itself not repeated. Takes no number.
    Reflect {
        /// Pixels to the left and above.
        before: i64,
        /// Pixels to the right and below.
        after: i64,
    },
    /// Dropout in training, nothing else.
    Dropout,
}

/// What a resized value is made of: `PyTorch`'s filters, `align_corners=False`, not antialiased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Four pixels a side, a = -0.75.
    Bicubic,
    /// Two pixels a side.
    Bilinear,
}

/// The decoders' dropout probability unless told otherwise (the paper's section IV-B).
pub const DROPOUT: f64 = 0.2;

/// A network: its layers in order.
pub type Layers = Vec<Layer>;

/// A convolution of stride 1.
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

/// A convolution of any stride.
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
    /// The side after this layer for a side before it, pixels.
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

/// The side after all of `layers`, pixels.
pub fn side_after(layers: &[Layer], side: i64) -> i64 {
    layers
        .iter()
        .fold(side, |side, layer| layer.side_after(side))
}

/// Channels that the last convolution of `layers` gives.
///
/// # Panics
/// When `layers` has none; every network of this crate has.
pub fn channels(layers: &[Layer]) -> i64 {
    let last = layers.iter().rev().find_map(|layer| match layer {
        Layer::Conv { output, .. } => Some(*output),
        _ => None,
    });
    last.expect("every network of this crate has a convolution")
}

/// The rows of `layers` with their numbers; [`Layer::Reflect`] has that of the row after it.
pub fn numbered(layers: &[Layer]) -> impl Iterator<Item = (usize, &Layer)> {
    layers.iter().scan(0, |next, layer| {
        let number = *next;
        *next += usize::from(!matches!(layer, Layer::Reflect { .. }));
        Some((number, layer))
    })
}

/// The number and shape `[out, in, k, k]` of every convolution of `layers`.
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

/// Weights and biases in `layers`.
pub fn parameters(layers: &[Layer]) -> i64 {
    convolutions(layers)
        .map(|(_, shape)| shape.iter().product::<i64>() + shape[0])
        .sum()
}

/// Multiply-accumulates of the convolutions of `layers` on a side of `side` pixels.
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
