//! From images to a verified bundle.

use std::path::Path;
use std::process::Command;

use inspectd_core::bundle::Bundle;
use inspectd_engine::{Engine, EngineOptions};
use inspectd_test_support::{onnx_runtime, python_package, require};
use serde_json::Value;

use super::workshop::{copy, losses, mhkd, succeed, workshop};

#[test]
fn a_run_becomes_a_bundle_that_scores_as_the_run_does() {
    require!(onnx_runtime());
    let packages = require!(python_package("onnx"));
    let shop = workshop();
    let run = shop.path("whole");
    succeed(&mut shop.train(
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
    let said = succeed(
        mhkd(&[
            "export",
            &run,
            "--out",
            &shop.path("bundle"),
            "--name",
            "line",
        ])
        .args(["--model-version", "1.2.3"]),
    );
    assert!(said.contains("agrees with libtorch"), "{said}");

    let bundle = Bundle::open(Path::new(&shop.path("bundle"))).expect("a bundle");
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
    Engine::load(&bundle, &EngineOptions::default()).expect("ONNX Runtime takes it");

    check_onnx(&packages, &shop.path("bundle/model.onnx"));
    evaluate(
        &shop.path("bundle"),
        &shop.path("data/line"),
        &shop.path("evaluation.json"),
        manifest.scores.sorted.as_slice(),
    );
    super::report::check(&run, &shop.path("bundle"), &shop.path("data/line"));
    super::speed::check(&shop.path("bundle"));
}

/// The scores of the validation images, from libtorch at calibration, and of the same images as test
/// images, from ONNX Runtime through `mhkd evaluate`, are the same.
fn evaluate(bundle: &str, data: &str, json: &str, calibrated: &[f32]) {
    let shop = workshop();
    let swapped = shop.path("swapped");
    copy(data, &swapped);
    std::fs::remove_dir_all(format!("{swapped}/test/good")).expect("removed");
    copy(
        &format!("{data}/validation/good"),
        &format!("{swapped}/test/good"),
    );
    let said = succeed(mhkd(&["evaluate", bundle, "--dataset", &swapped]).args(["--json", json]));
    assert!(
        said.contains("logical_anomalies") && said.contains("structural_anomalies"),
        "{said}"
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

/// `onnx.checker` of the PyPI package, with shape inference.
fn check_onnx(packages: &Path, file: &str) {
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
fn settings_come_from_the_file_and_then_from_flags() {
    let shop = workshop();
    let file = shop.path("settings-file.toml");
    std::fs::write(&file, "steps = 3\nseed = 5\ngamma = 0.5\n").expect("written");
    succeed(&mut shop.train("layered", &["--config", &file, "--seed", "6"]));
    let saved = std::fs::read_to_string(shop.path("layered/settings.toml")).expect("saved");
    for line in [
        "steps = 3",
        "seed = 6",
        "gamma = 0.5",
        "alpha = 1.0",
        "precision = \"f32\"",
    ] {
        assert!(
            saved.lines().any(|found| found == line),
            "{line} is not in\n{saved}"
        );
    }
}

#[test]
fn early_stopping_keeps_the_best_weights() {
    let shop = workshop();
    // A learning rate at which the loss rises again soon.
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
    succeed(&mut shop.train("early", &settings));
    assert!(
        losses(&shop.path("early")).len() < 400,
        "it went on to the end"
    );
    assert!(Path::new(&shop.path("early/best.safetensors")).is_file());
    assert!(Path::new(&shop.path("early/calibration.toml")).is_file());
}
