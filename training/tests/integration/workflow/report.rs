//! Output of `mhkd evaluate` for a run and for its bundle.

use std::path::Path;

use serde_json::Value;

use super::workspace::{bytes, copy, fail, mhkd, shared_workspace, succeed};

/// Evaluates `run` and its exported `bundle` on `data`.
pub(super) fn check(run: &str, bundle: &str, data: &str) {
    run_and_bundle_have_equal_results(run, bundle, data);
    report_is_self_contained(run, bundle);
    saved_maps_give_the_same_metrics(bundle, data);
    markup_in_names_is_escaped(bundle, data);
    invalid_input_is_rejected(bundle, data);
}

fn text(path: &str) -> String {
    String::from_utf8(bytes(path)).expect("text")
}

fn json(path: &str) -> Value {
    serde_json::from_str(&text(path)).expect("JSON")
}

fn report(of: &str) -> String {
    format!("{of}-report")
}

fn run_and_bundle_have_equal_results(run: &str, bundle: &str, data: &str) {
    // A run has its own dataset.
    succeed(mhkd(&["evaluate", run]).args(["--out", &report(run)]));
    let with_data = ["evaluate", bundle, "--dataset", data];
    let stdout = succeed(mhkd(&with_data).args(["--out", &report(bundle)]));
    assert!(stdout.contains("AU-sPRO to FPR 0.05"), "{stdout}");
    let [of_run, of_bundle] = [run, bundle].map(|of| json(&format!("{}/metrics.json", report(of))));
    assert_eq!(of_run["model"]["kind"], "run");
    assert_eq!(of_bundle["model"]["kind"], "bundle");
    let close = |path: &str, tolerance: f64| {
        let value = |of: &Value| {
            of.pointer(path)
                .and_then(Value::as_f64)
                .expect("a JSON number")
        };
        let (one, other) = (value(&of_run), value(&of_bundle));
        let near = (one - other).abs() <= tolerance * one.abs().max(1.0);
        assert!(near, "{path}: {one} and {other}");
    };
    close("/threshold", 1e-5);
    for image in 0..of_run["scores"].as_array().expect("a list").len() {
        close(&format!("/scores/{image}/score"), 1e-3);
    }
    close("/metrics/pixel/au_roc", 1e-3);
    close("/metrics/pixel/spro/mean/1/area", 1e-2);
}

fn report_is_self_contained(run: &str, bundle: &str) {
    for (of, features) in [(run, true), (bundle, false)] {
        let folder = report(of);
        let page = text(&format!("{folder}/report.html"));
        for reference in page.split("src=\"").skip(1) {
            assert!(
                reference.starts_with("data:image/jpeg;base64,"),
                "{}",
                &reference[..60]
            );
        }
        for external in ["<script", "<link", "<iframe", "@import", "url(", "href"] {
            assert!(!page.contains(external), "{external} in {folder}");
        }
        let addresses = page.matches("http").count();
        let names = page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count();
        assert_eq!(addresses, names, "the only addresses are SVG namespaces");
        for figure in ["roc", "spro", "scores"] {
            let png = image::load_from_memory(&bytes(&format!("{folder}/{figure}.png")));
            assert!(png.expect("a PNG").width() > 1000);
            let svg = text(&format!("{folder}/{figure}.svg"));
            let svg = roxmltree::Document::parse(&svg).expect("XML");
            assert_eq!(svg.root_element().tag_name().name(), "svg");
        }
        assert!(
            std::fs::read_dir(format!("{folder}/panels"))
                .expect("a folder")
                .count()
                >= 3
        );
        assert_eq!(Path::new(&format!("{folder}/features")).exists(), features);
        assert_eq!(
            page.contains("A bundle's graph outputs only the two maps"),
            !features
        );
    }
}

/// Metrics of the saved maps equal the pixel-level metrics of the evaluation.
fn saved_maps_give_the_same_metrics(bundle: &str, data: &str) {
    let workspace = shared_workspace();
    let (maps, result, evaluation) = (
        workspace.path("maps"),
        workspace.path("of-maps.json"),
        workspace.path("with-maps.json"),
    );
    let with_data = [
        "evaluate",
        bundle,
        "--dataset",
        data,
        "--pixel-smoothing",
        "1.5",
    ];
    succeed(mhkd(&with_data).args(["--save-maps", &maps, "--json", &evaluation]));
    let (root, category) = data.rsplit_once('/').expect("a folder in a folder");
    succeed(
        mhkd(&[
            "metrics",
            "--format",
            "loco",
            "--dataset",
            root,
            "--category",
            category,
        ])
        .args(["--maps", &maps, "--json", &result]),
    );
    let (evaluation, of_maps) = (json(&evaluation), json(&result));
    assert_eq!(evaluation["dataset"]["pixel_smoothing"], 1.5);
    assert_eq!(evaluation["metrics"]["pixel"], of_maps["pixel"]);
}

/// A dataset in a plain folder, with markup in a folder name and without ground truth.
fn markup_in_names_is_escaped(bundle: &str, data: &str) {
    let workspace = shared_workspace();
    let odd = workspace.path("odd-names");
    for (from, to) in [
        ("train/good", "train/good"),
        ("test/good", "test/good"),
        (
            "test/logical_anomalies",
            "test/<img src=x onerror=alert(1)>",
        ),
    ] {
        copy(&format!("{data}/{from}"), &format!("{odd}/{to}"));
    }
    let out = workspace.path("odd-report");
    let arguments = ["evaluate", bundle, "--dataset", &odd, "--layout", "folder"];
    let stdout = succeed(mhkd(&arguments).args(["--out", &out]));
    assert!(
        !stdout.contains("Pixel AUROC"),
        "no pixel metrics without ground truth: {stdout}"
    );
    let page = text(&format!("{out}/report.html"));
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"));
    assert!(!page.contains("<img src=x"));
    let svg = text(&format!("{out}/scores.svg"));
    roxmltree::Document::parse(&svg).expect("XML");
    assert!(!Path::new(&out).join("spro.svg").exists());
}

fn invalid_input_is_rejected(bundle: &str, data: &str) {
    let workspace = shared_workspace();
    let check = |arguments: &[&str], expected: &str| {
        let error = fail(mhkd(&["evaluate"]).args(arguments));
        assert!(error.contains(expected), "{arguments:?}: {error}");
    };
    check(&[bundle], "--dataset is not given");
    check(
        &[data, "--dataset", data],
        "is neither a bundle (no manifest.toml) nor a run (no settings.toml)",
    );
    check(
        &[bundle, "--dataset", data, "--pixel-smoothing", "1000"],
        "pixel smoothing 1000: must be from 0 to 100 pixels",
    );
    let occupied = workspace.path("occupied");
    std::fs::create_dir(&occupied).expect("made");
    std::fs::write(format!("{occupied}/other.txt"), "content").expect("written");
    check(
        &[bundle, "--dataset", data, "--out", &occupied],
        "contains files that are not a report",
    );
    assert_eq!(text(&format!("{occupied}/other.txt")), "content");
}
