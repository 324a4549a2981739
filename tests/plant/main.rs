//! The whole plant on the loopback interface: the daemon with simulated cameras, a PLC over Modbus, an MES over OPC UA, an MQTT
//! broker, a NATS cluster and PostgreSQL. Each program is killed in turn (the broker is stopped); at the end all ledgers agree
//! with the journal.

use std::path::Path;
use std::process::Command;

use inspectd_test_support::{onnx_runtime, project_root, python, python_package, require};

/// The time limit of the script, which ends much earlier, also on a busy machine.
const LIMIT_S: &str = "900";

#[test]
fn all_ledgers_agree_with_the_journal_after_each_program_was_killed() {
    require!(onnx_runtime());
    let packages = require!(python_package("nats"));
    let built = Path::new(env!("CARGO_BIN_EXE_inspectd")).parent();
    let built = built.expect("a folder");
    for program in [
        "inspectctl",
        "inspectd-forward",
        "inspectd-plc",
        "inspectd-opcua",
    ] {
        assert!(
            built.join(program).exists(),
            "{program} was not built: run `cargo build --workspace` (`make test` does)"
        );
    }
    let output = Command::new("timeout")
        .args(["--kill-after=10", LIMIT_S, "python3"])
        .arg(project_root().join("tests/plant/plant.py"))
        .arg(project_root())
        .arg(built)
        .env("PYTHONPATH", packages)
        .output()
        .expect("a started script");
    let text = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&text)
    );
}

#[test]
fn verdicts_of_a_ledger_are_compared_and_gaps_are_left_out() {
    require!(python());
    let output = Command::new("python3")
        .args(["-m", "doctest"])
        .arg(project_root().join("tests/plant/records.py"))
        .output()
        .expect("python3");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
