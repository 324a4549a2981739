//! The whole workflow: from images to a verified bundle.

use std::path::Path;
use std::process::Command;

use inspectd_core::bundle::Bundle;
use inspectd_engine::{Engine, EngineOptions};
use inspectd_test_support::{onnx_runtime, python_package, require};
use serde_json::Value;

use super::workspace::{copy, losses, mhkd, shared_workspace, succeed};

#[test]
fn exported_bundle_gives_the_scores_of_its_run() {
    require!(onnx_runtime());
    let packages = require!(python_package("onnx"));
    let workspace = shared_workspace();
    let run = workspace.path("whole");
    succeed(&mut workspace.train(
        "whole",
        &[
            "--steps",
            "12",
            "--seed",
            "7",
            "--location-normalisation",
            "true",
        ],
    ));
    for file in [
        "settings.toml",
        "run.toml",
        "calibration.toml",
        "losses.csv",
        "curves.png",
        "teacher.safetensors",
    ] {
        assert!(Path::new(&run).join(file).is_file(), "{file}");
    }
    let stdout = succeed(
        mhkd(&[
            "export",
            &run,
            "--out",
            &workspace.path("bundle"),
            "--name",
            "line",
        ])
        .args(["--model-version", "1.2.3"]),
    );
    assert!(stdout.contains("agrees with libtorch"), "{stdout}");

    let bundle = Bundle::open(Path::new(&workspace.path("bundle"))).expect("a bundle");
    let manifest = bundle.manifest();
    assert_eq!(
        (manifest.name.as_str(), manifest.version.as_str()),
        ("line", "1.2.3")
    );
    assert_eq!((manifest.input.width, manifest.maps.width), (128, 32));
    assert!(
        manifest.parity.images >= 16 && manifest.parity.largest_relative <= 1e-3,
        "{:?}",
        manifest.parity
    );
    assert_eq!(manifest.provenance.seed, 7);
    assert_eq!(manifest.scores.sorted.len(), 6);
    Engine::load(&bundle, &EngineOptions::default()).expect("ONNX Runtime loads the graph");

    check_onnx(&packages, &workspace.path("bundle/model.onnx"));
    evaluate(
        &workspace.path("bundle"),
        &workspace.path("data/line"),
        &workspace.path("evaluation.json"),
        manifest.scores.sorted.as_slice(),
    );
    super::report::check(
        &run,
        &workspace.path("bundle"),
        &workspace.path("data/line"),
    );
    super::bench_inference::check(&workspace.path("bundle"));
}

/// Checks that the validation images have equal scores in the calibration of `bundle` and as test images of
/// `mhkd evaluate` (ONNX Runtime).
pub(super) fn evaluate(bundle: &str, data: &str, json: &str, calibrated: &[f32]) {
    let swapped = format!("{bundle}-swapped");
    copy(data, &swapped);
    std::fs::remove_dir_all(format!("{swapped}/test/good")).expect("removed");
    copy(
        &format!("{data}/validation/good"),
        &format!("{swapped}/test/good"),
    );
    let stdout = succeed(mhkd(&["evaluate", bundle, "--dataset", &swapped]).args(["--json", json]));
    assert!(
        stdout.contains("logical_anomalies") && stdout.contains("structural_anomalies"),
        "{stdout}"
    );
    let result: Value =
        serde_json::from_str(&std::fs::read_to_string(json).expect("written")).expect("JSON");
    let scores = result["scores"].as_array().expect("a list");
    let good = scores.iter().filter(|scored| scored["kind"] == "good");
    let mut good: Vec<f64> = good
        .map(|scored| scored["score"].as_f64().expect("a number"))
        .collect();
    good.sort_by(f64::total_cmp);
    assert_eq!(good.len(), calibrated.len());
    for (served, calibrated) in good.iter().zip(calibrated) {
        let calibrated = f64::from(*calibrated);
        assert!(
            (served - calibrated).abs() <= 1e-4 * calibrated.abs().max(1.0),
            "{served} and {calibrated}"
        );
    }
}

/// Checks a graph with `onnx.checker` of the PyPI package, including shape inference.
pub(super) fn check_onnx(packages: &Path, file: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check_onnx.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(file)
        .env("PYTHONPATH", packages)
        .output()
        .expect("python3");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn flags_override_the_settings_file_which_overrides_the_defaults() {
    let workspace = shared_workspace();
    let file = workspace.path("settings-file.toml");
    std::fs::write(&file, "steps = 3\nseed = 5\ngamma = 0.5\n").expect("written");
    succeed(&mut workspace.train("layered", &["--config", &file, "--seed", "6"]));
    let saved = std::fs::read_to_string(workspace.path("layered/settings.toml")).expect("saved");
    for line in [
        "steps = 3",
        "seed = 6",
        "gamma = 0.5",
        "alpha = 1.0",
        "precision = \"f32\"",
    ] {
        assert!(
            saved.lines().any(|found| found == line),
            "{line} not found in\n{saved}"
        );
    }
}

#[test]
fn early_stopping_stops_the_run_and_saves_the_best_weights() {
    let workspace = shared_workspace();
    // With this learning rate the loss soon increases again.
    let settings = [
        "--steps",
        "400",
        "--learning-rate",
        "0.05",
        "--early-stopping-every",
        "2",
        "--early-stopping-patience",
        "2",
    ];
    succeed(&mut workspace.train("early", &settings));
    assert!(
        losses(&workspace.path("early")).len() < 400,
        "the run was not stopped early"
    );
    assert!(Path::new(&workspace.path("early/best.safetensors")).is_file());
    let calibration = workspace.path("early/calibration.toml");
    let before = std::fs::read(&calibration).expect("calibrated");
    // Another calibration does not train on.
    let steps = losses(&workspace.path("early")).len();
    let again = ["--resume", "--location-normalisation", "true"];
    succeed(mhkd(&["train", "--out", &workspace.path("early")]).args(again));
    assert_eq!(losses(&workspace.path("early")).len(), steps);
    assert!(std::fs::read(&calibration).expect("calibrated") != before);
}
