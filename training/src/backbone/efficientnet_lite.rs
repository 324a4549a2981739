//! `EfficientNet`-Lite (Tan and Le 2019; Liu 2020) up to stride 16: no squeeze-excite, `ReLU6`.
//!
//! The network is a table of convolutions with folded batch norms. libtorch runs it here, and
//! [`crate::export`] writes it as ONNX. Features come from the last block at stride 8 and the last block at
//! stride 16.

use std::collections::BTreeMap;

use tch::{Device, Tensor};

use super::{BackboneError, CheckpointTensors};
use crate::tensors::WeightTensor;

/// Constant of the batch norms (the published checkpoints' `batch_norm_epsilon`).
const EPSILON: f64 = 1e-3;

/// Ratio of the input side to the side of the finer features.
pub const STRIDE: u32 = 8;

/// Input sides must be multiples of this, so that both stages have whole cells.
pub const SIDE_STEP: u32 = 16;

/// Network sizes. Lite0 has 0.7 M parameters up to stride 16, Lite2 1.2 M.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum LiteVariant {
    /// `efficientnet_lite0`.
    #[serde(rename = "efficientnet_lite0")]
    Lite0,
    /// `efficientnet_lite1`.
    #[serde(rename = "efficientnet_lite1")]
    Lite1,
    /// `efficientnet_lite2`.
    #[serde(rename = "efficientnet_lite2")]
    Lite2,
}

/// A convolution without padding attribute on both sides: kernel, stride and the zeros before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiteConv {
    /// Prefix of its tensors in a folded checkpoint: `stem`, `blocks.3.expand`.
    pub name: String,
    /// Input channels.
    pub input: i64,
    /// Output channels.
    pub output: i64,
    /// Kernel side in pixels.
    pub kernel: i64,
    /// Stride in pixels.
    pub stride: i64,
    /// Groups: 1, or the number of channels (depth-wise).
    pub groups: i64,
    /// Zeros at the top and left, and at the bottom and right.
    pub padding: [i64; 2],
    /// Whether `min(max(x, 0), 6)` follows.
    pub relu6: bool,
}

impl LiteConv {
    /// Shape of the weight, `[output, input / groups, kernel, kernel]`.
    pub fn shape(&self) -> [i64; 4] {
        [
            self.output,
            self.input / self.groups,
            self.kernel,
            self.kernel,
        ]
    }
}

/// Convolutions that run one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiteBlock {
    /// The convolutions.
    pub convolutions: Vec<LiteConv>,
    /// Whether the block's input is added to its output.
    pub residual: bool,
    /// Ratio of the image's side to the output's.
    pub stride: i64,
}

/// One stage of the network: equal blocks, of which the first may reduce the resolution.
struct Stage {
    repeats: i64,
    kernel: i64,
    stride: i64,
    expansion: i64,
    channels: i64,
}

/// The stages up to stride 16 of Lite0.
const STAGES: [Stage; 5] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
];

const fn stage(repeats: i64, kernel: i64, stride: i64, expansion: i64, channels: i64) -> Stage {
    Stage {
        repeats,
        kernel,
        stride,
        expansion,
        channels,
    }
}

/// Channels of the stem, which is not scaled.
const STEM: i64 = 32;

impl LiteVariant {
    /// All sizes.
    pub const ALL: [Self; 3] = [Self::Lite0, Self::Lite1, Self::Lite2];

    /// Name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lite0 => "efficientnet_lite0",
            Self::Lite1 => "efficientnet_lite1",
            Self::Lite2 => "efficientnet_lite2",
        }
    }

    /// Factors of the number of channels and blocks, and the side that the published network was made for.
    fn scale(self) -> (f64, f64, i64) {
        match self {
            Self::Lite0 => (1.0, 1.0, 224),
            Self::Lite1 => (1.0, 1.1, 240),
            Self::Lite2 => (1.1, 1.2, 260),
        }
    }

    /// Number of channels of the features at stride 8 and at stride 16.
    pub fn channels(self) -> [i64; 2] {
        let (width, ..) = self.scale();
        [rounded(40, width), rounded(112, width)]
    }

    /// Number of channels of both stages together.
    pub fn features(self) -> i64 {
        self.channels().iter().sum()
    }

    /// Number of weights and biases up to stride 16, with folded batch norms.
    pub fn parameters(self) -> i64 {
        self.convolutions()
            .map(|conv| conv.shape().iter().product::<i64>() + conv.output)
            .sum()
    }

    /// Multiply-accumulates of the convolutions up to stride 16 for an image of the given height and width.
    pub fn macs(self, image: [i64; 2]) -> i64 {
        let mut sides = image;
        let mut total = 0;
        for conv in self.convolutions() {
            sides = sides.map(|side| outputs(side, conv.stride));
            total += conv.shape().iter().product::<i64>() * sides[0] * sides[1];
        }
        total
    }

    fn convolutions(self) -> impl Iterator<Item = LiteConv> {
        self.blocks()
            .into_iter()
            .flat_map(|block| block.convolutions)
    }

    /// The network, block by block; the first is the stem.
    ///
    /// A strided convolution is padded as the published network pads it at its own input side ("same" padding
    /// of `TensorFlow`): the zeros depend on whether that side is odd there.
    pub fn blocks(self) -> Vec<LiteBlock> {
        let (width, depth, side) = self.scale();
        let conv = |name: String, [input, output]: [i64; 2], relu6| LiteConv {
            name,
            input,
            output,
            kernel: 1,
            stride: 1,
            groups: 1,
            padding: [0, 0],
            relu6,
        };
        let mut side = side;
        let mut total_stride = 2;
        let mut blocks = vec![LiteBlock {
            convolutions: vec![LiteConv {
                kernel: 3,
                stride: 2,
                padding: same_padding(side, 3, 2),
                ..conv("stem".into(), [3, STEM], true)
            }],
            residual: false,
            stride: total_stride,
        }];
        side = outputs(side, 2);
        let mut input = STEM;
        for (index, stage) in STAGES.iter().enumerate() {
            // The first stage has the same number of blocks in all sizes.
            let repeats = if index == 0 {
                stage.repeats
            } else {
                (stage.repeats as f64 * depth).ceil() as i64
            };
            let output = rounded(stage.channels, width);
            for repeat in 0..repeats {
                let stride = if repeat == 0 { stage.stride } else { 1 };
                let name = |part| format!("blocks.{}.{part}", blocks.len() - 1);
                let inside = input * stage.expansion;
                let mut convolutions = Vec::with_capacity(3);
                if stage.expansion > 1 {
                    convolutions.push(conv(name("expand"), [input, inside], true));
                }
                convolutions.push(LiteConv {
                    kernel: stage.kernel,
                    stride,
                    groups: inside,
                    padding: same_padding(side, stage.kernel, stride),
                    ..conv(name("depthwise"), [inside, inside], true)
                });
                convolutions.push(conv(name("project"), [inside, output], false));
                total_stride *= stride;
                blocks.push(LiteBlock {
                    convolutions,
                    residual: stride == 1 && input == output,
                    stride: total_stride,
                });
                side = outputs(side, stride);
                input = output;
            }
        }
        blocks
    }
}

/// Rounds `channels * factor` to a multiple of 8, but not down by more than a tenth.
fn rounded(channels: i64, factor: f64) -> i64 {
    let exact = channels as f64 * factor;
    let nearest = ((exact + 4.0) as i64 / 8 * 8).max(8);
    if (nearest as f64) < 0.9 * exact {
        nearest + 8
    } else {
        nearest
    }
}

/// Number of outputs along an axis of `side` pixels: the quotient, rounded up.
fn outputs(side: i64, stride: i64) -> i64 {
    (side + stride - 1) / stride
}

/// Zeros before and after an axis of `side` pixels for `side / stride` outputs, rounded up.
fn same_padding(side: i64, kernel: i64, stride: i64) -> [i64; 2] {
    let total = ((outputs(side, stride) - 1) * stride + kernel - side).max(0);
    [total / 2, total - total / 2]
}

/// Names of a convolution and of its batch norm in a published checkpoint.
fn published_names(name: &str) -> (String, String) {
    match name.rsplit_once('.') {
        None => ("_conv_stem".into(), "_bn0".into()),
        Some((block, part)) => {
            let (conv, norm) = match part {
                "expand" => ("_expand_conv", "_bn0"),
                "depthwise" => ("_depthwise_conv", "_bn1"),
                _ => ("_project_conv", "_bn2"),
            };
            (format!("_{block}.{conv}"), format!("_{block}.{norm}"))
        }
    }
}

/// The network with its weights.
#[derive(Debug)]
pub struct EfficientNetLite {
    variant: LiteVariant,
    blocks: Vec<LiteBlock>,
    tensors: BTreeMap<String, Tensor>,
}

impl EfficientNetLite {
    /// Loads a published checkpoint and folds its batch norms, or loads a checkpoint that [`Self::tensors`]
    /// wrote.
    pub(super) fn from_checkpoint(
        source: &CheckpointTensors<'_>,
        variant: LiteVariant,
    ) -> Result<Self, BackboneError> {
        let blocks = variant.blocks();
        let folded = source.0.contains_key("stem.weight");
        let mut tensors = BTreeMap::new();
        for conv in blocks.iter().flat_map(|block| &block.convolutions) {
            let [weight, bias] = if folded {
                [
                    source.take(&format!("{}.weight", conv.name), &conv.shape())?,
                    source.take(&format!("{}.bias", conv.name), &[conv.output])?,
                ]
            } else {
                fold(source, conv)?
            };
            tensors.insert(format!("{}.weight", conv.name), weight);
            tensors.insert(format!("{}.bias", conv.name), bias);
        }
        Ok(Self {
            variant,
            blocks,
            tensors,
        })
    }

    /// The network's size.
    pub fn variant(&self) -> LiteVariant {
        self.variant
    }

    /// The tensors with folded batch norms, by name: `stem.weight`, `blocks.0.depthwise.bias`.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// The same, independent of libtorch.
    pub fn weights(&self) -> BTreeMap<String, WeightTensor> {
        let tensors = self.tensors.iter();
        tensors
            .map(|(name, tensor)| (name.clone(), WeightTensor::of(tensor)))
            .collect()
    }

    /// Moves the tensors to `device`.
    #[must_use]
    pub fn to_device(mut self, device: Device) -> Self {
        for tensor in self.tensors.values_mut() {
            *tensor = tensor.to_device(device);
        }
        self
    }

    /// Features at stride 8 and at stride 16 of normalised images `x` [N, 3, H, W].
    pub(super) fn stages(&self, x: &Tensor) -> [Tensor; 2] {
        let mut x = x.shallow_clone();
        let mut stages: BTreeMap<i64, Tensor> = BTreeMap::new();
        for block in &self.blocks {
            let input = x.shallow_clone();
            for conv in &block.convolutions {
                x = self.apply(conv, &x);
            }
            if block.residual {
                x += input;
            }
            stages.insert(block.stride, x.shallow_clone());
        }
        [8, 16].map(|stride| stages[&stride].shallow_clone())
    }

    fn apply(&self, conv: &LiteConv, x: &Tensor) -> Tensor {
        let weight = &self.tensors[&format!("{}.weight", conv.name)];
        let bias = &self.tensors[&format!("{}.bias", conv.name)];
        let [before, after] = conv.padding;
        let padded = x.constant_pad_nd([before, after, before, after]);
        let y = padded.conv2d(
            weight,
            Some(bias),
            [conv.stride; 2],
            [0, 0],
            [1, 1],
            conv.groups,
        );
        if conv.relu6 { y.clamp(0.0, 6.0) } else { y }
    }
}

/// Weight and bias of a convolution that includes the batch norm after it.
fn fold(source: &CheckpointTensors<'_>, conv: &LiteConv) -> Result<[Tensor; 2], BackboneError> {
    let (published, norm) = published_names(&conv.name);
    let weight = source.take(&format!("{published}.weight"), &conv.shape())?;
    let of_norm = |part: &str| source.take(&format!("{norm}.{part}"), &[conv.output]);
    // y = gamma (conv(x) - mean) / sqrt(var + eps) + beta, computed in f64.
    let double = |tensor: Tensor| tensor.to_kind(tch::Kind::Double);
    let scale = double(of_norm("weight")?) / (double(of_norm("running_var")?) + EPSILON).sqrt();
    let bias = double(of_norm("bias")?) - double(of_norm("running_mean")?) * &scale;
    let weight = double(weight) * scale.reshape([-1, 1, 1, 1]);
    Ok([weight, bias].map(|tensor| tensor.to_kind(tch::Kind::Float)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_published_channels_and_blocks() {
        for (variant, channels, blocks) in [
            (LiteVariant::Lite0, [40, 112], 12),
            (LiteVariant::Lite1, [40, 112], 16),
            (LiteVariant::Lite2, [48, 120], 16),
        ] {
            assert_eq!(variant.channels(), channels);
            assert_eq!(variant.blocks().len(), blocks, "{}", variant.name());
        }
    }

    #[test]
    fn strided_convolutions_are_padded_as_at_the_published_side() {
        let paddings = |variant: LiteVariant| -> Vec<[i64; 2]> {
            let blocks = variant.blocks();
            let all = blocks.iter().flat_map(|block| &block.convolutions);
            all.filter(|conv| conv.stride == 2)
                .map(|conv| conv.padding)
                .collect()
        };
        // 224, 112, 56, 28: even everywhere. 260, 130, 65, 33: odd at the third and fourth.
        assert_eq!(
            paddings(LiteVariant::Lite0),
            [[0, 1], [0, 1], [1, 2], [0, 1]]
        );
        assert_eq!(
            paddings(LiteVariant::Lite2),
            [[0, 1], [0, 1], [2, 2], [1, 1]]
        );
    }

    #[test]
    fn names_of_published_checkpoints() {
        let names = published_names("blocks.3.depthwise");
        assert_eq!(
            names,
            ("_blocks.3._depthwise_conv".into(), "_blocks.3._bn1".into())
        );
        assert_eq!(
            published_names("stem"),
            ("_conv_stem".into(), "_bn0".into())
        );
    }
}
