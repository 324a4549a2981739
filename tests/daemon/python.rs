//! The example client in Python, which uses server reflection instead of generated stubs.

use std::path::Path;
use std::process::Output;

use inspectd_test_support::{onnx_runtime, python_package, require};
use serde_json::Value;

use crate::belt::site;
use crate::harness::bounded;

/// Runs `examples/python/subscribe.py` with the Python packages in this folder.
fn subscribe(packages: &Path, server: &str, arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = bounded("python3")
        .arg(root.join("examples/python/subscribe.py"))
        .args(["--server", server])
        .args(arguments)
        .env("PYTHONPATH", packages)
        .output();
    output.expect("a started program")
}

#[test]
fn example_client_prints_filtered_verdicts_by_reflection() {
    require!(onnx_runtime());
    let packages = require!(python_package("grpc_reflection"));
    let site = site();
    let daemon = site.start();
    let address = daemon.address("server.listen");
    let wanted = "--camera belt --decision reject --decision review --limit 6";
    let wanted: Vec<&str> = wanted.split(' ').collect();
    let output = subscribe(&packages, &address, &wanted);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    for service in [
        "grpc.health.v1.Health",
        "inspectd.v1.InspectionService",
        "inspectd.v1.LineService",
    ] {
        assert!(stderr.contains(service), "{stderr}");
    }
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let verdicts: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
        .collect();
    assert_eq!(verdicts.len(), 6, "{text}");
    for verdict in verdicts {
        let expected = match verdict["source_item"].as_str() {
            Some("b.png") => "DECISION_REJECT",
            Some("c.png") => "DECISION_REVIEW",
            _ => panic!("{verdict}"),
        };
        assert_eq!(verdict["decision"], expected);
        assert_eq!(verdict["model"]["name"], "cells");
        assert!(verdict["score"]["value"].is_f64(), "{verdict}");
    }
    daemon.stop();
}

#[test]
fn example_client_exits_1_for_an_unknown_camera() {
    require!(onnx_runtime());
    let packages = require!(python_package("grpc_reflection"));
    let site = site();
    let daemon = site.start();
    let address = daemon.address("server.listen");
    let output = subscribe(&packages, &address, &["--camera", "absent"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("NOT_FOUND: camera absent"), "{stderr}");
    daemon.stop();
}

#[test]
fn example_client_exits_69_without_a_daemon() {
    let packages = require!(python_package("grpc_reflection"));
    // Nothing listens on port 1.
    let output = subscribe(&packages, "127.0.0.1:1", &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{stderr}");
    assert!(stderr.contains("no daemon at 127.0.0.1:1"), "{stderr}");
}
