//! Exported models, checked with the ONNX checker and with the daemon's engine.

use crate::support::models;
use std::path::Path;
use std::process::Command;

use inspectd_core::bundle::{self, Bundle};
use inspectd_core::frame::Frame;
use inspectd_core::manifest::Manifest;
use inspectd_engine::{Elements, Engine, EngineOptions, Session};
use inspectd_test_support::{onnx_runtime, python_package, require};
use mhkd::bench::graph_cost::count;
use mhkd::export::graph::{Input, Options, build};
use mhkd::export::weights::{
    GraphError, TeacherNormalisation, WeightTensor, WeightType, Weights, round_to_f16,
};
use mhkd::network::architecture::{Architecture, Method};
use mhkd::network::input_size::InputSize;
use mhkd::network::layer::Layer;
use mhkd::network::preset::{Preset, TeacherKind};
use mhkd::tensors::{MEAN, STD};
use prost::Message;

fn tiny(side: i64, padded_teacher: bool) -> Architecture {
    models::architecture(Preset::Tiny, side, padded_teacher)
}

/// A normalisation whose effect, and its position relative to the division, is visible in the output.
fn normalisation(architecture: &Architecture) -> TeacherNormalisation {
    let channels = architecture.features() as usize;
    TeacherNormalisation {
        mean: vec![0.1; channels],
        std: vec![0.5; channels],
    }
}

fn graph_of(architecture: &Architecture, weights: &Weights, options: &Options) -> Vec<u8> {
    let graph = build(architecture, weights, &normalisation(architecture), options);
    graph.expect("the weights fit").encode_to_vec()
}

fn graph(architecture: &Architecture, options: &Options) -> Vec<u8> {
    graph_of(architecture, &models::weights(architecture), options)
}

fn half() -> Options {
    Options {
        weights: WeightType::F16,
        metadata: vec![("name".to_owned(), "tiny".to_owned())],
        ..Options::default()
    }
}

fn manifest(side: i64, graph: &[u8]) -> Manifest {
    let (map_side, sha256) = (side / 4, bundle::sha256(graph));
    let text = format!(
        r#"format_version = 1
name = "tiny"
version = "1"
graph = {{ file = "model.onnx", sha256 = "{sha256}" }}
input = {{ width = {side}, height = {side}, colour_order = "rgb", resize = "bilinear-antialiased" }}
scores = {{ count = 1, mean = 0.0, std = 0.0, sorted = [0.0], quantiles = [] }}
threshold = {{ value = 1.0, false_reject_rate = 0.0, method = "none" }}
[maps]
width = {map_side}
height = {map_side}
weights = [1.0, 1.0]
structural = {{ a = 0.0, b = 1.0 }}
logical = {{ a = 0.0, b = 1.0 }}
[provenance]
created = 2026-01-31T08:00:00Z
dataset_layout = "none"
category = "none"
dataset_fingerprint = "none"
preset = "tiny"
steps = 0
seed = 0
code_version = "0.1.0"
hyper_parameters = {{}}
teacher = {{ description = "formula weights", sha256 = "{sha256}" }}
[parity]
images = 1
largest_absolute = 0.0
largest_relative = 0.0
onnxruntime_version = "none"
libtorch_version = "none"
"#
    );
    Manifest::parse(Path::new("manifest.toml"), &text).expect("the manifest is valid")
}

/// An engine for this graph; `None` if ONNX Runtime is not installed.
fn engine(side: i64, graph: Vec<u8>) -> Option<Engine> {
    onnx_runtime()?;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manifest = manifest(side, &graph);
    let bundle = Bundle::write(&folder.path().join("tiny"), manifest, vec![graph])
        .expect("the folder can be written");
    Some(Engine::load(&bundle, &EngineOptions::default()).expect("the graph is valid"))
}

/// A frame with stripes that distinguish rows from columns and red from blue.
fn frame(side: i64, seed: usize) -> Frame {
    let side = side as usize;
    let byte = |index: usize| {
        let (row, column, channel) = (index / 3 / side, index / 3 % side, index % 3);
        ((row * 5 + column * (seed + 1) + channel * 60) % 256) as u8
    };
    let rgb = (0..side * side * 3).map(byte).collect();
    Frame::new(side as u32, side as u32, rgb).expect("the bytes fit the size")
}

fn largest_difference(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    let differences = one
        .iter()
        .zip(other)
        .map(|(one, other)| (one - other).abs());
    let largest = one
        .iter()
        .fold(0.0_f32, |largest, value| largest.max(value.abs()));
    differences.fold(0.0, f32::max) / largest
}

#[test]
fn onnx_checker_accepts_the_graphs() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = require!(python_package("onnx"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plain = Options::default();
    let cases = [
        (128, true, plain.clone()),
        (224, true, plain.clone()),
        (128, false, plain),
        (160, true, half()),
    ];
    let mut check = Command::new("python3");
    check
        .arg(here.join("tests/check_onnx.py"))
        .env("PYTHONPATH", packages);
    for (case, (side, padded, options)) in cases.iter().enumerate() {
        let file = folder.path().join(format!("{case}.onnx"));
        std::fs::write(&file, graph(&tiny(*side, *padded), options)).expect("a file");
        check.arg(file);
    }
    let output = check.output().expect("python3 runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

#[test]
fn graphs_run_at_different_input_sizes() {
    for (side, padded) in [
        (128, true),
        (128, false),
        (160, true),
        (224, false),
        (288, true),
        (512, true),
    ] {
        let mut engine = require!(engine(
            side,
            graph(&tiny(side, padded), &Options::default())
        ));
        let maps = engine.run(&[&frame(side, 0)]).expect("the frame fits");
        let cells = (side * side / 16) as usize;
        assert_eq!(
            (maps.structural.len(), maps.logical.len()),
            (cells, cells),
            "{side}"
        );
    }
}

#[test]
fn batch_gives_the_same_maps_as_single_frames() {
    let mut engine = require!(engine(128, graph(&tiny(128, true), &Options::default())));
    let frames = [frame(128, 0), frame(128, 1)];
    let both = engine
        .run(&[&frames[0], &frames[1]])
        .expect("the frames fit");
    for (frame, (structural, logical)) in frames.iter().zip(both.frames()) {
        let single = engine.run(&[frame]).expect("the frame fits");
        assert!(largest_difference(&single.structural, structural) < 1e-5);
        assert!(largest_difference(&single.logical, logical) < 1e-5);
    }
}

#[test]
fn frame_is_normalised_as_in_training() {
    let architecture = tiny(128, true);
    let mut engine = require!(engine(128, graph(&architecture, &Options::default())));
    let frame = frame(128, 3);
    let pixel = |index: usize| {
        let (channel, place) = (index / (128 * 128), index % (128 * 128));
        let level = f32::from(frame.rgb()[place * 3 + channel]);
        (level / 255.0 - MEAN[channel]) / STD[channel]
    };
    let tensor: Vec<f32> = (0..3 * 128 * 128).map(pixel).collect();
    let options = Options {
        input: Input::TensorF32,
        ..Options::default()
    };
    let session = Session::load(&graph(&architecture, &options), &EngineOptions::default());
    let mut session = session.expect("the graph is valid");
    let maps = session.run(
        &[1, 3, 128, 128],
        Elements::F32(&tensor),
        ["structural", "logical"],
    );
    let [structural, logical] = maps.expect("the graph runs");
    let maps = engine.run(&[&frame]).expect("the frame fits");
    assert!(largest_difference(&structural.elements, &maps.structural) < 1e-6);
    assert!(largest_difference(&logical.elements, &maps.logical) < 1e-6);
}

#[test]
fn f16_weights_halve_the_file_and_give_the_maps_of_rounded_weights() {
    let architecture = tiny(128, true);
    let mut rounded = models::weights(&architecture);
    round_to_f16(&mut rounded);
    let whole = graph_of(&architecture, &rounded, &Options::default());
    let halved = graph_of(&architecture, &rounded, &half());
    // The folded convolution, the biases and the upsampling remain f32.
    assert!(
        halved.len() * 10 < whole.len() * 7,
        "{} of {} bytes",
        halved.len(),
        whole.len()
    );
    let mut one = require!(engine(128, whole));
    let mut other = engine(128, halved).expect("ONNX Runtime was there a moment ago");
    let frame = frame(128, 0);
    let whole = one.run(&[&frame]).expect("the frame fits");
    let halved = other.run(&[&frame]).expect("the frame fits");
    assert!(largest_difference(&whole.structural, &halved.structural) < 1e-5);
    assert!(largest_difference(&whole.logical, &halved.logical) < 1e-5);
}

#[test]
fn missing_or_invalid_weights_are_reported_by_name() {
    let architecture = tiny(128, true);
    let complete = models::weights(&architecture);
    let check = |change: fn(&mut Weights), message: &str| {
        let mut weights = complete.clone();
        change(&mut weights);
        let normalisation = normalisation(&architecture);
        let error =
            build(&architecture, &weights, &normalisation, &Options::default()).expect_err(message);
        assert_eq!(error.to_string(), message);
    };
    let shape = "sencoder2.2.bias: expected shape [96], found [95] with 95 elements";
    let missing = |weights: &mut Weights| {
        weights.0.remove("gdecoder.2.weight");
    };
    let short = |weights: &mut Weights| {
        let bias = weights.0.get_mut("sencoder2.2.bias");
        *bias.expect("the encoder has this bias") = WeightTensor {
            shape: vec![95],
            values: vec![0.0; 95],
        };
    };
    let infinite = |weights: &mut Weights| {
        let bias = weights.0.get_mut("teacher.0.bias");
        bias.expect("the teacher has this bias").values[7] = f32::INFINITY;
    };
    check(missing, "tensor gdecoder.2.weight is missing");
    check(short, shape);
    check(infinite, "teacher.0.bias: element 7 is inf; must be finite");
}

#[test]
fn normalisation_with_wrong_channel_count_is_rejected() {
    let other = normalisation(&models::architecture(Preset::Small, 128, true));
    let architecture = tiny(128, true);
    let error = build(
        &architecture,
        &models::weights(&architecture),
        &other,
        &Options::default(),
    );
    assert!(matches!(error, Err(GraphError::Shape { name, .. }) if name == "teacher mean"));
}

#[test]
fn cost_of_a_graph_equals_the_cost_of_its_networks() {
    let check = |architecture: Architecture, options: &Options| {
        let weights = models::weights(&architecture);
        let normalisation = normalisation(&architecture);
        let graph = build(&architecture, &weights, &normalisation, options);
        let cost = count(&graph.expect("the weights fit")).expect("every operator is supported");
        let case = format!("{architecture:?}");
        assert_eq!(cost.parameters, architecture.parameters() as u64, "{case}");
        assert_eq!(cost.convolution_macs, architecture.macs() as u64, "{case}");
        // Cost of the matrix products: of the resizes, from the shapes of the layers, and of the means of two maps.
        let [height, width] = architecture.feature_sides();
        let means = (2 * architecture.features() * height * width) as u64;
        let expected = resizing_macs(&architecture) + means;
        assert_eq!(cost.product_macs, expected, "{case}");
    };
    let plain = Options::default();
    let medium = models::architecture(Preset::Medium, 256, true);
    check(tiny(128, true), &plain);
    check(tiny(224, true), &plain);
    check(tiny(128, false), &half());
    check(models::architecture(Preset::Small, 256, true), &plain);
    check(medium, &plain);
    let without = Architecture {
        second_encoder: false,
        ..tiny(128, true)
    };
    check(without, &plain);
    let efficient_ad = Architecture {
        method: Method::EfficientAd,
        ..tiny(128, true)
    };
    check(efficient_ad, &plain);
    let students = Architecture {
        method: Method::UninformedStudents,
        ..tiny(128, true)
    };
    check(students, &plain);
    for preset in [Preset::Tiny, Preset::Standard, Preset::Edge] {
        let rectangle = Architecture {
            input_size: InputSize::new(224, 96).expect("multiples of 32"),
            ..models::architecture(preset, 128, true)
        };
        check(rectangle, &plain);
    }
    assert_eq!(
        (2 * medium.macs() as u64) / 1_000_000_000,
        236,
        "GFLOP of the medium preset"
    );
}

/// Multiply-accumulates of all resizes: each has two products, for rows and for columns.
fn resizing_macs(architecture: &Architecture) -> u64 {
    let mut total = 0;
    for part in architecture.layer_tables().student {
        let mut sides = architecture.sides(part.input);
        let mut channels = 0;
        for layer in &part.layers {
            match *layer {
                // A decoder may begin with a resize; then its input channels are those of the network before it.
                Layer::Resize {
                    sides: [rows, columns],
                    ..
                } => {
                    let channels = match (channels, architecture.second_encoder) {
                        (0, true) => architecture.preset.widths().encoder2[1],
                        (0, false) => architecture.features(),
                        (channels, _) => channels,
                    };
                    let [height, width] = sides;
                    total +=
                        channels * height * width * columns + channels * rows * height * columns;
                }
                Layer::Conv { output, .. } => channels = output,
                _ => {}
            }
            sides = layer.sides_after(sides);
        }
    }
    if let TeacherKind::Backbone(variant) = architecture.preset.teacher() {
        // The stage at stride 16 is resized to the grid of stride 8.
        let [rows, columns] = architecture.map_sides();
        let (height, width) = (rows / 2, columns / 2);
        total += variant.channels()[1] * (height * width * columns + rows * height * columns);
    }
    total as u64
}
