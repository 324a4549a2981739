//! The command line without a daemon.

use super::run;
use crate::harness::bounded;

fn inspectctl(line: &str) -> std::process::Command {
    let mut command = bounded(crate::harness::inspectctl());
    command.args(line.split(' ')).env_remove("INSPECTD_SERVER");
    command
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&mut inspectctl(&format!("completions {shell}")), 0).stdout();
        for word in ["inspectctl", "watch", "last-reject"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
}

#[test]
fn every_command_without_a_daemon_exits_with_69() {
    let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/demo-reject.png");
    let inspect = format!("inspect {picture}");
    for line in [
        "status",
        "status --watch",
        "cameras",
        "watch",
        "reload",
        "evidence 1 -o -",
        "camera set top --gain 1",
        "camera remove top",
        "model show",
        "model undo",
        "shadow",
        "shadow list",
        &inspect,
    ] {
        // Port 1 is closed.
        let line = format!("--server 127.0.0.1:1 {line}");
        let finished = run(&mut inspectctl(&line), 69);
        let stderr = finished.stderr();
        assert!(
            stderr.contains("no daemon answers at http://127.0.0.1:1"),
            "{stderr}"
        );
        assert_eq!(finished.stdout(), "", "{line}");
    }
}

#[test]
fn wrong_arguments_exit_with_64() {
    for line in [
        "stats",
        "watch --limit 0",
        "watch --decision bad",
        "evidence 1",
        "evidence 1 -o part.gif",
        "--server ftp://here status",
        "inspect",
        "camera set top",
        "camera add top",
        "model install",
        "shadow list --limit 0",
        "completions dos",
    ] {
        let finished = run(&mut inspectctl(line), 64);
        assert!(finished.stderr().starts_with("error: "), "{finished:?}");
    }
    assert!(
        run(&mut inspectctl("--help"), 0)
            .stdout()
            .contains("Exit codes:")
    );
    assert!(
        run(&mut inspectctl("--version"), 0)
            .stdout()
            .starts_with("inspectctl ")
    );
}

#[test]
fn commands_that_moved_to_inspectd_name_the_new_command_and_exit_with_64() {
    for (line, expected) in [
        ("audit verify /var/lib/audit.sqlite", "`inspectd audit`"),
        ("audit --help", "`inspectd audit`"),
        (
            "token create --name mes --role operator",
            "`inspectd token`",
        ),
    ] {
        let stderr = run(&mut inspectctl(line), 64).stderr();
        assert_eq!(
            stderr,
            format!("inspectctl: moved to {expected}\n"),
            "{line}"
        );
    }
    let help = run(&mut inspectctl("--help"), 0).stdout();
    assert!(!help.contains("audit") && !help.contains("Moved"), "{help}");
}

#[test]
fn credentials_that_cannot_be_used_exit_with_1_and_name_the_option() {
    for (line, expected) in [
        (
            "--server https://127.0.0.1:1 status",
            "--ca FILE or INSPECTD_CA",
        ),
        (
            "--key absent status",
            "--certificate and --key must be given together",
        ),
        (
            "--token-file /nonexistent status",
            "/nonexistent: cannot be read: ",
        ),
        (
            "watch --consumer MES",
            "a consumer's name is 1 to 64 of a-z",
        ),
    ] {
        let stderr = run(&mut inspectctl(line), 1).stderr();
        assert!(stderr.contains(expected), "{line}: {stderr}");
    }
}
