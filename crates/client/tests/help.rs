//! The command line of `inspectctl` without a daemon.

use std::process::Command;

#[test]
fn help_lists_the_commands() {
    let output = Command::new(env!("CARGO_BIN_EXE_inspectctl"))
        .arg("--help")
        .output()
        .expect("inspectctl starts");
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    for command in ["status", "watch", "verdicts", "trigger", "recipe"] {
        assert!(help.contains(command), "{command} is missing:\n{help}");
    }
}
