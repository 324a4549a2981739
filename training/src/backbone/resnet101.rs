//! Two variants of `ResNet`-101 with torchvision's layer names, up to `layer3`: Wide `ResNet`-101-2 (Zagoruyko
//! and Komodakis 2016) and `ResNeXt`-101 32x8d (Xie et al. 2017).

use tch::Tensor;

use super::{BackboneError, CheckpointTensors};

/// Number of bottleneck blocks in `layer1`, `layer2` and `layer3`. `layer4` is not used for distillation.
const BLOCKS: [usize; 3] = [3, 4, 23];

/// Variant of the bottleneck blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResNet101Variant {
    /// Twice the inner width of a `ResNet`-101.
    Wide2,
    /// Four times the inner width, with the 3x3 convolution in 32 groups.
    Next32x8d,
}

impl ResNet101Variant {
    /// Inner width of the blocks of `layer1`; it doubles with each layer.
    fn width(self) -> i64 {
        match self {
            Self::Wide2 => 128,
            Self::Next32x8d => 256,
        }
    }

    fn groups(self) -> i64 {
        match self {
            Self::Wide2 => 1,
            Self::Next32x8d => 32,
        }
    }
}

/// Output channels of `layer1`; they double with each layer.
const OUTPUT: i64 = 256;

/// The network up to `layer3`, with batch norms folded into the convolutions.
#[derive(Debug)]
pub struct ResNet101 {
    stem: Conv,
    layers: Vec<Vec<Block>>,
}

/// A convolution without bias, merged with the batch norm after it.
#[derive(Debug)]
struct Conv {
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    padding: i64,
    groups: i64,
}

#[derive(Debug)]
struct Block {
    conv1: Conv,
    conv2: Conv,
    conv3: Conv,
    downsample: Option<Conv>,
}

impl Conv {
    fn load(
        source: &CheckpointTensors<'_>,
        (conv, norm): (&str, &str),
        [output, input, kernel]: [i64; 3],
        [stride, groups]: [i64; 2],
    ) -> Result<Self, BackboneError> {
        let shape = [output, input / groups, kernel, kernel];
        let weight = source.take(&format!("{conv}.weight"), &shape)?;
        let of_norm = |part: &str| source.take(&format!("{norm}.{part}"), &[output]);
        // y = gamma (conv(x) - mean) / sqrt(var + eps) + beta, with torchvision's eps.
        let scale = of_norm("weight")? / (of_norm("running_var")? + 1e-5).sqrt();
        Ok(Self {
            bias: of_norm("bias")? - of_norm("running_mean")? * &scale,
            weight: weight * scale.reshape([-1, 1, 1, 1]),
            stride,
            padding: kernel / 2,
            groups,
        })
    }

    fn apply(&self, x: &Tensor) -> Tensor {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        x.conv2d(
            &self.weight,
            Some(&self.bias),
            stride,
            padding,
            [1, 1],
            self.groups,
        )
    }
}

impl Block {
    /// Loads block `name`: `input` channels in, `width` inside, `output` out. conv2 has the stride and the
    /// groups.
    fn load(
        source: &CheckpointTensors<'_>,
        name: &str,
        [input, width, output]: [i64; 3],
        [stride, groups]: [i64; 2],
    ) -> Result<Self, BackboneError> {
        let load = |conv: &str, norm: &str, shape, stride| {
            Conv::load(
                source,
                (&format!("{name}.{conv}"), &format!("{name}.{norm}")),
                shape,
                stride,
            )
        };
        let changes = input != output || stride != 1;
        let downsample = changes.then(|| {
            load(
                "downsample.0",
                "downsample.1",
                [output, input, 1],
                [stride, 1],
            )
        });
        Ok(Self {
            conv1: load("conv1", "bn1", [width, input, 1], [1, 1])?,
            conv2: load("conv2", "bn2", [width, width, 3], [stride, groups])?,
            conv3: load("conv3", "bn3", [output, width, 1], [1, 1])?,
            downsample: downsample.transpose()?,
        })
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let inner = self.conv2.apply(&self.conv1.apply(x).relu_()).relu_();
        let skipped = self
            .downsample
            .as_ref()
            .map_or_else(|| x.shallow_clone(), |conv| conv.apply(x));
        (self.conv3.apply(&inner) + skipped).relu_()
    }
}

impl ResNet101 {
    pub(super) fn from_checkpoint(
        source: &CheckpointTensors<'_>,
        variant: ResNet101Variant,
    ) -> Result<Self, BackboneError> {
        let mut layers = Vec::with_capacity(BLOCKS.len());
        let mut input = 64;
        for (index, blocks) in BLOCKS.into_iter().enumerate() {
            let (width, output) = (variant.width() << index, OUTPUT << index);
            let stride = if index == 0 { 1 } else { 2 };
            let mut layer = Vec::with_capacity(blocks);
            for block in 0..blocks {
                let name = format!("layer{}.{block}", index + 1);
                let stride = if block == 0 { stride } else { 1 };
                layer.push(Block::load(
                    source,
                    &name,
                    [input, width, output],
                    [stride, variant.groups()],
                )?);
                input = output;
            }
            layers.push(layer);
        }
        let stem = Conv::load(source, ("conv1", "bn1"), [64, 3, 7], [2, 1])?;
        Ok(Self { stem, layers })
    }

    pub(super) fn stages(&self, x: &Tensor) -> [Tensor; 2] {
        let stem = self
            .stem
            .apply(x)
            .relu_()
            .max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false);
        let run = |x: &Tensor, layer: &[Block]| {
            layer
                .iter()
                .fold(x.shallow_clone(), |x, block| block.forward(&x))
        };
        let layer1 = run(&stem, &self.layers[0]);
        let layer2 = run(&layer1, &self.layers[1]);
        let layer3 = run(&layer2, &self.layers[2]);
        [layer2, layer3]
    }
}
