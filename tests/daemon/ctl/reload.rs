//! `reload`.

use inspectd_test_support::{onnx_runtime, require};

use super::{done, inspectctl, run};
use crate::belt::{CAMERA, REVIEW, site};

#[test]
fn reload_activates_a_valid_configuration_and_names_keys_that_require_a_restart() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let same = done(&daemon, "reload");
    assert!(
        same.starts_with("nothing changed: generation 1, hash "),
        "{same}"
    );
    assert!(same.contains("\nmodel: cells 2026.1 ("), "{same}");
    let slower = CAMERA.replace("50.0", "25.0");
    site.configure("[verdict]\nthreshold = 0.9\n", &slower);
    let changed = done(&daemon, "reload");
    assert!(
        changed.starts_with("changed: generation 2, hash "),
        "{changed}"
    );
    assert!(
        changed.ends_with("\nrequires a restart: cameras.belt.fps\n"),
        "{changed}"
    );
    let status = done(&daemon, "status");
    assert!(status.contains("threshold 0.9000"), "{status}");
    assert!(
        status.contains("requires a restart: cameras.belt.fps"),
        "{status}"
    );
    daemon.stop();
}

#[test]
fn reload_of_an_invalid_configuration_changes_nothing_and_lists_every_fault() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    site.configure("[verdict]\nthreshold = \"high\"\nlimit = 3\n", CAMERA);
    let stderr = run(inspectctl(&daemon).arg("reload"), 1).stderr();
    assert!(
        stderr.starts_with("inspectctl: FAILED_PRECONDITION: "),
        "{stderr}"
    );
    for part in ["inspectd.toml", "verdict.threshold", "verdict.limit"] {
        assert!(stderr.contains(part), "{part} is not in\n{stderr}");
    }
    let status = done(&daemon, "status");
    assert!(status.contains("threshold 0.6000"), "{status}");
    assert!(status.contains("reload refused at "), "{status}");
    site.configure(REVIEW, CAMERA);
    done(&daemon, "reload");
    let status = done(&daemon, "status");
    assert!(!status.contains("reload refused"), "{status}");
    daemon.stop();
}
