//! The Python package in `clients/python`: its wheel is built and installed, its types are checked, and its tests run against
//! this daemon.

use std::path::Path;
use std::process::Command;

use inspectd_test_support::{onnx_runtime, python_package, require};

/// The maximum duration, seconds: many times as long as it takes alone.
const LIMIT_S: &str = "900";

#[test]
fn wheel_of_the_python_client_passes_its_tests() {
    require!(onnx_runtime());
    for package in ["grpc_tools", "mypy", "pytest", "pytest_asyncio"] {
        require!(python_package(package));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("timeout")
        .args(["--kill-after=5", LIMIT_S])
        .arg(root.join("scripts/python_client.sh"))
        .arg("test")
        .env("INSPECTD_BIN", env!("CARGO_BIN_EXE_inspectd"))
        .output()
        .expect("a started program");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    // The last line counts the tests: none was left out.
    let summary = stdout.lines().last().unwrap_or_default();
    assert!(
        summary.contains(" passed in ") && !summary.contains("skipped"),
        "{stdout}"
    );
}
