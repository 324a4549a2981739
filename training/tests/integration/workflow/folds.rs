//! Runs that are calibrated by folds, because their dataset has no validation images.

use std::path::Path;
use std::process::{Command, Stdio};

use inspectd_core::bundle::Bundle;
use inspectd_core::manifest::Precision;
use inspectd_test_support::{onnx_runtime, require};
use mhkd::calibrate::Calibration;
use mhkd::fit::checkpoint::Checkpoint;

use super::interruption::{signal, wait_for};
use super::workspace::{Workspace, bytes, copy, fail, losses, mhkd, shared_workspace, succeed};

/// Number of images in the folder of [`good_only`].
const IMAGES: usize = 12;

/// A folder with good images only, named `name`.
fn good_only(workspace: &Workspace, name: &str) -> String {
    let folder = workspace.path(name);
    copy(
        &workspace.path("data/line/train/good"),
        &format!("{folder}/train/good"),
    );
    folder
}

/// Command `mhkd train` with `[folds, steps]`.
fn train(workspace: &Workspace, name: &str, dataset: &str, [folds, steps]: [&str; 2]) -> Command {
    let mut command = mhkd(&["train", "--out", &workspace.path(name)]);
    command.args(["--dataset", dataset, "--calibration-folds", folds]);
    command.args(["--teacher", &workspace.path("teacher/teacher.safetensors")]);
    command.args(["--input-size", "128", "--precision", "f32"]);
    command.args(["--log-every", "1", "--steps", steps, "--seed", "5"]);
    command.args([
        "--learning-rate",
        "1e-3",
        "--location-normalisation",
        "true",
    ]);
    command
}

fn calibration(run: &str) -> Calibration {
    let text = String::from_utf8(bytes(&format!("{run}/calibration.toml"))).expect("text");
    toml::from_str(&text).expect("a calibration")
}

#[test]
fn folds_calibrate_with_all_images() {
    require!(onnx_runtime());
    let workspace = shared_workspace();
    let dataset = good_only(workspace, "good-only");
    let run = workspace.path("folds");
    let stdout = succeed(&mut train(workspace, "folds", &dataset, ["2", "60"]));
    assert!(
        stdout.contains("12 training images, calibrated by 2 more students"),
        "{stdout}"
    );
    assert_eq!(calibration(&run).scores.len(), IMAGES);
    let weights = |folder: &str| {
        let path = format!("{folder}/checkpoint.safetensors");
        let checkpoint = Checkpoint::load(path.as_ref()).expect("a checkpoint");
        assert_eq!(checkpoint.metadata["step"], "60");
        checkpoint.tensors
    };
    let folds = ["", "fold-1", "fold-2"].map(|fold| weights(&format!("{run}/{fold}")));
    // Each has seen other images, by the same statistics of the teacher.
    for (index, one) in folds.iter().enumerate() {
        for other in &folds[index + 1..] {
            assert!(one["teacher.mean"].equal(&other["teacher.mean"]));
            assert!(one.iter().any(|(name, tensor)| !tensor.equal(&other[name])));
        }
    }

    let out = workspace.path("folds-bundle");
    let precision = ["--precision", "f32,int8"];
    succeed(mhkd(&["export", &run, "--out", &out]).args(precision));
    let bundle = Bundle::open(Path::new(&out)).expect("a bundle");
    for precision in [Precision::F32, Precision::Int8] {
        let manifest = bundle.manifest().select(precision).expect("both");
        assert_eq!(manifest.scores.sorted.len(), IMAGES, "{precision:?}");
    }
}

#[test]
fn interrupted_run_with_folds_continues_where_it_was() {
    let workspace = shared_workspace();
    let dataset = good_only(workspace, "good-interrupted");
    let run = workspace.path("folds-uninterrupted");
    succeed(&mut train(
        workspace,
        "folds-uninterrupted",
        &dataset,
        ["3", "16"],
    ));
    let interrupted = workspace.path("folds-interrupted");
    let mut child = train(workspace, "folds-interrupted", &dataset, ["3", "16"])
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    wait_for("the second fold", || {
        std::fs::read_to_string(format!("{interrupted}/fold-2/losses.csv"))
            .is_ok_and(|text| text.lines().count() > 3)
    });
    signal(child.id(), "INT");
    assert_eq!(child.wait().expect("it exits").code(), Some(130));
    assert!(!Path::new(&format!("{interrupted}/calibration.toml")).exists());
    let error = fail(&mut mhkd(&[
        "export",
        &interrupted,
        "--out",
        &workspace.path("never"),
    ]));
    assert!(error.contains("the run is not calibrated"), "{error}");
    succeed(&mut mhkd(&["train", "--resume", "--out", &interrupted]));
    for fold in ["", "fold-1", "fold-2", "fold-3"] {
        let of = |run: &str| losses(&format!("{run}/{fold}"));
        assert_eq!(of(&interrupted), of(&run), "{fold}");
    }
    let file = |run: &str| bytes(&format!("{run}/calibration.toml"));
    assert!(file(&interrupted) == file(&run));
}

#[test]
fn folds_are_refused_where_they_cannot_calibrate() {
    let workspace = shared_workspace();
    let error = fail(&mut train(
        workspace,
        "folds-refused",
        &workspace.path("data/line"),
        ["3", "16"],
    ));
    assert!(error.contains("has 6 validation images"), "{error}");
    let dataset = good_only(workspace, "good-few");
    let with = |flags: &[&str]| {
        let mut command = mhkd(&["train", "--out", &workspace.path("folds-refused")]);
        command.args(["--dataset", &dataset, "--preset", "edge"]);
        fail(command.args(flags))
    };
    let error = with(&["--calibration-folds", "1"]);
    assert!(
        error.contains("calibration_folds = 1: must be from 2 to 10"),
        "{error}"
    );
    let error = with(&["--calibration-folds", "7"]);
    assert!(error.contains("needs at least 14"), "{error}");
    let error = with(&["--calibration-folds", "3", "--early-stopping-every", "10"]);
    assert!(error.contains("exclude each other"), "{error}");
    assert!(!Path::new(&workspace.path("folds-refused")).exists());
}
