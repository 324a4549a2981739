//! Export of a trained run to a model bundle: graph, parity check, manifest.

pub mod feature_graph;
pub mod graph;
mod graph_builder;
mod int8;
pub mod method_graph;
pub mod onnx;
pub mod parity;
pub mod quantize;
mod resize;
pub mod weights;

use std::path::Path;

use anyhow::{Context, Result};
use inspectd_core::bundle::{Bundle, sha256};
use inspectd_core::manifest::{self, Contents, Manifest, Precision};
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

/// Writes the bundle of `run` to `out` after comparing its f32 graph with libtorch. With [`Precision::Int8`], the graph
/// of the bundle computes its convolutions in 8 bits; it is calibrated by its own maps and compared with the f32 graph.
/// Calls `progress` with the number of images that were compared with libtorch and the total.
///
/// # Errors
/// Returns an error if the run is not finished, the f32 graph differs from libtorch by more than the tolerance, the graph
/// in 8 bits does not agree with the f32 graph, or the bundle cannot be written. Nothing is written in these cases.
pub fn export(
    run: &Run,
    label: Label,
    precision: Precision,
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
    let CalibratedGraph {
        graph,
        calibration,
        int8,
    } = match precision {
        Precision::F32 => plain,
        Precision::Int8 => int8::quantized(&source, &plain)?,
    };
    let scores = ScoreDistribution::new(calibration.scores.clone())?;
    let threshold = suggest_threshold(&scores, run.settings.false_reject_rate)?;
    let contents = Contents {
        format_version: manifest::FORMAT_VERSION,
        graph: manifest::Graph {
            precision,
            ..graph_entry(&graph)
        },
        input: input(run),
        maps: maps(run, &calibration),
        scores: scores_of(&scores),
        threshold: manifest::Threshold {
            value: threshold.threshold as f32,
            false_reject_rate: run.settings.false_reject_rate,
            method: threshold.to_string(),
        },
        provenance: provenance(run, label.created)?,
        parity: manifest::Parity {
            int8,
            ..parity.into()
        },
        name: label.name,
        version: label.version,
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

fn student_model(
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
            int8: None,
        }
    }
}
