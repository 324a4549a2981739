//! Layer descriptions. A network is a list of layers; the forward pass, the ONNX export and the counts of
//! parameters and operations are all derived from that list.
//!
//! Layers are numbered as in `PyTorch`'s flat `Sequential`: every layer except [`Layer::Reflect`] has an
//! index, so the convolutions have the same names as in the public teacher checkpoints (`0.weight`,
//! `3.weight`).

/// Height and width in pixels or cells.
pub type Sides = [i64; 2];

/// One layer. Shapes are NCHW.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Convolution with a bias.
    Conv {
        /// Input channels.
        input: i64,
        /// Output channels.
        output: i64,
        /// Kernel height and width in pixels.
        kernel: Sides,
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
    /// Resize with half-pixel centres.
    Resize {
        /// Output height and width in pixels.
        sides: Sides,
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

/// A convolution with a square kernel and stride 1.
pub(super) fn conv(input: i64, output: i64, kernel: i64, padding: i64) -> Layer {
    strided(input, output, kernel, 1, padding)
}

/// A bicubic upsampling.
pub(super) fn bicubic(sides: Sides) -> Layer {
    Layer::Resize {
        sides,
        filter: Filter::Bicubic,
    }
}

/// A bilinear resize.
pub(super) fn bilinear(sides: Sides) -> Layer {
    Layer::Resize {
        sides,
        filter: Filter::Bilinear,
    }
}

/// A convolution with a square kernel and the given stride.
pub(super) fn strided(input: i64, output: i64, kernel: i64, stride: i64, padding: i64) -> Layer {
    Layer::Conv {
        input,
        output,
        kernel: [kernel; 2],
        stride,
        padding,
    }
}

/// A convolution whose kernel covers its whole input of `sides`: one output cell.
pub(super) fn whole(input: i64, output: i64, sides: Sides) -> Layer {
    Layer::Conv {
        input,
        output,
        kernel: sides,
        stride: 1,
        padding: 0,
    }
}

impl Layer {
    /// Returns the height and width of the output for an input of `sides`.
    pub fn sides_after(self, sides: Sides) -> Sides {
        let window = |kernel: Sides, stride, padding| {
            [0, 1].map(|axis| (sides[axis] + 2 * padding - kernel[axis]) / stride + 1)
        };
        match self {
            Self::Conv {
                kernel,
                stride,
                padding,
                ..
            } => window(kernel, stride, padding),
            Self::AvgPool { padding } | Self::MaxPool { padding } => window([2; 2], 2, padding),
            Self::Reflect { before, after } => sides.map(|side| side + before + after),
            Self::Resize { sides, .. } => sides,
            Self::Relu | Self::Dropout => sides,
        }
    }
}

/// Returns the height and width of the output of `layers` for an input of `sides`.
pub fn sides_after(layers: &[Layer], sides: Sides) -> Sides {
    layers
        .iter()
        .fold(sides, |sides, layer| layer.sides_after(sides))
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
        } => Some((number, [output, input, kernel[0], kernel[1]])),
        _ => None,
    })
}

/// Returns the number of weights and biases in `layers`.
pub fn parameters(layers: &[Layer]) -> i64 {
    convolutions(layers)
        .map(|(_, shape)| shape.iter().product::<i64>() + shape[0])
        .sum()
}

/// Returns the multiply-accumulates of the convolutions of `layers` for an input of `sides`.
pub fn macs(layers: &[Layer], sides: Sides) -> i64 {
    let mut total = 0;
    let mut sides = sides;
    for layer in layers {
        sides = layer.sides_after(sides);
        if let Layer::Conv {
            input,
            output,
            kernel,
            ..
        } = layer
        {
            total += input * output * (kernel[0] * kernel[1]) * (sides[0] * sides[1]);
        }
    }
    total
}
