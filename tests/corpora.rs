//! Runs the fuzz targets' functions on every file of the fuzzing corpora, without a nightly toolchain, so
//! that inputs that crashed once do not crash again. See `docs/fuzzing.md`.

use std::fs;
use std::path::{Path, PathBuf};

use inspectd_test_support::{onnx_runtime, require};

#[path = "../fuzz/src/lib.rs"]
mod inputs;

/// Returns the files of a target's corpus.
fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let entries = fs::read_dir(folder.join(target)).expect("the corpus folder exists");
    entries.map(|entry| entry.expect("a file").path()).collect()
}

fn check(target: &str, run: fn(&[u8])) {
    let files = corpus(target);
    assert!(
        files.len() > 3,
        "{target}: only {} files in the corpus",
        files.len()
    );
    for file in files {
        let bytes = fs::read(&file).expect("a file");
        // Shown only if the test fails; the last line names the file.
        println!("{}", file.display());
        run(&bytes);
    }
}

#[test]
fn configuration_corpus_is_parsed_without_panic() {
    check("configuration", inputs::configuration);
}

#[test]
fn manifest_corpus_is_parsed_without_panic() {
    check("manifest", inputs::manifest);
}

#[test]
fn recipe_corpus_is_parsed_without_panic() {
    check("recipe", inputs::recipe);
}

#[test]
fn image_corpus_is_decoded_without_panic() {
    check("image", inputs::image);
}

#[test]
fn raw_frame_corpus_is_decoded_without_panic() {
    check("raw_frame", inputs::raw_frame);
}

#[test]
fn onnx_metadata_corpus_is_loaded_without_panic() {
    require!(onnx_runtime());
    check("onnx_metadata", inputs::onnx_metadata);
}
