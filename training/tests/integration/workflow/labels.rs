//! From labels back to a model: verdicts of the daemon are labelled, exported as a dataset, and trained on.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use inspectd_core::bundle::Bundle;
use inspectd_engine::{Engine, EngineOptions};
use inspectd_test_support::{onnx_runtime, require};
use serde_json::{Value, json};

use super::daemon::{Daemon, TIMEOUT};
use super::skew;
use super::workspace::{losses, mhkd, shared_workspace, succeed};

/// Parts that the camera takes. Their seed gives good parts in both halves of the dataset.
const PARTS: usize = 48;

/// Width and height of the frames, pixels.
const SIDE: u64 = 128;

/// Corners of the outline of each defect, as fractions of the frame: a square with a quarter of the side.
const OUTLINE: [[f64; 2]; 4] = [[0.25, 0.25], [0.5, 0.25], [0.5, 0.5], [0.25, 0.5]];

#[test]
fn labelled_verdicts_are_exported_trained_on_and_evaluated_with_their_masks() {
    require!(onnx_runtime());
    let workspace = shared_workspace();
    let home = tempfile::tempdir().expect("a temporary folder");
    let daemon = Daemon::start(&configure(home.path(), skew::bundle()));
    let labelled = label_all(&daemon, &verdicts(&daemon));
    let set = workspace.path("labels-set");
    let export = ["dataset", "export", &set, "--camera", "top"];
    let printed = succeed(daemon.inspectctl().args(export));
    let expected = format!(
        "{} defective ({} masks)",
        labelled.outlined + 1,
        labelled.outlined
    );
    assert!(printed.contains(&expected), "{expected} not in {printed}");
    drop(daemon);

    let run = workspace.path("labels");
    let teacher = workspace.path("teacher/teacher.safetensors");
    let mut train = mhkd(&["train", "--out", &run, "--dataset", &set]);
    train.args(["--teacher", &teacher, "--input-size", "128"]);
    train.args(["--precision", "f32", "--steps", "4", "--log-every", "1"]);
    succeed(&mut train);
    assert_eq!(losses(&run).len(), 4);
    let bundle = workspace.path("labels-bundle");
    let named = ["--name", "labels", "--model-version", "1"];
    let printed = succeed(mhkd(&["export", &run, "--out", &bundle]).args(named));
    assert!(printed.contains("agrees with libtorch"), "{printed}");
    let opened = Bundle::open(Path::new(&bundle)).expect("a bundle");
    Engine::load(&opened, &EngineOptions::default()).expect("ONNX Runtime loads the graph");
    check_evaluation(&bundle, &set, &labelled);
}

/// The labels that were set.
struct Labelled {
    good: usize,
    /// Defective, with class and outline.
    outlined: usize,
}

/// Writes the configuration of a line whose camera takes [`PARTS`] parts, each of which is judged and kept.
fn configure(home: &Path, bundle: &str) -> PathBuf {
    let config = home.join("inspectd.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nmetrics_listen = \"off\"\npage_listen = \"127.0.0.1:0\"\n\
         [model]\nbundle = \"{bundle}\"\n[log]\nformat = \"json\"\n[journal]\nfolder = \"journal\"\n\
         [evidence]\npass_every = 1\n[cameras.top]\nsource = \"simulator\"\nseed = 2026\ndefect_rate = 0.3\n\
         width = {SIDE}\nheight = {SIDE}\npace = \"fast\"\nmode = \"triggered\"\nqueue = 1\nparts = {PARTS}\n"
    );
    std::fs::write(&config, text).expect("written");
    config
}

/// Waits for the verdicts of all parts. Returns the truth of each part, by sequence.
fn verdicts(daemon: &Daemon) -> BTreeMap<u64, String> {
    let begun = Instant::now();
    loop {
        let lines = succeed(
            daemon
                .inspectctl()
                .args(["verdicts", "--all", "--json", "--camera", "top"]),
        );
        let truth = |line: &str| {
            let verdict: Value = serde_json::from_str(line).expect("JSON");
            let sequence = verdict["sequence"].as_u64().expect("an integer");
            let truth = verdict["truth"].as_str().expect("text").to_owned();
            (sequence, truth)
        };
        let found: BTreeMap<u64, String> = lines.lines().map(truth).collect();
        if found.len() == PARTS {
            return found;
        }
        assert!(
            begun.elapsed() < TIMEOUT,
            "{} of {PARTS} verdicts",
            found.len()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Labels each verdict with the truth of its part. The first defective one gets neither class nor outline.
fn label_all(daemon: &Daemon, verdicts: &BTreeMap<u64, String>) -> Labelled {
    let corners = OUTLINE.map(|[x, y]| json!({"x": x, "y": y}));
    let mut labelled = Labelled {
        good: 0,
        outlined: 0,
    };
    let mut is_first = true;
    for (&sequence, truth) in verdicts {
        let request = if truth == "good" {
            labelled.good += 1;
            json!({"sequence": sequence, "kind": "LABEL_KIND_GOOD"})
        } else if std::mem::take(&mut is_first) {
            json!({"sequence": sequence, "kind": "LABEL_KIND_DEFECTIVE"})
        } else {
            labelled.outlined += 1;
            json!({
                "sequence": sequence, "kind": "LABEL_KIND_DEFECTIVE", "defect_class": "Bent pin",
                "outlines": [{"corners": corners}],
            })
        };
        label(daemon, &request);
    }
    assert!(
        labelled.good >= 20 && labelled.outlined >= 4,
        "{verdicts:?}"
    );
    labelled
}

/// Calls `LabelVerdict` by the interface for programs of `docs/page.md`: `inspectctl label` draws no outlines.
fn label(daemon: &Daemon, request: &Value) {
    let address = daemon.address("server.page_listen");
    let body = request.to_string();
    let request = format!(
        "POST /api/InspectionService/LabelVerdict HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{body}: {answer}");
}

/// Checks that `mhkd evaluate` finds the pictures by their class, and the masks with exactly the outlined pixels.
fn check_evaluation(bundle: &str, set: &str, labelled: &Labelled) {
    let file = shared_workspace().path("labels.json");
    succeed(mhkd(&["evaluate", bundle, "--dataset", set]).args(["--json", &file]));
    let text = std::fs::read_to_string(file).expect("written");
    let result: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(result["dataset"]["layout"], "mvtec-ad");
    let images = |folder: &str| {
        let entries = std::fs::read_dir(Path::new(set).join(folder));
        entries.expect("a folder").count()
    };
    let good = images("test/good");
    assert_eq!(result["good"], good);
    assert_eq!(images("train/good") + good, labelled.good);
    let of_type = |name: &str| result["types"][name]["images"].clone();
    assert_eq!(of_type("bent_pin"), labelled.outlined);
    assert_eq!(of_type("defect"), 1);
    let pixel = &result["metrics"]["pixel"];
    assert_eq!(pixel["images_without_masks"], 1);
    assert_eq!(pixel["images_with_empty_masks"], 0);
    assert_eq!(pixel["regions"], labelled.outlined);
    let square = (SIDE / 4).pow(2);
    assert_eq!(pixel["defect_pixels"], square * labelled.outlined as u64);
    let auroc = pixel["au_roc"].as_f64().expect("a number");
    assert!((0.0..=1.0).contains(&auroc), "{auroc}");
}
