//! Graphs in 8 bits: what is quantised, the agreement with the f32 graph in ONNX Runtime, and the cost.

use std::collections::BTreeSet;

use crate::support::models;
use inspectd_core::frame::Frame;
use inspectd_engine::{Elements, EngineOptions, Session};
use inspectd_test_support::{onnx_runtime, require};
use mhkd::bench::graph_cost::count;
use mhkd::export::graph::{Options, build};
use mhkd::export::onnx::{GraphProto, ModelProto, NodeProto};
use mhkd::export::quantize::{RangeMeter, last_convolutions, quantize};
use mhkd::export::weights::{TeacherNormalisation, WeightType};
use mhkd::network::preset::Preset;
use prost::Message;

/// Side of the input, pixels.
const SIDE: u32 = 128;

fn graph(model: &ModelProto) -> &GraphProto {
    model.graph.as_ref().expect("the model has a graph")
}

fn model(preset: Preset, weights: WeightType) -> ModelProto {
    let architecture = models::architecture(preset, i64::from(SIDE), true);
    let channels = architecture.features() as usize;
    let normalisation = TeacherNormalisation {
        mean: vec![0.1; channels],
        std: vec![0.5; channels],
    };
    let options = Options {
        weights,
        ..Options::default()
    };
    let weights = models::weights(&architecture);
    build(&architecture, &weights, &normalisation, &options).expect("the weights fit")
}

/// A frame of waves with a period that depends on `seed`.
fn frame(seed: u32) -> Frame {
    let byte = |index: u32| {
        let (row, column, channel) = (index / 3 / SIDE, index / 3 % SIDE, index % 3);
        let wave = |at: u32, period: u32| f64::from(at) / f64::from(period);
        let sum = wave(row, 5 + seed).sin() + wave(column, 9 + 2 * seed + channel).cos();
        (127.5 + 60.0 * sum) as u8
    };
    let rgb = (0..3 * SIDE * SIDE).map(byte).collect();
    Frame::new(SIDE, SIDE, rgb).expect("the bytes fit the size")
}

/// The model in 8 bits, and the names of the convolutions that stay in f32.
fn quantized(model: &ModelProto) -> (ModelProto, BTreeSet<String>) {
    let keep = last_convolutions(graph(model));
    let mut meter = RangeMeter::new(model, &keep).expect("ONNX Runtime accepts the graph");
    for seed in 0..4 {
        meter.add(&frame(seed)).expect("the frame fits");
    }
    let quantized = quantize(model, &keep, &meter.finish()).expect("the ranges are complete");
    (quantized, keep)
}

/// The structural and the logical map of a frame.
fn maps(model: &ModelProto, frame: &Frame) -> [Vec<f32>; 2] {
    let session = Session::load(&model.encode_to_vec(), &EngineOptions::default());
    let mut session = session.expect("ONNX Runtime accepts the graph");
    let side = i64::from(SIDE);
    let input = Elements::U8(frame.rgb());
    let maps = session.run(&[1, side, side, 3], input, ["structural", "logical"]);
    maps.expect("the graph runs").map(|map| map.elements)
}

/// Names of the convolutions whose weights are integers.
fn in_8_bits(graph: &GraphProto) -> BTreeSet<String> {
    let is_conversion = |value: &String| {
        let writes = |node: &&NodeProto| node.output.contains(value);
        let writer = graph.node.iter().find(writes);
        writer.is_some_and(|node| node.op_type == "DequantizeLinear")
    };
    let convolutions = graph.node.iter().filter(|node| node.op_type == "Conv");
    convolutions
        .filter(|node| is_conversion(&node.input[1]))
        .map(|node| node.name.clone())
        .collect()
}

#[test]
fn maps_in_8_bits_are_close_to_those_in_f32() {
    require!(onnx_runtime());
    // Largest accepted difference of a cell, as a fraction of the largest value of its map. It is large because maps of random
    // weights vary little, and larger for the deep network.
    for (preset, weights, tolerance) in [
        (Preset::Tiny, WeightType::F32, 0.1),
        (Preset::Tiny, WeightType::F16, 0.1),
        (Preset::Edge, WeightType::F32, 0.25),
    ] {
        let model = model(preset, weights);
        let (quantized, _) = quantized(&model);
        let frame = frame(7);
        let pairs = maps(&model, &frame)
            .into_iter()
            .zip(maps(&quantized, &frame));
        for (expected, found) in pairs {
            let largest = expected.iter().copied().fold(0.0_f32, f32::max);
            let differences = expected.iter().zip(&found).map(|(a, b)| (a - b).abs());
            let difference = differences.fold(0.0_f32, f32::max) / largest;
            println!("{preset:?} {weights:?}: largest difference {difference:e}");
            assert!(
                difference > 0.0 && difference < tolerance,
                "{preset:?} {weights:?}: {difference}"
            );
        }
    }
}

#[test]
fn all_convolutions_but_the_last_of_each_network_are_in_8_bits() {
    require!(onnx_runtime());
    let model = model(Preset::Tiny, WeightType::F32);
    let (quantized, keep) = quantized(&model);
    let last = [
        "gdecoder/22/conv",
        "ldecoder/9/conv",
        "sencoder1/12/conv",
        "teacher/8/conv",
    ];
    assert_eq!(keep, BTreeSet::from(last.map(str::to_owned)));
    let convolutions = graph(&model).node.iter();
    let others: BTreeSet<String> = convolutions
        .filter(|node| node.op_type == "Conv" && !keep.contains(&node.name))
        .map(|node| node.name.clone())
        .collect();
    assert_eq!(in_8_bits(graph(&quantized)), others);
    let bytes = |model: &ModelProto| model.encode_to_vec().len();
    let (small, large) = (bytes(&quantized), bytes(&model));
    assert!(2 * small < large, "{small} and {large} bytes");
    assert_eq!(count(&quantized), count(&model));
}
