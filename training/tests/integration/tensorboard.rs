//! Event files are readable by TensorBoard.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use inspectd_test_support::{python_package, require};
use mhkd::log::tensorboard::EventWriter;
use serde_json::{Value, json};

/// Reads the scalars in `folder` with the reader of TensorBoard. Returns `None` if scripts/setup.sh has not
/// installed TensorBoard.
fn read_by_tensorboard(packages: &Path, folder: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_tensorboard.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(folder)
        .env("PYTHONPATH", packages)
        .output()
        .expect("python3 runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn tensorboard_reads_a_resumed_run_without_the_repeated_steps() {
    let packages = require!(python_package("tensorboard"));
    let folder = tempfile::tempdir().expect("temporary folder");
    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut first = EventWriter::create(folder.path(), now).expect("created");
    for (step, value) in [(10, 0.5), (20, 0.25), (30, 99.0)] {
        first
            .scalar(now, "loss/total", step, value)
            .expect("written");
        first
            .scalar(now, "speed/wait_share", step, 0.125)
            .expect("written");
    }
    drop(first);

    let later = now + Duration::from_mins(1);
    let mut second = EventWriter::resume(folder.path(), later, 20).expect("resumed");
    second
        .scalar(later, "loss/total", 30, 0.125)
        .expect("written");
    second.flush().expect("flushed");

    assert_eq!(
        read_by_tensorboard(&packages, folder.path()),
        json!({
            "loss/total": [[10, 0.5], [20, 0.25], [30, 0.125]],
            "speed/wait_share": [[10, 0.125], [20, 0.125]],
        })
    );
}
