//! Every input that fuzzing found worth keeping, through the functions that it fuzzes: inputs that
//! crashed once are regression tests that run without a nightly toolchain (`docs/fuzzing.md`).

use std::fs;
use std::path::{Path, PathBuf};

use inspectd_test_support::{onnx_runtime, require};

#[path = "../fuzz/src/lib.rs"]
mod inputs;

/// The files of a target's corpus.
fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let entries = fs::read_dir(folder.join(target)).expect("a corpus");
    entries.map(|entry| entry.expect("a file").path()).collect()
}

fn check(target: &str, run: fn(&[u8])) {
    let files = corpus(target);
    assert!(files.len() > 3, "{target}: a corpus of {}", files.len());
    for file in files {
        let bytes = fs::read(&file).expect("a file");
        // Printed only if the test fails: the last file is the one that failed.
        println!("{}", file.display());
        run(&bytes);
    }
}

#[test]
fn configurations() {
    check("configuration", inputs::configuration);
}

#[test]
fn manifests() {
    check("manifest", inputs::manifest);
}

#[test]
fn recipes() {
    check("recipe", inputs::recipe);
}

#[test]
fn images() {
    check("image", inputs::image);
}

#[test]
fn raw_frames() {
    check("raw_frame", inputs::raw_frame);
}

#[test]
fn onnx_metadata() {
    require!(onnx_runtime());
    check("onnx_metadata", inputs::onnx_metadata);
}
