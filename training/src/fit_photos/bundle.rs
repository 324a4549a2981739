//! The bundle of a fit: graph, parity check and manifest.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use inspectd_core::bundle::{Bundle, sha256};
use inspectd_core::frame::Frame;
use inspectd_core::manifest::{self, Contents, Precision, Variant};
use inspectd_core::maps::{MapCalibration, Quantiles};
use inspectd_core::score::{ScoreDistribution, ThresholdSuggestion, suggest_threshold};
use inspectd_engine::{Elements, EngineOptions, Session};
use prost::Message;
use tch::Tensor;

use super::calibrated::Calibrated;
use super::int8::{Int8Model, Source};
use super::maps::Maps;
use super::model::{Images, Model};
use super::photos::Photo;
use crate::backbone::{Backbone, LiteVariant, shipped};
use crate::dataset::ImageSize;
use crate::export::method_graph::{self, FeatureInput};
use crate::export::onnx::ModelProto;
use crate::export::parity::Parity;
use crate::export::weights::WeightType;
use crate::export::{
    Int8Variant, Label, calibrated_scores, graph, graph_entry, student_model, with_int8,
};
use crate::feature_methods::MethodSettings;
use crate::fit::checkpoint::host;
use crate::tensors;

/// Photographs of the parity check.
const PARITY_IMAGES: usize = 4;

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
    /// The photographs.
    pub(super) photos: &'a [Photo],
    /// Photographs with artificial defects, and the indices of their originals.
    pub(super) defective: &'a [(Frame, usize)],
    /// Altered copies of the photographs that the model was fitted to as well.
    pub(super) copies: &'a [(Frame, usize)],
    /// Settings of the methods without training.
    pub(super) methods: MethodSettings,
    /// Precisions of the graphs.
    pub(super) precisions: &'a BTreeSet<Precision>,
    /// Set when the fit is interrupted.
    pub(super) interrupted: &'a AtomicBool,
}

/// A written bundle.
#[derive(Debug)]
pub(super) struct Written {
    /// The bundle.
    pub(super) bundle: Bundle,
    /// The suggested threshold of its main graph.
    pub(super) threshold: ThresholdSuggestion,
    /// Calibration and scores of its main graph.
    pub(super) calibrated: Calibrated,
    /// Why it does not have a graph in 8 bits, although one was requested.
    pub(super) without_int8: Option<String>,
}

/// Writes the bundle to `out` after comparing ONNX Runtime with libtorch. A graph in 8 bits that does not agree with the
/// f32 graph is left out if both were requested.
///
/// # Errors
/// When the two runtimes differ by more than the tolerance, the only requested graph does not agree with the f32 graph, or
/// the bundle cannot be written. Nothing is written then.
pub(super) fn write(parts: &BundleParts<'_>, label: Label, out: &Path) -> Result<Written> {
    let graph = graph(parts, parts.model, &label)?.encode_to_vec();
    let parity = parity(&graph, parts)?;
    let mut without_int8 = None;
    let mut int8 = None;
    if parts.precisions.contains(&Precision::Int8) {
        match int8_variant(parts, &label, &graph) {
            Ok(fitted) => int8 = Some(fitted),
            Err(error) if parts.interrupted.load(Ordering::Relaxed) => return Err(error),
            Err(error) if parts.precisions.contains(&Precision::F32) => {
                without_int8 = Some(format!("{error:#}"));
            }
            Err(error) => return Err(error.context("the graph in 8 bits cannot be used")),
        }
    }
    let (scores, threshold) = calibrated_scores(&parts.calibrated.scores, parts.false_reject_rate)?;
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
        maps: map_entry(parts.model, &parts.calibrated.maps),
        scores,
        threshold,
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
        variants: [].into(),
    };
    let (int8, int8_calibrated) = int8.unzip();
    let (manifest, graphs) = with_int8(contents, graph, int8, parts.precisions)?;
    let has_f32 = parts.precisions.contains(&Precision::F32);
    let calibrated = int8_calibrated.filter(|_| !has_f32);
    // Those of the main graph.
    let scores = ScoreDistribution::new(
        manifest
            .scores
            .sorted
            .iter()
            .copied()
            .map(f64::from)
            .collect(),
    )?;
    let threshold = suggest_threshold(&scores, parts.false_reject_rate)?;
    Ok(Written {
        bundle: Bundle::write(out, manifest, graphs)?,
        threshold,
        without_int8,
        calibrated: calibrated.unwrap_or_else(|| parts.calibrated.clone()),
    })
}

/// The maps of the manifest.
fn map_entry(model: &Model, maps: &MapCalibration) -> manifest::Maps {
    let grid = model.grid();
    let quantiles = |quantiles: &Quantiles| manifest::Quantiles {
        a: quantiles.a(),
        b: quantiles.b(),
    };
    manifest::Maps {
        width: grid.width as u32,
        height: grid.height as u32,
        weights: maps.weights,
        structural: quantiles(&maps.structural),
        logical: maps.logical.as_ref().map(quantiles),
    }
}

/// Fits the model in 8 bits, and compares it with `f32`, the graph of the model.
fn int8_variant(
    parts: &BundleParts<'_>,
    label: &Label,
    f32: &[u8],
) -> Result<(Int8Variant, Calibrated)> {
    let fitted = Int8Model::fit(&Source {
        model: parts.model,
        variant: parts.variant,
        size: parts.size,
        photos: parts.photos,
        copies: parts.copies,
        settings: parts.methods,
        interrupted: parts.interrupted,
    })?;
    let int8 = fitted.quantised(&graph(parts, &fitted.model, label)?)?;
    let Calibrated { maps, scores } = &fitted.calibrated;
    let (scores, threshold) = calibrated_scores(scores, parts.false_reject_rate)?;
    let graphs = [f32, int8.as_slice()];
    let parity = fitted.compare(graphs, parts.calibrated, parts.photos, parts.defective)?;
    let variant = Variant {
        file: Precision::Int8.variant_file(),
        sha256: sha256(&int8),
        maps: map_entry(parts.model, maps),
        scores,
        threshold,
        parity,
    };
    Ok(((int8, variant), fitted.calibrated))
}

/// Returns the graph of the model.
fn graph(parts: &BundleParts<'_>, model: &Model, label: &Label) -> Result<ModelProto> {
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
        return student_model(student.architecture(), student.networks(), &options);
    }
    let weights = shipped::weights(parts.variant)?;
    let input = FeatureInput {
        variant: parts.variant,
        weights: &weights,
        size: parts.size,
        normalisation: &model.features().normalisation().constants(),
    };
    Ok(method_graph::build(&input, &model.combination(), metadata))
}

/// Compares the maps of `graph` with those of libtorch.
fn parity(graph: &[u8], parts: &BundleParts<'_>) -> Result<Parity> {
    ensure!(!parts.photos.is_empty(), "the parity check requires images");
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
    for photo in parts.photos.iter().take(PARITY_IMAGES) {
        let frame = &*photo.frame;
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
