//! What a teacher learns to reproduce: `PatchCore`'s embedding of a backbone's features (Roth et al.
//! 2022; the paper's section IV-B).

use tch::{Device, Kind, Tensor};

/// Length of a stage's patch vector after the first pooling.
const PATCH: i64 = 1024;

/// Features of two stages to one embedding a pixel of the finer stage.
///
/// `PatchCore` unfolds 3x3 patches (zeros outside, channel-major), pools each patch vector to 1024,
/// resizes the coarser stage to the finer one's grid, joins the two and pools to the number of
/// features. All of it is linear, the two poolings act on channels and the resize on places, and 2048
/// pools to an even number without a bin across the join: so each stage is one 3x3 convolution
/// straight to half of the features, and only then resized. Same numbers, a tenth of the work.
#[derive(Debug)]
pub struct Embedding {
    kernels: [Tensor; 2], // [features / 2, C, 3, 3]
}

impl Embedding {
    /// For stages of `channels`, to `features` (an even number, at most 2048).
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

    /// The embedding `[N, features, h, w]` of `stages`, `[N, C, h, w]` and a coarser one.
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

/// One row of a pooling: the first column of its bin and the weight of each column in the bin.
type Bin = (usize, usize, f32);

/// Adaptive average pooling from `input` to `output` values, as `PyTorch` lays out its bins.
fn pooling(input: i64, output: i64) -> Vec<Bin> {
    (0..output)
        .map(|i| {
            let start = (i * input / output) as usize;
            let end = (((i + 1) * input + output - 1) / output) as usize;
            (start, end, 1.0 / (end - start) as f32)
        })
        .collect()
}

/// The dense `[outer rows, columns]` matrix of pooling by `inner` and then by `outer`.
fn product(outer: &[Bin], inner: &[Bin], columns: usize) -> Vec<f32> {
    let mut matrix = vec![0.0; outer.len() * columns];
    for (row, &(start, end, weight)) in matrix.chunks_exact_mut(columns).zip(outer) {
        for &(from, to, share) in &inner[start..end] {
            row[from..to]
                .iter_mut()
                .for_each(|value| *value += weight * share);
        }
    }
    matrix
}
