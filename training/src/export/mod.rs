//! Export of a trained run to a model bundle: graph, parity check, manifest.

mod agreement;
pub mod feature_graph;
pub mod graph;
mod graph_builder;
pub mod int8;
pub mod method_graph;
pub mod onnx;
pub mod parity;
pub mod quantize;
mod resize;
pub mod weights;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use inspectd_core::bundle::{Bundle, sha256};
use inspectd_core::manifest::{self, Contents, Manifest, Precision, Variant};
use inspectd_core::score::{ScoreDistribution, suggest_threshold};
use prost::Message;
use tch::Device;

use crate::calibrate::{Calibration, LocationNormalisation};
use crate::dataset::ImageSize;
use crate::fit::checkpoint::host;
use crate::network::architecture::Architecture;
use crate::network::student::Student;
use crate::network::teacher::Teacher;
use crate::train::run::Run;
use onnx::ModelProto;
use parity::Parity;
use weights::{TeacherNormalisation, WeightTensor, Weights};

/// Identification of a bundle.
#[derive(Clone, Debug)]
pub struct Label {
    /// Name, usually of the product that it inspects.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Creation time.
    pub created: toml::value::Datetime,
}

/// A graph with the calibration of its maps.
struct CalibratedGraph {
    /// The serialised graph.
    graph: Vec<u8>,
    /// Calibration of its maps.
    calibration: Calibration,
    /// Agreement with the graph in f32, for a graph in 8 bits.
    int8: Option<manifest::Int8Parity>,
}

/// Writes the bundle of `run` to `out` after comparing its f32 graph with libtorch. The bundle has a graph in each of
/// `precisions`; the main one is in f32 if that is one of them. A graph in 8 bits is calibrated by its own maps and
/// compared with the f32 graph. Calls `progress` with the number of images that were compared with libtorch and the
/// total.
///
/// # Errors
/// Returns an error if the run is not finished, the f32 graph differs from libtorch by more than the tolerance, the graph
/// in 8 bits does not agree with the f32 graph, or the bundle cannot be written. Nothing is written in these cases.
///
/// # Panics
/// When `precisions` is empty.
pub fn export(
    run: &Run,
    label: Label,
    precisions: &BTreeSet<Precision>,
    out: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<Bundle> {
    let calibration = run.calibration()?;
    let (teacher, student) = run.networks(Device::Cpu)?;
    let source = RunGraph {
        run,
        teacher: &teacher,
        student: &student,
        label: &label,
    };
    let graph = source.model(run.location()?, &calibration)?.encode_to_vec();
    let parity = parity::check_parity(&graph, run, &teacher, &student, progress)?;
    let plain = CalibratedGraph {
        graph,
        calibration,
        int8: None,
    };
    let rate = run.settings.false_reject_rate;
    let int8 = if precisions.contains(&Precision::Int8) {
        let quantised = int8::of_run(&source, &plain)
            .context("the graph in 8 bits cannot be used; nothing was written; export this run with --precision f32")?;
        Some(quantised.into_variant(run)?)
    } else {
        None
    };
    let (scores, threshold) = calibrated_scores(&plain.calibration.scores, rate)?;
    let contents = Contents {
        format_version: manifest::FORMAT_VERSION,
        graph: graph_entry(&plain.graph),
        input: input(run),
        maps: maps(run, &plain.calibration),
        scores,
        threshold,
        provenance: provenance(run, label.created)?,
        parity: parity.into(),
        name: label.name,
        version: label.version,
        variants: [].into(),
    };
    let (manifest, graphs) = with_int8(contents, plain.graph, int8, precisions)?;
    Ok(Bundle::write(out, manifest, graphs)?)
}

/// Scores and suggested threshold of a manifest.
///
/// # Errors
/// When scores are missing or not finite.
pub fn calibrated_scores(
    scores: &[f64],
    false_reject_rate: f64,
) -> Result<(manifest::Scores, manifest::Threshold)> {
    let scores = ScoreDistribution::new(scores.to_vec())?;
    let threshold = suggest_threshold(&scores, false_reject_rate)?;
    let threshold = manifest::Threshold {
        value: threshold.threshold as f32,
        false_reject_rate,
        method: threshold.to_string(),
    };
    Ok((scores_of(&scores), threshold))
}

/// A graph in 8 bits with its entry in a manifest.
pub type Int8Variant = (Vec<u8>, Variant);

/// Returns the manifest and the graphs of a bundle with the given `precisions`. `contents` are those of the f32 `graph`.
///
/// # Errors
/// When a value is not allowed.
///
/// # Panics
/// When the only precision is int8, and `int8` is `None`.
pub fn with_int8(
    mut contents: Contents,
    graph: Vec<u8>,
    int8: Option<Int8Variant>,
    precisions: &BTreeSet<Precision>,
) -> Result<(Manifest, Vec<Vec<u8>>)> {
    let Some((quantised, variant)) = int8 else {
        assert!(precisions.contains(&Precision::F32), "a graph is missing");
        return Ok((manifest_of(contents)?, vec![graph]));
    };
    contents.variants.insert(Precision::Int8, variant);
    let manifest = manifest_of(contents)?;
    if precisions.contains(&Precision::F32) {
        return Ok((manifest, vec![graph, quantised]));
    }
    let int8 = manifest.select(Precision::Int8).context("it was added")?;
    let mut contents = Contents::clone(&int8);
    contents.graph.file = manifest::GRAPH_FILE.into();
    Ok((manifest_of(contents)?, vec![quantised]))
}

impl CalibratedGraph {
    /// The entry of a graph in 8 bits.
    fn into_variant(self, run: &Run) -> Result<Int8Variant> {
        let rate = run.settings.false_reject_rate;
        let (scores, threshold) = calibrated_scores(&self.calibration.scores, rate)?;
        let variant = Variant {
            file: Precision::Int8.variant_file(),
            sha256: sha256(&self.graph),
            maps: maps(run, &self.calibration),
            scores,
            threshold,
            parity: self.int8.context("the graph is not in 8 bits")?,
        };
        Ok((self.graph, variant))
    }
}

/// Validates the contents of a manifest.
///
/// # Errors
/// When a value is not allowed. The message names all such values.
pub fn manifest_of(contents: Contents) -> Result<Manifest> {
    Manifest::try_new(contents).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the manifest is invalid: {}", faults.join("; "))
    })
}

/// What the graph of a run is built from.
struct RunGraph<'a> {
    run: &'a Run,
    teacher: &'a Teacher,
    student: &'a Student,
    label: &'a Label,
}

impl RunGraph<'_> {
    /// Builds the f32 graph whose maps are normalised by `location`. The cells around them that have no features have
    /// the values that `calibration` maps to 0.
    fn model(
        &self,
        location: Option<LocationNormalisation>,
        calibration: &Calibration,
    ) -> Result<ModelProto> {
        let architecture = &self.run.origin.architecture;
        let options = graph::Options {
            location,
            frame: [calibration.structural[0], calibration.logical[0]],
            metadata: vec![
                ("name".into(), self.label.name.clone()),
                ("version".into(), self.label.version.clone()),
                ("preset".into(), architecture.preset.name().into()),
            ],
            ..graph::Options::default()
        };
        student_model(architecture, (self.teacher, self.student), &options)
    }
}

/// Returns the serialised ONNX graph of trained networks.
///
/// # Errors
/// When the networks do not belong to `architecture` or have non-finite weights.
pub fn student_graph(
    architecture: &Architecture,
    networks: (&Teacher, &Student),
    options: &graph::Options,
) -> Result<Vec<u8>> {
    Ok(student_model(architecture, networks, options)?.encode_to_vec())
}

/// Returns the ONNX graph of trained networks.
///
/// # Errors
/// When the networks do not belong to `architecture` or have non-finite weights.
pub fn student_model(
    architecture: &Architecture,
    (teacher, student): (&Teacher, &Student),
    options: &graph::Options,
) -> Result<ModelProto> {
    let named = teacher.network().tensors().chain(student.tensors());
    let weights = Weights(
        named
            .map(|(name, tensor)| (name, WeightTensor::of(tensor)))
            .collect(),
    );
    let normalisation = TeacherNormalisation {
        mean: host(&teacher.mean()),
        std: host(&teacher.std()),
    };
    graph::build(architecture, &weights, &normalisation, options)
        .context("cannot build the ONNX graph")
}

fn input(run: &Run) -> manifest::Input {
    let ImageSize { width, height } = run.settings.input_size.into();
    manifest::Input {
        width,
        height,
        colour_order: manifest::ColourOrder::Rgb,
        resize: manifest::Resize::BilinearAntialiased,
    }
}

fn maps(run: &Run, calibration: &Calibration) -> manifest::Maps {
    let [height, width] = run.origin.architecture.map_sides().map(|side| side as u32);
    let quantiles = |[a, b]: [f32; 2]| manifest::Quantiles { a, b };
    manifest::Maps {
        width,
        height,
        weights: calibration.weights,
        structural: quantiles(calibration.structural),
        logical: Some(quantiles(calibration.logical)),
    }
}

/// The entry of an f32 graph in a manifest.
pub fn graph_entry(graph: &[u8]) -> manifest::Graph {
    manifest::Graph {
        file: manifest::GRAPH_FILE.into(),
        sha256: sha256(graph),
        precision: Precision::F32,
    }
}

/// Scores of a manifest.
fn scores_of(scores: &ScoreDistribution) -> manifest::Scores {
    let quantile = |quantile: &inspectd_core::score::ScoreQuantile| manifest::ScoreQuantile {
        fraction: quantile.probability,
        score: quantile.score as f32,
    };
    manifest::Scores {
        count: scores.count() as u32,
        mean: scores.mean(),
        std: scores.std(),
        sorted: scores.scores().iter().map(|&score| score as f32).collect(),
        quantiles: scores.quantiles().iter().map(quantile).collect(),
    }
}

fn provenance(run: &Run, created: toml::value::Datetime) -> Result<manifest::Provenance> {
    let origin = &run.origin;
    let mut hyper_parameters = run.settings.hyper_parameters()?;
    if let Some(fingerprint) = &origin.penalty_fingerprint {
        let fingerprint = toml::Value::String(fingerprint.clone());
        hyper_parameters.insert("penalty_fingerprint".to_owned(), fingerprint);
    }
    Ok(manifest::Provenance {
        created,
        dataset_layout: origin.dataset_layout.clone(),
        category: origin.category.clone(),
        dataset_fingerprint: origin.dataset_fingerprint.clone(),
        preset: origin.architecture.preset.name().into(),
        steps: run.settings.steps(),
        seed: run.settings.seed,
        code_version: origin.revision.clone(),
        teacher: manifest::Teacher {
            description: origin.teacher_description.clone(),
            sha256: origin.teacher_sha256.clone(),
        },
        hyper_parameters,
    })
}

impl From<Parity> for manifest::Parity {
    fn from(parity: Parity) -> Self {
        Self {
            images: parity.images as u32,
            largest_absolute: parity.largest_absolute,
            largest_relative: parity.largest_relative,
            onnxruntime_version: parity.onnxruntime_version,
            libtorch_version: crate::torch::VERSION.into(),
            int8: None,
        }
    }
}
