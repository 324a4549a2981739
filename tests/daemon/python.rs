//! The example client in Python, which knows of the daemon only what reflection tells it.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::belt::site;
use crate::harness::{bounded, runtime_is_there};

/// Runs `examples/python/subscribe.py`, or says that its packages are not there.
fn subscribe(server: &str, arguments: &[&str]) -> Option<Output> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = root.join(".tools/python");
    if !packages.join("grpc_reflection").exists() {
        eprintln!("skipped: no Python packages (scripts/setup.sh checks brings them)");
        return None;
    }
    let output = bounded("python3")
        .arg(root.join("examples/python/subscribe.py"))
        .args(["--server", server])
        .args(arguments)
        .env("PYTHONPATH", packages)
        .output();
    Some(output.expect("a started program"))
}

#[test]
fn verdicts_are_printed_with_no_stubs_but_what_reflection_tells() {
    if !runtime_is_there() {
        return;
    }
    let site = site();
    let daemon = site.start();
    let address = daemon.address("server.listen");
    let wanted = "--camera belt --decision reject --decision review --limit 6";
    let wanted: Vec<&str> = wanted.split(' ').collect();
    let Some(output) = subscribe(&address, &wanted) else {
        return;
    };
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    for service in [
        "grpc.health.v1.Health",
        "inspectd.v1.InspectionService",
        "inspectd.v1.LineService",
    ] {
        assert!(told.contains(service), "{told}");
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
fn an_unknown_camera_ends_it_with_1() {
    if !runtime_is_there() {
        return;
    }
    let site = site();
    let daemon = site.start();
    let address = daemon.address("server.listen");
    if let Some(output) = subscribe(&address, &["--camera", "absent"]) {
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("NOT_FOUND: camera absent"), "{told}");
    }
    daemon.stop();
}

#[test]
fn no_daemon_ends_it_with_69() {
    // Nobody listens on port 1.
    if let Some(output) = subscribe("127.0.0.1:1", &[]) {
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{told}");
        assert!(told.contains("no daemon at 127.0.0.1:1"), "{told}");
    }
}
