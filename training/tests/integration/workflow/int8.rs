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

#[test]
fn bundle_of_a_run_holds_both_precisions_with_their_calibrations() {
    require!(onnx_runtime());
    let workspace = shared_workspace();
    let steps = ["--steps", "60", "--learning-rate", "1e-3", "--seed", "5"];
    succeed(&mut workspace.train("both", &steps));
    let (run, out) = (workspace.path("both"), workspace.path("both-bundle"));
    let precision = ["--precision", "f32,int8"];
    let stdout = succeed(mhkd(&["export", &run, "--out", &out]).args(precision));
    assert!(
        stdout.contains(": f32 ") && stdout.contains(", int8 "),
        "{stdout}"
    );
    let bundle = Bundle::open(Path::new(&out)).expect("a bundle");
    let manifest = bundle.manifest();
    let names = [Precision::F32, Precision::Int8];
    assert!(manifest.precisions().eq(names));
    let [plain, int8] = names.map(|precision| manifest.select(precision).expect("both"));
    assert_ne!(plain.scores.sorted, int8.scores.sorted);
    assert_ne!(plain.graph.sha256, int8.graph.sha256);
    let counts = ["--batch", "1", "--warm-up", "1", "--repeats", "6"];
    let table = succeed(mhkd(&["bench", "inference", &out]).args(counts));
    assert!(
        table.contains(", f32)") && table.contains(", int8)"),
        "{table}"
    );
    let table = succeed(mhkd(&["bench", "inference", &out, "--precision", "int8"]).args(counts));
    assert!(!table.contains(", f32)"), "{table}");
}

#[test]
fn fitted_bundle_finds_defects_in_both_precisions() {
    require!(onnx_runtime());
    let packages = require!(python_package("onnx"));
    let workspace = shared_workspace();
    let photographs = workspace.path("data/line/train/good");
    for method in ["padim+patchcore", "fre"] {
        let out = workspace.path(&format!("made/fit-int8-{method}"));
        let options = ["--size", "128", "--method", method];
        let stdout = succeed(mhkd(&["fit", &photographs, "--out", &out]).args(options));
        assert!(
            stdout.contains("image AUROC of artificial defects"),
            "{stdout}"
        );
        check_onnx(&packages, &format!("{out}/model.int8.onnx"));
        let aurocs = ["f32", "int8"].map(|precision| {
            let json = workspace.path(&format!("fit-{precision}-{method}.json"));
            let data = workspace.path("data/line");
            let mut evaluate = mhkd(&["evaluate", &out, "--dataset", &data, "--json", &json]);
            succeed(evaluate.args(["--precision", precision]));
            let text = std::fs::read_to_string(json).expect("written");
            let result: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            result["all"]["auroc"].as_f64().expect("a number")
        });
        assert!(aurocs[1] > aurocs[0] - 0.05, "{method}: {aurocs:?}");
    }
}

#[test]
fn precision_of_a_run_or_a_missing_graph_is_refused() {
    let workspace = shared_workspace();
    let photographs = workspace.path("data/line/train/good");
    let out = workspace.path("made/fit-f32");
    let options = ["--size", "128", "--method", "padim", "--precision", "f32"];
    succeed(mhkd(&["fit", &photographs, "--out", &out]).args(options));
    assert!(!Path::new(&out).join("model.int8.onnx").exists());
    let predictions = workspace.path("predictions-int8");
    let mut predict = mhkd(&["predict", &out, &photographs, "--out", &predictions]);
    let output = predict.args(["--precision", "int8"]).output();
    let output = output.expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        error.contains("has a graph in f32, but not in int8"),
        "{error}"
    );
    assert!(!Path::new(&predictions).exists());
}
