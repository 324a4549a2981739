//! The keys of `manifest.toml`, one struct a table. Every key is required, and no other is allowed.

use serde::{Deserialize, Serialize};
use toml::value::Datetime;

use crate::maps::{self, MapCalibration};

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// Version of this format: 1.
    pub format_version: u32,
    /// Name of the model: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// Version of the model: letters, digits, `.`, `_`, `-`.
    pub version: String,
    /// The graph.
    pub graph: Graph,
    /// What the graph takes.
    pub input: Input,
    /// What the graph gives, and how the two maps become one.
    pub maps: Maps,
    /// The scores of the good validation images.
    pub scores: Scores,
    /// The suggested threshold.
    pub threshold: Threshold,
    /// Where the model comes from.
    pub provenance: Provenance,
    /// How well the graph agrees with the trained network.
    pub parity: Parity,
}

/// The graph's file, beside the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// Its name: `model.onnx`.
    pub file: String,
    /// Its SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// The images that the graph takes, and how they are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Order of the three bytes of a pixel.
    pub colour_order: ColourOrder,
    /// How a picture of another size is brought to this one.
    pub resize: Resize,
}

/// Order of the bytes of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColourOrder {
    /// Red first.
    Rgb,
}

/// A resizing method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// Pillow's `BILINEAR`, which averages over all source pixels when it reduces.
    BilinearAntialiased,
}

/// The anomaly maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maps {
    /// Cells a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Weights of the structural and the logical map in their sum.
    pub weights: [f32; 2],
    /// Quantiles of the structural map, over all cells of the validation images.
    pub structural: Quantiles,
    /// Quantiles of the logical map.
    pub logical: Quantiles,
}

impl Maps {
    /// What the map arithmetic needs of this.
    ///
    /// # Panics
    /// Never for a [`Manifest`](super::Manifest)'s: its quantiles were checked when it was made.
    pub fn calibration(&self) -> MapCalibration {
        let checked = |quantiles: Quantiles| {
            maps::Quantiles::try_new(quantiles.a, quantiles.b)
                .expect("a manifest's quantiles ascend")
        };
        MapCalibration {
            structural: checked(self.structural),
            logical: checked(self.logical),
            weights: self.weights,
        }
    }
}

/// What a map is normalised by: `a` becomes 0 and `b` becomes 0.1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// The 0.9 quantile.
    pub a: f32,
    /// The 0.995 quantile, above `a`.
    pub b: f32,
}

/// The distribution of the scores of the good validation images, from which a threshold can be
/// picked by the share of good parts that it would reject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// How many.
    pub count: u32,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub std: f64,
    /// All of them, in ascending order.
    pub sorted: Vec<f32>,
    /// Some quantiles, in ascending order, for a human reader.
    pub quantiles: Vec<ScoreQuantile>,
}

/// The score that a share of the scores does not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreQuantile {
    /// The share, 0 to 1.
    pub fraction: f64,
    /// The score.
    pub score: f32,
}

/// A threshold to start from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// A part whose score is above it is rejected.
    pub value: f32,
    /// The share of good parts that it is expected to reject, 0 to 1.
    pub false_reject_rate: f64,
    /// How it was found, in words.
    pub method: String,
}

/// Where the model comes from: enough to train it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// When the bundle was written, in UTC: `2026-01-31T08:00:00Z`.
    pub created: Datetime,
    /// Which kind of folder the dataset was.
    pub dataset_layout: String,
    /// The dataset's category.
    pub category: String,
    /// What tells this dataset's images from any others.
    pub dataset_fingerprint: String,
    /// The networks' preset.
    pub preset: String,
    /// Training steps taken.
    pub steps: u64,
    /// What all random choices followed from, at most 2^63 - 1.
    pub seed: u64,
    /// Version of the trainer.
    pub code_version: String,
    /// The teacher.
    pub teacher: Teacher,
    /// The trainer's settings, for the record: nothing reads them.
    pub hyper_parameters: toml::Table,
}

/// The frozen network that the student learnt from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// What it is, in words.
    pub description: String,
    /// SHA-256 of its file, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// The largest differences between the maps of the exported graph and of the trained network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parity {
    /// Images compared.
    pub images: u32,
    /// Largest difference of a cell.
    pub largest_absolute: f64,
    /// Largest difference of a cell, as a share of its map's largest value.
    pub largest_relative: f64,
    /// Version of ONNX Runtime that ran the graph.
    pub onnxruntime_version: String,
    /// Version of libtorch that ran the network.
    pub libtorch_version: String,
}
