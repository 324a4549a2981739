//! `status` and `cameras`.

use inspectd_test_support::{onnx_runtime, require};

use super::{done, json_lines};
use crate::belt::site;

#[test]
fn status_shows_the_state_the_model_and_the_cameras() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let text = done(&daemon, "status");
    for part in [
        "line      RUNNING, inspectd ",
        "model     cells 2026.1 (",
        "threshold 0.6000",
        "engine    cpu, ONNX Runtime ",
        "settings  generation 1, hash ",
        "\nshift     20",
        "camera  source ",
        "\nbelt    folder, triggered  running  ",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert_eq!(text.lines().count(), 10, "no warnings: {text}");
    assert!(!text.contains('\x1b'), "no colours in a pipe: {text:?}");
    let cameras = done(&daemon, "cameras");
    assert!(cameras.starts_with("camera  source "), "{cameras}");
    assert!(cameras.contains("\nbelt    folder, "), "{cameras}");
    daemon.stop();
}

#[test]
fn json_status_has_the_fields_of_the_proto() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    done(&daemon, "watch --limit 1");
    let lines = json_lines(&done(&daemon, "status --json"));
    let [status] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(status["state"], "running");
    assert_eq!(status["model"]["name"], "cells");
    assert_eq!(status["engine"]["provider"], "cpu");
    assert_eq!(status["configuration"]["generation"], 1);
    assert!(
        status["start_time"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z'))
    );
    let camera = &status["cameras"][0];
    assert_eq!(
        (&camera["id"], &camera["state"]),
        (&"belt".into(), &"running".into())
    );
    assert_eq!(
        (&camera["width"], &camera["height"]),
        (&64.into(), &64.into())
    );
    let frames = &camera["frames"];
    assert!(frames["judged"].as_u64() >= Some(1), "{camera}");
    assert_eq!(
        (&frames["skipped"], &frames["faulted"]),
        (&0.into(), &0.into())
    );
    let shift = &status["shift"];
    assert!(shift["decisions"]["pass"].is_u64(), "{shift}");
    assert!(shift["start_time"].is_string(), "{shift}");
    assert!(camera["shift_decisions"]["pass"].is_u64(), "{camera}");
    let cameras = json_lines(&done(&daemon, "cameras --json"));
    assert_eq!(cameras.len(), 1);
    assert_eq!(cameras[0]["id"], "belt");
    daemon.stop();
}
