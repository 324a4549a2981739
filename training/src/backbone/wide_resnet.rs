//! Wide `ResNet`-101-2 (Zagoruyko and Komodakis 2016) with torchvision's layer names, up to `layer3`.

use tch::Tensor;

use super::{BackboneError, CheckpointTensors};

/// Number of bottleneck blocks in `layer1`, `layer2` and `layer3`. `layer4` is not used for distillation.
const BLOCKS: [usize; 3] = [3, 4, 23];

/// The network up to `layer3`, with batch norms folded into the convolutions.
#[derive(Debug)]
pub struct WideResNet101 {
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
        stride: i64,
    ) -> Result<Self, BackboneError> {
        let weight = source.take(&format!("{conv}.weight"), &[output, input, kernel, kernel])?;
        let of_norm = |part: &str| source.take(&format!("{norm}.{part}"), &[output]);
        // y = gamma (conv(x) - mean) / sqrt(var + eps) + beta, with torchvision's eps.
        let scale = of_norm("weight")? / (of_norm("running_var")? + 1e-5).sqrt();
        Ok(Self {
            bias: of_norm("bias")? - of_norm("running_mean")? * &scale,
            weight: weight * scale.reshape([-1, 1, 1, 1]),
            stride,
            padding: kernel / 2,
        })
    }

    fn apply(&self, x: &Tensor) -> Tensor {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        x.conv2d(&self.weight, Some(&self.bias), stride, padding, [1, 1], 1)
    }
}

impl Block {
    /// Loads block `name`: `input` channels in, `width` inside, `2 * width` out. conv2 has the stride.
    fn load(
        source: &CheckpointTensors<'_>,
        name: &str,
        [input, width]: [i64; 2],
        stride: i64,
    ) -> Result<Self, BackboneError> {
        let output = 2 * width;
        let load = |conv: &str, norm: &str, shape, stride| {
            Conv::load(
                source,
                (&format!("{name}.{conv}"), &format!("{name}.{norm}")),
                shape,
                stride,
            )
        };
        let changes = input != output || stride != 1;
        let downsample =
            changes.then(|| load("downsample.0", "downsample.1", [output, input, 1], stride));
        Ok(Self {
            conv1: load("conv1", "bn1", [width, input, 1], 1)?,
            conv2: load("conv2", "bn2", [width, width, 3], stride)?,
            conv3: load("conv3", "bn3", [output, width, 1], 1)?,
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

impl WideResNet101 {
    pub(super) fn from_checkpoint(source: &CheckpointTensors<'_>) -> Result<Self, BackboneError> {
        let mut layers = Vec::with_capacity(BLOCKS.len());
        let mut input = 64;
        for (index, blocks) in BLOCKS.into_iter().enumerate() {
            // Twice the inner width of a ResNet-101: 128, 256, 512.
            let width = 128 << index;
            let stride = if index == 0 { 1 } else { 2 };
            let mut layer = Vec::with_capacity(blocks);
            for block in 0..blocks {
                let name = format!("layer{}.{block}", index + 1);
                let stride = if block == 0 { stride } else { 1 };
                layer.push(Block::load(source, &name, [input, width], stride)?);
                input = 2 * width;
            }
            layers.push(layer);
        }
        let stem = Conv::load(source, ("conv1", "bn1"), [64, 3, 7], 2)?;
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
