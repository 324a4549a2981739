//! The exported graph compared with an independent implementation of the networks.

use crate::support::{formula, models};

use inspectd_engine::{Elements, EngineOptions, Session, Tensor};
use inspectd_test_support::{onnx_runtime, reference_data, require};
use mhkd::export::graph::{Input, Options, build};
use mhkd::export::weights::TeacherNormalisation;
use mhkd::network::preset::Preset;
use prost::Message;
use safetensors::SafeTensors;

/// Largest accepted difference in a cell, as a fraction of the map's largest value. Summing thousands of
/// 32-bit products in a different order changes the result by less.
const TOLERANCE: f32 = 1e-3;

fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let bytes = file
        .tensor(name)
        .expect("the reference has this tensor")
        .data();
    let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("chunks of four"));
    bytes.chunks_exact(4).map(float).collect()
}

fn check(map: &str, found: &Tensor, expected: &[f32]) {
    assert_eq!(found.shape, [1, 64, 64], "{map}");
    let largest = expected
        .iter()
        .fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let differences = found
        .elements
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs());
    let difference = differences.fold(0.0_f32, f32::max) / largest;
    eprintln!("{map}: largest difference {difference:e} of the largest value");
    assert!(difference <= TOLERANCE, "{map}: {difference}");
}

#[test]
fn medium_graph_agrees_with_the_reference_maps() {
    require!(onnx_runtime());
    let path = reference_data("network-reference/mhkd-256.safetensors");
    let bytes = std::fs::read(path).expect("a readable file");
    let reference = SafeTensors::deserialize(&bytes).expect("the reference is a safetensors file");
    let normalisation = TeacherNormalisation {
        mean: floats(&reference, "teacher_mean"),
        std: floats(&reference, "teacher_std"),
    };
    let architecture = models::architecture(Preset::Medium, 256, true);
    let options = Options {
        input: Input::TensorF32,
        ..Options::default()
    };
    let weights = models::weights(&architecture);
    let graph = build(&architecture, &weights, &normalisation, &options).expect("the weights fit");
    let session = Session::load(&graph.encode_to_vec(), &EngineOptions::default());
    let mut session = session.expect("the graph is valid");
    let image = formula::image(256);
    let input = Elements::F32(&image);
    let maps = session.run(&[1, 3, 256, 256], input, ["structural", "logical"]);
    let [structural, logical] = maps.expect("the graph runs");
    check(
        "structural_map",
        &structural,
        &floats(&reference, "structural_map"),
    );
    check("logical_map", &logical, &floats(&reference, "logical_map"));
}
