//! The bundle of a fit: graph, parity check and manifest.

use std::path::Path;

use anyhow::{Result, ensure};
use inspectd_core::bundle::Bundle;
use inspectd_core::frame::Frame;
use inspectd_core::manifest::{self, Contents};
use inspectd_core::maps::Quantiles;
use inspectd_core::score::{ScoreDistribution, ThresholdSuggestion, suggest_threshold};
use inspectd_engine::{Elements, EngineOptions, Session};
use prost::Message;
use tch::Tensor;

use super::calibrated::Calibrated;
use super::maps::Maps;
use super::model::{Images, Model};
use crate::backbone::{Backbone, LiteVariant, shipped};
use crate::dataset::ImageSize;
use crate::export::method_graph::{self, FeatureInput};
use crate::export::parity::Parity;
use crate::export::weights::WeightType;
use crate::export::{Label, graph, graph_entry, manifest_of, scores_of, student_graph};
use crate::fit::checkpoint::host;
use crate::tensors;

/// Origin of the images of a bundle.
#[derive(Clone, Debug)]
pub(super) struct ImageOrigin {
    /// Layout of the folder.
    pub(super) layout: String,
    /// Name of the product or category.
    pub(super) category: String,
    /// Hash of the images.
    pub(super) fingerprint: String,
}

/// Everything that a bundle is made of.
#[derive(Debug)]
pub(super) struct BundleParts<'a> {
    /// The fitted model.
    pub(super) model: &'a Model,
    /// The backbone.
    pub(super) variant: LiteVariant,
    /// Size of the network input.
    pub(super) size: ImageSize,
    /// Calibration and scores of good images.
    pub(super) calibrated: &'a Calibrated,
    /// Requested false-reject rate, 0 to 1.
    pub(super) false_reject_rate: f64,
    /// Origin of the images.
    pub(super) origin: ImageOrigin,
    /// Settings, as documentation.
    pub(super) settings: toml::Table,
    /// Optimiser steps of the student; 0 without one.
    pub(super) steps: u64,
    /// Random seed.
    pub(super) seed: u64,
    /// Images for the parity check, of the size of the network input.
    pub(super) frames: &'a [Frame],
}

/// Writes the bundle to `out` after comparing ONNX Runtime with libtorch.
///
/// # Errors
/// When the two differ by more than the tolerance, or the bundle cannot be written. Nothing is written then.
pub(super) fn write(
    parts: &BundleParts<'_>,
    label: Label,
    out: &Path,
) -> Result<(Bundle, ThresholdSuggestion)> {
    let graph = graph(parts, &label)?;
    let parity = parity(&graph, parts)?;
    let scores = ScoreDistribution::new(parts.calibrated.scores.clone())?;
    let threshold = suggest_threshold(&scores, parts.false_reject_rate)?;
    let grid = parts.model.grid();
    let maps = &parts.calibrated.maps;
    let quantiles = |quantiles: &Quantiles| manifest::Quantiles {
        a: quantiles.a(),
        b: quantiles.b(),
    };
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
            weights: maps.weights,
            structural: quantiles(&maps.structural),
            logical: maps.logical.as_ref().map(quantiles),
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
            preset: parts.model.student().map_or_else(
                || parts.variant.name().to_owned(),
                |student| student.architecture().preset.name().to_owned(),
            ),
            steps: parts.steps,
            seed: parts.seed,
            code_version: env!("MHKD_REVISION").into(),
            teacher: manifest::Teacher {
                description: shipped::description(parts.variant),
                sha256: shipped::sha256(parts.variant),
            },
            hyper_parameters: parts.settings.clone(),
        },
        parity: parity.into(),
    };
    let bundle = Bundle::write(out, manifest_of(contents)?, graph)?;
    Ok((bundle, threshold))
}

/// Returns the serialised graph of the model.
fn graph(parts: &BundleParts<'_>, label: &Label) -> Result<Vec<u8>> {
    let model = parts.model;
    let metadata = vec![
        ("name".to_owned(), label.name.clone()),
        ("version".to_owned(), label.version.clone()),
    ];
    if let Some(student) = model.student() {
        let options = graph::Options {
            location: Some(student.location().clone()),
            fused: model.fused(),
            weights: WeightType::F16,
            metadata,
            ..graph::Options::default()
        };
        return student_graph(student.architecture(), student.networks(), &options);
    }
    let weights = shipped::weights(parts.variant)?;
    let input = FeatureInput {
        variant: parts.variant,
        weights: &weights,
        size: parts.size,
        normalisation: &model.features().normalisation().constants(),
    };
    Ok(method_graph::build(&input, &model.combination(), metadata).encode_to_vec())
}

/// Compares the maps of `graph` with those of libtorch.
fn parity(graph: &[u8], parts: &BundleParts<'_>) -> Result<Parity> {
    ensure!(!parts.frames.is_empty(), "the parity check requires images");
    let mut session = Session::load(graph, &EngineOptions::default())?;
    let backbone = Backbone::EfficientNetLite(Box::new(shipped::load(parts.variant)?));
    let mut parity = Parity::new(session.version());
    // The maps of a norm are scaled such that good parts reach 1 in few cells. The smaller share of a score may be
    // almost 0 everywhere; its rounding errors do not matter.
    let least = if parts.model.method().has_common_norm() {
        1.0
    } else {
        0.0
    };
    for frame in parts.frames {
        let expected = parts.model.maps(Images {
            frames: std::slice::from_ref(frame),
            features: &libtorch_features(&backbone, frame),
        });
        for (name, expected) in expected.named() {
            let shape = [1, i64::from(frame.height()), i64::from(frame.width()), 3];
            let [map] = session.run(&shape, Elements::U8(frame.rgb()), [name])?;
            parity.add(&map.elements, &host(expected), least);
        }
        parity.images += 1;
    }
    parity.check()?;
    Ok(parity)
}

impl Maps {
    /// The maps with the names of the graph's outputs.
    fn named(&self) -> impl Iterator<Item = (&'static str, &Tensor)> {
        let logical = self.logical.iter().map(|map| ("logical", map));
        std::iter::once(("structural", &self.structural)).chain(logical)
    }
}

/// Features of `frame` before normalisation, computed by libtorch: `[1, C, HW]`.
fn libtorch_features(backbone: &Backbone, frame: &Frame) -> Tensor {
    let unit = tensors::unit(&[frame], tch::Device::Cpu);
    let x = backbone.input_normalisation().apply(&unit);
    backbone.grid_features(&x).flatten(2, 3)
}
