//! Bundles with graphs in several precisions: which one runs, and what names it.

use std::path::Path;

use inspectd_core::bundle::{Bundle, sha256};
use inspectd_core::manifest::{Contents, Int8Parity, Manifest, Precision, Threshold, Variant};
use inspectd_test_support::{onnx_runtime, require};

use crate::ctl::{inspectctl, json_lines, run};
use crate::harness::{CELLS, Site, runtime_is_there};

const BELT: &str = "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nmode = \"triggered\"\npace = \"fast\"\n";

/// Another graph, with the same results: a model with a description, field 6 of `ModelProto`.
fn described() -> Vec<u8> {
    let text = b"int8";
    let mut graph = CELLS.to_vec();
    graph.extend([6 << 3 | 2, text.len() as u8]);
    graph.extend(text);
    graph
}

/// Adds a second graph, of the given precision and with the threshold 0.7, to the bundle in `folder`.
fn add_int8(folder: &Path) {
    let main = Bundle::read_manifest(folder).expect("a bundle");
    let mut contents = Contents::clone(&main);
    let graph = described();
    let variant = Variant {
        file: Precision::Int8.variant_file(),
        sha256: sha256(&graph),
        maps: main.maps.clone(),
        scores: main.scores.clone(),
        threshold: Threshold {
            value: 0.7,
            ..main.threshold.clone()
        },
        parity: Int8Parity {
            calibration_images: 8,
            images: 8,
            largest_relative: 0.0,
            mean_relative: 0.0,
            map_correlation: 1.0,
            score_correlation: None,
            defect_auroc: None,
        },
    };
    contents.variants.insert(Precision::Int8, variant);
    let manifest = Manifest::try_new(contents).expect("a valid manifest");
    Bundle::write(folder, manifest, vec![CELLS.to_vec(), graph]).expect("written");
}

fn site(top: &str) -> Site {
    let site = Site::new("");
    site.pictures("pictures", &[("a.png", 128)]);
    site.configure(top, BELT);
    site
}

#[test]
fn bundle_with_two_graphs_runs_in_the_configured_precision() {
    require!(onnx_runtime());
    let site = site("");
    add_int8(&site.path("bundle"));
    let hash = |graph: &[u8]| sha256(graph);
    for (configured, precision, graph, threshold) in [
        ("auto", "int8", described(), "0.7000"),
        ("int8", "int8", described(), "0.7000"),
        ("f32", "f32", CELLS.to_vec(), "0.6000"),
    ] {
        let journal = site.path(format!("journal-{configured}"));
        let journal = journal.to_str().expect("text");
        let daemon = site.start_with(&[
            ("INSPECTD__ENGINE__PRECISION", configured),
            ("INSPECTD__JOURNAL__FOLDER", journal),
        ]);
        let status = run(inspectctl(&daemon).arg("status"), 0).stdout();
        assert!(
            status.contains(&format!("threshold {threshold}")),
            "{status}"
        );
        let name = match precision {
            "f32" => "cells 2026.1 (".to_owned(),
            other => format!("cells 2026.1 {other} ("),
        };
        assert!(status.contains(&name), "{configured}: {status}");
        let watch = ["watch", "--json", "--from-sequence", "0", "--limit", "1"];
        let verdict = &json_lines(&run(inspectctl(&daemon).args(watch), 0).stdout())[0];
        let model = &verdict["verdict"]["model"];
        assert_eq!(model["precision"], precision, "{configured}: {verdict}");
        assert_eq!(model["sha256"], hash(&graph).as_str(), "{configured}");
        daemon.stop();
    }
}

#[test]
fn precision_that_the_bundle_does_not_have_is_refused_with_those_that_it_has() {
    if !runtime_is_there() {
        return;
    }
    let site = site("[engine]\nprecision = \"int8\"\n");
    let (code, stderr) = site.refused(&[]);
    assert_eq!(code, 65, "{stderr}");
    let bundle = site.path("bundle");
    let expected = format!("{}: has a graph in f32, but not in int8", bundle.display());
    assert!(stderr.contains(&expected), "{stderr}");
}

#[test]
fn installation_sends_all_graphs_and_runs_the_one_for_the_cpu() {
    require!(onnx_runtime());
    let site = site("[journal]\nfolder = \"journal\"\n");
    let daemon = site.start();
    let new = site.path("new");
    crate::harness::write_bundle_of(&new, "2026.2", 0.65, CELLS);
    add_int8(&new);
    let mut install = inspectctl(&daemon);
    install
        .args(["model", "install"])
        .arg(&new)
        .arg("--without-challenge");
    let text = run(&mut install, 0).stdout();
    assert!(text.contains("activated: cells 2026.2 int8 ("), "{text}");
    let shown = run(inspectctl(&daemon).args(["model", "show", "--json"]), 0).stdout();
    let shown = &json_lines(&shown)[0];
    let folder = shown["installation"]["folder"].as_str().expect("a folder");
    let installed = Bundle::open(Path::new(folder)).expect("complete");
    assert_eq!(installed.graphs(), [CELLS.to_vec(), described()]);
    assert_eq!(shown["model"]["precision"], "int8");
    daemon.stop();
}
