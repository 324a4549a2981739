//! Export of a trained run to a model bundle: graph, parity check, manifest.

pub mod feature_graph;
pub mod graph;
mod graph_builder;
pub mod method_graph;
pub mod onnx;
pub mod parity;
mod resize;
pub mod weights;

use std::path::Path;

use anyhow::{Context, Result};
use inspectd_core::bundle::{Bundle, sha256};
use inspectd_core::manifest::{self, Contents, Manifest};
use inspectd_core::score::{ScoreDistribution, suggest_threshold};
use prost::Message;
use tch::Device;

use crate::dataset::ImageSize;
use crate::fit::checkpoint::host;
use crate::network::architecture::Architecture;
use crate::network::student::Student;
use crate::network::teacher::Teacher;
use crate::train::run::Run;
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

/// Writes the bundle of `run` to `out` after comparing its graph with libtorch. Calls `progress` with the
/// number of compared images and the total.
///
/// # Errors
/// Returns an error if the run is not finished, the graph differs from libtorch by more than the tolerance,
/// or the bundle cannot be written. Nothing is written in these cases.
pub fn export(
    run: &Run,
    label: Label,
    out: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<Bundle> {
    let calibration = run.calibration()?;
    let (teacher, student) = run.networks(Device::Cpu)?;
    let graph = encoded_graph(run, &teacher, &student, &label)?;
    let parity = parity::check_parity(&graph, run, &teacher, &student, progress)?;
    let scores = ScoreDistribution::new(calibration.scores.clone())?;
    let threshold = suggest_threshold(&scores, run.settings.false_reject_rate)?;
    let contents = Contents {
        format_version: manifest::FORMAT_VERSION,
        name: label.name,
        version: label.version,
        graph: graph_entry(&graph),
        input: input(run),
        maps: maps(run, &calibration),
        scores: scores_of(&scores),
        threshold: manifest::Threshold {
            value: threshold.threshold as f32,
            false_reject_rate: run.settings.false_reject_rate,
            method: threshold.to_string(),
        },
        provenance: provenance(run, label.created)?,
        parity: parity.into(),
    };
    let manifest = manifest_of(contents)?;
    Ok(Bundle::write(out, manifest, graph)?)
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

/// Returns the serialised ONNX graph of the run's networks.
fn encoded_graph(
    run: &Run,
    teacher: &Teacher,
    student: &Student,
    label: &Label,
) -> Result<Vec<u8>> {
    let calibration = run.calibration()?;
    let options = graph::Options {
        location: run.location()?,
        frame: [calibration.structural[0], calibration.logical[0]],
        metadata: vec![
            ("name".into(), label.name.clone()),
            ("version".into(), label.version.clone()),
            (
                "preset".into(),
                run.origin.architecture.preset.name().into(),
            ),
        ],
        ..graph::Options::default()
    };
    student_graph(&run.origin.architecture, (teacher, student), &options)
}

/// Returns the serialised ONNX graph of trained networks.
///
/// # Errors
/// When the networks do not belong to `architecture` or have non-finite weights.
pub fn student_graph(
    architecture: &Architecture,
    (teacher, student): (&Teacher, &Student),
    options: &graph::Options,
) -> Result<Vec<u8>> {
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
    let model = graph::build(architecture, &weights, &normalisation, options)
        .context("cannot build the ONNX graph")?;
    Ok(model.encode_to_vec())
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

fn maps(run: &Run, calibration: &crate::calibrate::Calibration) -> manifest::Maps {
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

/// The graph's entry in a manifest.
pub fn graph_entry(graph: &[u8]) -> manifest::Graph {
    manifest::Graph {
        file: manifest::GRAPH_FILE.into(),
        sha256: sha256(graph),
    }
}

/// Scores of a manifest.
pub fn scores_of(scores: &ScoreDistribution) -> manifest::Scores {
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
        }
    }
}
