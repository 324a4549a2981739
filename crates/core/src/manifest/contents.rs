//! The keys of `manifest.toml`: one struct per table. Every key but `graph.precision`, `maps.logical`, `parity.int8` and
//! `variants` is required, and unknown keys are errors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::value::Datetime;

use crate::maps::{self, MapCalibration};
use crate::precision::Precision;

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
    /// The graph's input.
    pub input: Input,
    /// The graph's outputs, and how the maps are combined.
    pub maps: Maps,
    /// The scores of the good validation images.
    pub scores: Scores,
    /// The suggested threshold.
    pub threshold: Threshold,
    /// Origin of the model.
    pub provenance: Provenance,
    /// Agreement of the graph with the trained network.
    pub parity: Parity,
    /// The same model in further precisions, each with a graph and a calibration of its own. Empty in a bundle with one
    /// graph.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<Precision, Variant>,
}

/// The model in another precision. Its input is that of the bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// File name: [`Precision::variant_file`].
    pub file: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The graph's outputs, and how the maps are combined. Their size is that of the bundle.
    pub maps: Maps,
    /// The scores of the good validation images.
    pub scores: Scores,
    /// The suggested threshold.
    pub threshold: Threshold,
    /// Agreement with the bundle's main graph.
    pub parity: Int8Parity,
}

/// The graph's file, in the same folder as the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// File name: `model.onnx`, or that of the selected [`Variant`].
    pub file: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Precision of the networks; absent for `f32`.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
}

/// The graph's input images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Order of the three bytes of a pixel.
    pub colour_order: ColourOrder,
    /// How an image of another size is resized to this size.
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
    /// Pillow's `BILINEAR`: it averages over all source pixels when it reduces the size.
    BilinearAntialiased,
}

/// The anomaly maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maps {
    /// Width in cells.
    pub width: u32,
    /// Height in cells.
    pub height: u32,
    /// Weights of the structural and the logical map in the combined map. The second one is 0 without a
    /// logical map.
    pub weights: [f32; 2],
    /// Quantiles of the structural map, over all cells of the validation images.
    pub structural: Quantiles,
    /// Quantiles of the logical map; absent if the graph has no logical map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logical: Option<Quantiles>,
}

impl Maps {
    /// Returns the calibration for the map arithmetic.
    ///
    /// # Panics
    /// When the quantiles do not ascend. A [`Manifest`](super::Manifest) has checked them.
    pub fn calibration(&self) -> MapCalibration {
        let checked = |quantiles: Quantiles| {
            maps::Quantiles::try_new(quantiles.a, quantiles.b)
                .expect("a validated manifest's quantiles ascend")
        };
        MapCalibration {
            structural: checked(self.structural),
            logical: self.logical.map(checked),
            weights: self.weights,
        }
    }
}

/// Quantiles for the normalisation of a map: it maps `a` to 0 and `b` to 0.1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// The 0.9 quantile.
    pub a: f32,
    /// The 0.995 quantile, above `a`.
    pub b: f32,
}

/// The distribution of the scores of the good validation images. A threshold can be chosen from it by
/// its false-reject rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// Number of scores.
    pub count: u32,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
    /// All scores, ascending.
    pub sorted: Vec<f32>,
    /// Some quantiles, ascending, for people.
    pub quantiles: Vec<ScoreQuantile>,
}

/// A quantile of the scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreQuantile {
    /// Share of the scores at or below `score`, 0 to 1.
    pub fraction: f64,
    /// The score.
    pub score: f32,
}

/// A suggested threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Parts with a score above this value are rejected.
    pub value: f32,
    /// Expected false-reject rate, 0 to 1.
    pub false_reject_rate: f64,
    /// Method that found it, as text.
    pub method: String,
}

/// Origin of the model: everything that is needed to train it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// When the bundle was written, in UTC: `2026-01-31T08:00:00Z`.
    pub created: Datetime,
    /// Folder layout of the dataset.
    pub dataset_layout: String,
    /// The dataset's category.
    pub category: String,
    /// Fingerprint of the dataset's images.
    pub dataset_fingerprint: String,
    /// Preset of the networks.
    pub preset: String,
    /// Number of training steps.
    pub steps: u64,
    /// Seed of the random numbers, at most 2^63 - 1.
    pub seed: u64,
    /// Version of the trainer.
    pub code_version: String,
    /// The teacher network.
    pub teacher: Teacher,
    /// The trainer's settings, as documentation: no program reads them.
    pub hyper_parameters: toml::Table,
}

/// The frozen teacher network of the distillation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// Description, as text.
    pub description: String,
    /// SHA-256 of the teacher's file, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// Largest differences between the maps of the exported graph in f32 and of the trained network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parity {
    /// Number of images compared.
    pub images: u32,
    /// Largest absolute difference of a cell.
    pub largest_absolute: f64,
    /// Largest difference of a cell, as a fraction of its map's largest value.
    pub largest_relative: f64,
    /// Version of ONNX Runtime that ran the graph.
    pub onnxruntime_version: String,
    /// Version of libtorch that ran the network.
    pub libtorch_version: String,
    /// Agreement of the graph in 8 bits with the graph in f32; absent if the precision is `f32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub int8: Option<Int8Parity>,
}

/// Agreement of the combined maps of the graph in 8 bits with those of the same graph in f32, each with its own
/// calibration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Int8Parity {
    /// Number of images on which the ranges of the activations were measured.
    pub calibration_images: u32,
    /// Number of images whose maps were compared.
    pub images: u32,
    /// Largest difference of a cell, as a fraction of the largest absolute value of the f32 map.
    pub largest_relative: f64,
    /// Mean difference of a cell, as the same fraction.
    pub mean_relative: f64,
    /// Pearson correlation of the cells of all images, -1 to 1.
    pub map_correlation: f64,
    /// Pearson correlation of the scores of the validation images, or of the photographs and their artificial defects, -1
    /// to 1; absent if all scores of a graph are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_correlation: Option<f64>,
    /// How well both graphs find artificial defects; absent without artificial defects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defect_auroc: Option<DefectAuroc>,
}

/// Image AUROC of artificial defects against good images, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefectAuroc {
    /// By the f32 graph.
    pub main: f64,
    /// By the graph in 8 bits.
    pub variant: f64,
}
