//! What needs no daemon.

use super::run;
use crate::harness::bounded;

fn inspectctl(line: &str) -> std::process::Command {
    let mut command = bounded(crate::harness::inspectctl());
    command.args(line.split(' ')).env_remove("INSPECTD_SERVER");
    command
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&mut inspectctl(&format!("completions {shell}")), 0).printed();
        for word in ["inspectctl", "watch", "last-reject"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
}

#[test]
fn no_daemon_ends_every_command_with_69() {
    let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/demo-reject.png");
    let inspect = format!("inspect {picture}");
    for line in [
        "status",
        "status --watch",
        "cameras",
        "watch",
        "reload",
        "evidence 1 -o -",
        &inspect,
    ] {
        // Nobody listens on port 1.
        let line = format!("--server 127.0.0.1:1 {line}");
        let ended = run(&mut inspectctl(&line), 69);
        let told = ended.told();
        assert!(
            told.contains("no daemon answers at http://127.0.0.1:1"),
            "{told}"
        );
        assert_eq!(ended.printed(), "", "{line}");
    }
}

#[test]
fn wrong_arguments_end_with_64() {
    for line in [
        "stats",
        "watch --limit 0",
        "watch --decision bad",
        "evidence 1",
        "evidence 1 -o part.gif",
        "--server ftp://here status",
        "inspect",
        "completions dos",
    ] {
        let ended = run(&mut inspectctl(line), 64);
        assert!(ended.told().starts_with("error: "), "{ended:?}");
    }
    assert!(
        run(&mut inspectctl("--help"), 0)
            .printed()
            .contains("Exit codes:")
    );
    assert!(
        run(&mut inspectctl("--version"), 0)
            .printed()
            .starts_with("inspectctl ")
    );
}
