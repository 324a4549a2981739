//! The distillation target of a teacher: the `PatchCore` embedding of backbone features (Roth et al. 2022;
//! section IV-B of the paper).

use tch::{Device, Kind, Tensor};

/// Length of a stage's patch vector after the first pooling.
const PATCH: i64 = 1024;

/// Maps the features of two backbone stages to one embedding per pixel of the finer stage.
///
/// `PatchCore` unfolds 3x3 patches (zero-padded, channel-major), pools each patch vector to 1024 values,
/// resizes the coarser stage to the grid of the finer one, concatenates both and pools to the number of
/// features. All operations are linear. The poolings act on channels and the resize acts on locations, so
/// they commute. Pooling 2048 values to an even number has no bin across the concatenation boundary.
/// Therefore each stage becomes one 3x3 convolution to half of the features, followed by the resize. The
/// result is the same with a tenth of the computation.
#[derive(Debug)]
pub struct Embedding {
    kernels: [Tensor; 2], // [features / 2, C, 3, 3]
}

impl Embedding {
    /// Creates the embedding of stages with `channels` channels into `features` values (an even number, at
    /// most 2048).
    pub fn new(channels: [i64; 2], features: i64, device: Device) -> Self {
        let half = features / 2;
        let kernels = channels.map(|channels| {
            let patch = pooling(channels * 9, PATCH);
            let matrix = product(&pooling(PATCH, half), &patch, (channels * 9) as usize);
            Tensor::from_slice(&matrix)
                .reshape([half, channels, 3, 3])
                .to_device(device)
        });
        Self { kernels }
    }

    /// Computes the embedding `[N, features, h, w]` of `stages`: `[N, C, h, w]` and a coarser stage.
    pub fn apply(&self, stages: &[Tensor; 2]) -> Tensor {
        let patches = [0, 1].map(|stage| {
            let (x, kernel) = (&stages[stage].to_kind(Kind::Float), &self.kernels[stage]);
            x.conv2d::<Tensor>(kernel, None, [1, 1], [1, 1], [1, 1], 1)
        });
        let grid = &patches[0].size()[2..];
        let coarse = patches[1].upsample_bilinear2d(grid, false, None, None);
        Tensor::cat(&[&patches[0], &coarse], 1)
    }
}

/// A pooling bin: averages the columns from `start` to `end` (exclusive).
#[derive(Clone, Copy, Debug)]
struct Bin {
    start: usize,
    end: usize,
    /// Weight of each column, 1 over the number of columns.
    weight: f32,
}

/// Adaptive average pooling from `input` to `output` values, with the bins of `PyTorch`.
fn pooling(input: i64, output: i64) -> Vec<Bin> {
    (0..output)
        .map(|i| {
            let start = (i * input / output) as usize;
            let end = (((i + 1) * input + output - 1) / output) as usize;
            Bin {
                start,
                end,
                weight: 1.0 / (end - start) as f32,
            }
        })
        .collect()
}

/// Dense `[outer rows, columns]` matrix of pooling by `inner` followed by `outer`.
fn product(outer: &[Bin], inner: &[Bin], columns: usize) -> Vec<f32> {
    let mut matrix = vec![0.0; outer.len() * columns];
    for (row, outer_bin) in matrix.chunks_exact_mut(columns).zip(outer) {
        for bin in &inner[outer_bin.start..outer_bin.end] {
            row[bin.start..bin.end]
                .iter_mut()
                .for_each(|value| *value += outer_bin.weight * bin.weight);
        }
    }
    matrix
}
