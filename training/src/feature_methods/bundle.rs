//! Bundles of the methods without training: calibration, graph, parity check and manifest.

use std::path::Path;

use anyhow::{Result, ensure};
use inspectd_core::bundle::Bundle;
use inspectd_core::frame::Frame;
use inspectd_core::manifest::{self, Contents};
use inspectd_core::maps::{MapCalibration, MapSize, Quantiles, image_score};
use inspectd_core::score::{ScoreDistribution, ThresholdSuggestion, quantile, suggest_threshold};
use inspectd_engine::{Elements, EngineOptions, Session};
use prost::Message;
use tch::{Kind, Tensor};

use super::fitted::FittedMethod;
use crate::backbone::{Backbone, LiteVariant, shipped};
use crate::calibrate::QUANTILES;
use crate::dataset::ImageSize;
use crate::export::feature_graph;
use crate::export::method_graph::{self, FeatureInput};
use crate::export::parity::Parity;
use crate::export::{Label, graph_entry, manifest_of, scores_of};
use crate::fit::checkpoint::host;
use crate::tensors;

/// Quantiles of the map and scores of good images that the fitted model has not seen.
#[derive(Clone, Debug)]
pub struct MapScores {
    /// Quantiles of all cells.
    pub quantiles: Quantiles,
    /// Score of each image, in the order of the maps.
    pub scores: Vec<f64>,
}

impl MapScores {
    /// Calibrates `maps`, `[N, HW]`, of images with the given sizes (width and height, pixels).
    ///
    /// # Errors
    /// When the maps are non-finite or constant.
    pub fn measure(maps: &Tensor, grid: MapSize, sizes: &[(u32, u32)]) -> Result<Self> {
        let values = host(maps);
        let mut cells = values.clone();
        let [low, high] = QUANTILES.map(|q| quantile(&mut cells, q) as f32);
        let quantiles = Quantiles::try_new(low, high)?;
        let scores = values
            .chunks_exact(grid.cells())
            .zip(sizes)
            .map(|(map, &size)| score(map, grid, quantiles, size))
            .collect();
        Ok(Self { quantiles, scores })
    }
}

/// Score of an image of `size` pixels with the single map `map`.
pub fn score(map: &[f32], grid: MapSize, quantiles: Quantiles, size: (u32, u32)) -> f64 {
    let calibration = calibration(quantiles);
    let logical = vec![0.0; map.len()];
    let score = image_score(map, &logical, grid, &calibration, size.0, size.1);
    f64::from(score.score)
}

/// Calibration of a model with one map.
pub fn calibration(quantiles: Quantiles) -> MapCalibration {
    MapCalibration {
        structural: quantiles,
        logical: None,
        weights: [1.0, 0.0],
    }
}

/// Origin of the images of a bundle.
#[derive(Clone, Debug)]
pub struct ImageOrigin {
    /// Layout of the folder.
    pub layout: String,
    /// Name of the product or category.
    pub category: String,
    /// Hash of the images.
    pub fingerprint: String,
}

/// Everything that a bundle is made of.
#[derive(Debug)]
pub struct BundleParts<'a> {
    /// The fitted method.
    pub fitted: &'a FittedMethod,
    /// The backbone.
    pub variant: LiteVariant,
    /// Size of the network input.
    pub size: ImageSize,
    /// Quantiles and scores of good images.
    pub scores: &'a MapScores,
    /// Requested false-reject rate, 0 to 1.
    pub false_reject_rate: f64,
    /// Origin of the images.
    pub origin: ImageOrigin,
    /// Settings, as documentation.
    pub settings: toml::Table,
    /// Random seed.
    pub seed: u64,
    /// Images for the parity check, of the size of the network input.
    pub frames: &'a [&'a Frame],
}

/// Writes the bundle to `out` after comparing ONNX Runtime with libtorch.
///
/// # Errors
/// When the two differ by more than the tolerance, or the bundle cannot be written. Nothing is written then.
pub fn write(
    parts: &BundleParts<'_>,
    label: Label,
    out: &Path,
) -> Result<(Bundle, ThresholdSuggestion)> {
    let weights = shipped::weights(parts.variant)?;
    let normalisation = parts.fitted.normalisation();
    let input = FeatureInput {
        variant: parts.variant,
        weights: &weights,
        size: parts.size,
        mean: &host(&normalisation.mean()),
        std: &host(&normalisation.std()),
    };
    let metadata = vec![
        ("name".to_owned(), label.name.clone()),
        ("version".to_owned(), label.version.clone()),
    ];
    let graph = method_graph::build(&input, &parts.fitted.terms(), metadata).encode_to_vec();
    let parity = parity(&graph, parts)?;
    let scores = ScoreDistribution::new(parts.scores.scores.clone())?;
    let threshold = suggest_threshold(&scores, parts.false_reject_rate)?;
    let grid = feature_graph::grid(parts.size);
    let quantiles = parts.scores.quantiles;
    let contents = Contents {
        format_version: manifest::FORMAT_VERSION,
        name: label.name,
        version: label.version,
        graph: graph_entry(&graph),
        input: manifest::Input {
            width: parts.size.width,
            height: parts.size.height,
            colour_order: manifest::ColourOrder::Rgb,
            resize: manifest::Resize::BilinearAntialiased,
        },
        maps: manifest::Maps {
            width: grid.width as u32,
            height: grid.height as u32,
            weights: [1.0, 0.0],
            structural: manifest::Quantiles {
                a: quantiles.a(),
                b: quantiles.b(),
            },
            logical: None,
        },
        scores: scores_of(&scores),
        threshold: manifest::Threshold {
            value: threshold.threshold as f32,
            false_reject_rate: parts.false_reject_rate,
            method: threshold.to_string(),
        },
        provenance: manifest::Provenance {
            created: label.created,
            dataset_layout: parts.origin.layout.clone(),
            category: parts.origin.category.clone(),
            dataset_fingerprint: parts.origin.fingerprint.clone(),
            preset: parts.variant.name().into(),
            steps: 0,
            seed: parts.seed,
            code_version: env!("MHKD_REVISION").into(),
            teacher: manifest::Teacher {
                description: format!("{}, ImageNet weights (Apache-2.0)", parts.variant.name()),
                sha256: shipped::sha256(parts.variant),
            },
            hyper_parameters: parts.settings.clone(),
        },
        parity: parity.into(),
    };
    let bundle = Bundle::write(out, manifest_of(contents)?, graph)?;
    Ok((bundle, threshold))
}

/// Compares the maps of `graph` with those of libtorch.
fn parity(graph: &[u8], parts: &BundleParts<'_>) -> Result<Parity> {
    ensure!(!parts.frames.is_empty(), "the parity check requires images");
    let mut session = Session::load(graph, &EngineOptions::default())?;
    let backbone = Backbone::EfficientNetLite(Box::new(shipped::load(parts.variant)?));
    let mut parity = Parity::new(session.version());
    for frame in parts.frames {
        let shape = [1, i64::from(frame.height()), i64::from(frame.width()), 3];
        let [map] = session.run(&shape, Elements::U8(frame.rgb()), ["structural"])?;
        let expected = parts.fitted.maps(&libtorch_features(&backbone, frame));
        parity.add(&map.elements, &host(&expected));
        parity.images += 1;
    }
    parity.check()?;
    Ok(parity)
}

/// Features of `frame` before normalisation, computed by libtorch: `[1, C, HW]`.
fn libtorch_features(backbone: &Backbone, frame: &Frame) -> Tensor {
    let unit = tensors::unit(&[frame], tch::Device::Cpu);
    let stages = backbone.stages(&backbone.normalise(&unit));
    concatenated(&stages)
}

/// Both stages averaged over 3x3 cells on the finer grid, `[N, C, HW]`.
pub fn concatenated(stages: &[Tensor; 2]) -> Tensor {
    let mean = |x: &Tensor| x.avg_pool2d([3, 3], [1, 1], [1, 1], false, true, None::<i64>);
    let [fine, coarse] = [mean(&stages[0]), mean(&stages[1])];
    let grid = &fine.size()[2..];
    let coarse = coarse.upsample_bilinear2d(grid, false, None, None);
    Tensor::cat(&[&fine, &coarse], 1)
        .flatten(2, 3)
        .to_kind(Kind::Float)
}
