use super::*;
use std::path::Path;

use inspectd_core::manifest::Contents;
use inspectd_test_support::{onnx_runtime, require};

/// Graph with 12x8 frames as input and 3x2 maps as outputs: the mean and the largest byte of each 4x4 cell
/// (`grid.py`).
const GRID: &[u8] = include_bytes!("testdata/grid.onnx");

/// [`GRID`] without the logical map (`single.py`).
const SINGLE: &[u8] = include_bytes!("testdata/single.onnx");

fn contents() -> Contents {
    let text = include_str!("testdata/manifest.toml");
    let text = text.replace("SHA256", &inspectd_core::bundle::sha256(GRID));
    let manifest = Manifest::parse(Path::new("manifest.toml"), &text).expect("a valid manifest");
    Contents::clone(&manifest)
}

/// Returns the contents of a manifest for [`SINGLE`].
fn single_contents() -> Contents {
    let mut contents = contents();
    contents.graph.sha256 = inspectd_core::bundle::sha256(SINGLE);
    contents.maps.logical = None;
    contents.maps.weights = [1.0, 0.0];
    contents
}

fn load(contents: Contents, graph: &[u8]) -> Result<Engine, EngineError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manifest = Manifest::try_new(contents).expect("the contents are valid");
    let bundle = Bundle::write(&folder.path().join("grid"), manifest, vec![graph.to_vec()])
        .expect("a bundle");
    Engine::load(&bundle, &EngineOptions::default())
}

/// Returns an engine for the graph; `None` if ONNX Runtime is not installed.
fn engine() -> Option<Engine> {
    onnx_runtime()?;
    Some(load(contents(), GRID).expect("the graph is valid"))
}

/// Returns a 12x8 frame with all bytes at `level`, except for one byte with the value `own`.
fn frame(level: u8, (x, y): (usize, usize), own: u8) -> Frame {
    let mut rgb = vec![level; 12 * 8 * CHANNELS];
    rgb[(y * 12 + x) * CHANNELS + 1] = own;
    Frame::new(12, 8, rgb).expect("the bytes fit the size")
}

#[test]
fn batch_of_two_frames_gives_the_maps_of_each_frame() {
    let mut engine = require!(engine());
    let maps = engine
        .run(&[&frame(10, (9, 6), 58), &frame(20, (4, 3), 116)])
        .expect("the frames have the input size");
    assert_eq!((maps.count, maps.width, maps.height), (2, 3, 2));
    // One of the 4 x 4 x 3 bytes of a cell is 48 (96) above the others.
    let expected: [(&[f32], &[f32]); 2] = [
        (
            &[10.0, 10.0, 10.0, 10.0, 10.0, 11.0],
            &[10.0, 10.0, 10.0, 10.0, 10.0, 58.0],
        ),
        (
            &[20.0, 22.0, 20.0, 20.0, 20.0, 20.0],
            &[20.0, 116.0, 20.0, 20.0, 20.0, 20.0],
        ),
    ];
    for ((structural, logical), expected) in maps.frames().zip(expected) {
        let near =
            |one: &[f32], other: &[f32]| one.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(near(structural, expected.0), "{structural:?}");
        assert!(near(logical, expected.1), "{logical:?}");
    }
    assert_eq!(engine.provider(), "cpu");
    assert!(engine.version().starts_with("1."), "{}", engine.version());
}

#[test]
fn frame_of_another_size_is_rejected_with_its_index() {
    let mut engine = require!(engine());
    let rotated = Frame::new(8, 12, vec![0; 8 * 12 * CHANNELS]).expect("the bytes fit the size");
    let error = engine
        .run(&[&frame(0, (0, 0), 0), &rotated])
        .expect_err("the second frame is rotated");
    assert_eq!(error.to_string(), "frame 1 is 8x12, must be 12x8");
    assert!(matches!(engine.run(&[]), Err(EngineError::NoFrames)));
}

#[test]
fn graph_with_other_sizes_than_the_manifest_is_rejected() {
    require!(onnx_runtime());
    let check = |change: fn(&mut Contents), parts: [&str; 2]| {
        let mut contents = contents();
        change(&mut contents);
        let message = load(contents, GRID)
            .expect_err("the sizes differ")
            .to_string();
        for part in parts {
            assert!(message.contains(part), "no {part} in {message}");
        }
    };
    let frames = ["input frame: u8[-1, 8, 12, 3]", "frame: u8[-1, 16, 12, 3]"];
    check(|contents| contents.input.height = 16, frames);
    let maps = [
        "structural: f32[-1, 2, 3], logical",
        "structural: f32[-1, 2, 4], logical",
    ];
    check(|contents| contents.maps.width = 4, maps);
}

#[test]
fn graph_without_a_logical_map_gives_logical_maps_of_zeros() {
    require!(onnx_runtime());
    let mut engine = load(single_contents(), SINGLE).expect("the graph is valid");
    let maps = engine
        .run(&[&frame(10, (9, 6), 58), &frame(20, (4, 3), 116)])
        .expect("the frames have the input size");
    assert_eq!((maps.count, maps.width, maps.height), (2, 3, 2));
    let expected: [f32; 12] = [
        10.0, 10.0, 10.0, 10.0, 10.0, 11.0, //
        20.0, 22.0, 20.0, 20.0, 20.0, 20.0,
    ];
    assert_eq!(maps.structural.len(), expected.len());
    let mut pairs = maps.structural.iter().zip(expected);
    assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-4), "{maps:?}");
    assert_eq!(maps.logical, [0.0; 12]);
}

#[test]
fn graph_with_other_maps_than_the_manifest_is_rejected() {
    require!(onnx_runtime());
    let check = |mut contents: Contents, graph: &[u8], expected: &str| {
        contents.graph.sha256 = inspectd_core::bundle::sha256(graph);
        let error = load(contents, graph).expect_err("the maps differ");
        assert_eq!(error.to_string(), expected);
    };
    let (both, one) = (
        "the outputs structural: f32[-1, 2, 3], logical: f32[-1, 2, 3]",
        "the outputs structural: f32[-1, 2, 3]",
    );
    let message = |found, expected| format!("the graph has {found}, must be {expected}");
    check(single_contents(), GRID, &message(both, one));
    check(contents(), SINGLE, &message(one, both));
}

#[test]
fn named_outputs_are_in_the_order_of_their_names() {
    require!(onnx_runtime());
    let mut session = Session::load(GRID, &EngineOptions::default()).expect("the graph is valid");
    let frame = frame(10, (9, 6), 58);
    let mut run = |names: &[&str]| {
        let input = Elements::U8(frame.rgb());
        session.run_named(&[1, 8, 12, 3], input, names)
    };
    let tensors = run(&["logical", "structural", "logical"]).expect("the graph runs");
    let last: Vec<Option<f32>> = tensors
        .iter()
        .map(|tensor| tensor.elements.last().copied())
        .collect();
    assert_eq!(tensors.len(), 3);
    assert_eq!((last[0], last[2]), (Some(58.0), Some(58.0)));
    assert!(last[1].is_some_and(|mean| (mean - 11.0).abs() < 1e-4));
    let error = run(&["structural", "absent"]).expect_err("the output does not exist");
    assert!(
        error.to_string().contains("does not have an output absent"),
        "{error}"
    );
}

#[test]
fn bytes_that_are_not_a_graph_are_rejected() {
    require!(onnx_runtime());
    for graph in [&GRID[..GRID.len() / 2], b"not a graph", b""] {
        let mut contents = contents();
        contents.graph.sha256 = inspectd_core::bundle::sha256(graph);
        let error = load(contents, graph).expect_err("not a graph");
        assert!(matches!(error, EngineError::Rejected { .. }), "{error}");
    }
}

#[test]
fn missing_execution_provider_is_an_error() {
    require!(onnx_runtime());
    let options = EngineOptions {
        // No machine has that many GPUs, and most builds of ONNX Runtime do not support CUDA.
        provider: Provider::Cuda {
            device_id: 99,
            tf32: false,
            memory_limit: None,
        },
        ..EngineOptions::default()
    };
    let error = Session::load(GRID, &options).expect_err("the GPU does not exist");
    assert!(
        matches!(
            error,
            EngineError::Provider {
                provider: "cuda",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn second_library_in_one_process_is_rejected() {
    require!(engine());
    let options = EngineOptions {
        library: Some("/absent/libonnxruntime.so".into()),
        ..EngineOptions::default()
    };
    let error = Session::load(GRID, &options).expect_err("another library is loaded");
    assert!(
        matches!(
            error,
            EngineError::Library(LibraryError::AlreadyLoaded { .. })
        ),
        "{error}"
    );
}
