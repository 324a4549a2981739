//! A bundle in 8 bits: from a run to its evaluation.

use std::path::Path;

use inspectd_core::bundle::Bundle;
use inspectd_core::manifest::Precision;
use inspectd_test_support::{onnx_runtime, python_package, require};

use super::end_to_end::{check_onnx, evaluate};
use super::workspace::{mhkd, shared_workspace, succeed};

#[test]
fn bundle_in_8_bits_is_calibrated_by_its_own_scores() {
    require!(onnx_runtime());
    let packages = require!(python_package("onnx"));
    let workspace = shared_workspace();
    // After fewer steps, the features hardly differ, and the maps are mostly rounding errors.
    let steps = ["--steps", "60", "--learning-rate", "1e-3", "--seed", "5"];
    succeed(&mut workspace.train("int8", &steps));
    let (run, out) = (workspace.path("int8"), workspace.path("int8-bundle"));
    let plain = workspace.path("int8-plain");
    succeed(&mut mhkd(&["export", &run, "--out", &plain]));
    let precision = ["--precision", "int8"];
    let stdout = succeed(mhkd(&["export", &run, "--out", &out]).args(precision));
    assert!(stdout.contains("int8 agrees with f32"), "{stdout}");

    let open = |folder: &str| Bundle::open(Path::new(folder)).expect("a bundle");
    let (plain, bundle) = (open(&plain), open(&out));
    let manifest = bundle.manifest();
    assert_eq!(plain.manifest().graph.precision, Precision::F32);
    assert_eq!(manifest.graph.precision, Precision::Int8);
    let parity = manifest.parity.int8.as_ref().expect("written for int8");
    assert_eq!((parity.calibration_images, parity.images), (12, 16));
    assert!(parity.map_correlation >= 0.98, "{parity:?}");
    assert_ne!(manifest.scores.sorted, plain.manifest().scores.sorted);
    let (small, large) = (bundle.graph().len(), plain.graph().len());
    assert!(2 * small < large, "{small} and {large} bytes");

    check_onnx(&packages, &format!("{out}/model.onnx"));
    evaluate(
        &out,
        &workspace.path("data/line"),
        &workspace.path("int8.json"),
        manifest.scores.sorted.as_slice(),
    );
    let counts = ["--batch", "1", "--warm-up", "1", "--repeats", "2"];
    succeed(mhkd(&["bench", "inference", &out]).args(counts));
}

#[test]
fn unknown_precision_is_rejected_with_the_allowed_ones() {
    let mut export = mhkd(&["export", "run", "--out", "bundle", "--precision", "int4"]);
    let output = export.output().expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(error.contains("f32") && error.contains("int8"), "{error}");
}
