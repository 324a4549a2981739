//! `camera set`, `add` and `remove`.

use inspectd_test_support::{onnx_runtime, require};

use super::{done, inspectctl, json_lines, run};
use crate::harness::{Daemon, Site};

const KEYS: &str =
    "source = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 50\nmode = \"triggered\"\n";

fn site() -> Site {
    let site = Site::new("");
    site.pictures("pictures", &[("a.png", 128)]);
    site.configure(
        "[journal]\nfolder = \"journal\"\n",
        &format!("[cameras.left]\n{KEYS}[cameras.right]\n{KEYS}"),
    );
    site
}

/// The ids of the cameras.
fn cameras(daemon: &Daemon) -> Vec<String> {
    let lines = json_lines(&done(daemon, "cameras --json"));
    let ids = lines.iter().map(|camera| camera["id"].as_str());
    ids.map(|id| id.expect("an id").to_owned()).collect()
}

#[test]
fn removed_camera_is_added_again_with_the_keys_that_were_printed() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let removed = run(inspectctl(&daemon).args(["camera", "remove", "right"]), 0);
    let keys = removed.stdout();
    assert!(keys.contains("source = \"folder\""), "{keys}");
    assert!(!keys.contains("[cameras"), "{keys}");
    let note = removed.stderr();
    assert!(note.contains("camera right is removed from "), "{note}");
    assert_eq!(cameras(&daemon), ["left"]);

    site.write("right.toml", &keys);
    let file = site.path("right.toml");
    let mut add = inspectctl(&daemon);
    add.args(["camera", "add", "right", "--file"]).arg(&file);
    let added = run(&mut add, 0).stdout();
    assert!(added.starts_with("camera right is added to "), "{added}");
    assert_eq!(cameras(&daemon), ["left", "right"]);
    let again = run(&mut add, 1).stderr();
    assert!(again.contains("ALREADY_EXISTS"), "{again}");
    daemon.stop();
}

#[test]
fn camera_that_is_not_valid_or_not_configured_is_refused() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    for (arguments, expected) in [
        (
            &["camera", "add", "up", "--toml", "source = \"none\""][..],
            "FAILED_PRECONDITION",
        ),
        (&["camera", "remove", "up"], "NOT_FOUND"),
        (&["camera", "set", "up", "--gain", "1"], "NOT_FOUND"),
        // Only a device has an exposure.
        (
            &["camera", "set", "left", "--exposure-us", "8000"],
            "FAILED_PRECONDITION",
        ),
    ] {
        let stderr = run(inspectctl(&daemon).args(arguments), 1).stderr();
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
    assert_eq!(cameras(&daemon), ["left", "right"]);
    daemon.stop();
}
