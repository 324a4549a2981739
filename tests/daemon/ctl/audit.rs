//! `inspectd audit`, which reads a file and needs no daemon.

use std::path::{Path, PathBuf};

use inspectd::audit::{Action, Audit, AuditEntry, Origin};
use inspectd::clock::SystemClock;

use super::{json_lines, run};
use crate::harness::bounded;

fn log(folder: &Path, entries: usize) -> PathBuf {
    let path = folder.join("audit.sqlite");
    let audit = Audit::open(&path, std::sync::Arc::new(SystemClock)).expect("a log");
    for number in 0..entries {
        let entry = AuditEntry {
            who: "anna".to_owned(),
            role: "engineer".to_owned(),
            origin: Origin::Local,
            action: Action::Threshold,
            subject: "verdict.threshold".to_owned(),
            before: format!("0.{number}"),
            after: format!("0.{}", number + 1),
        };
        audit.append(entry).expect("appended");
    }
    path
}

fn audit(arguments: &[&str], path: &Path, code: i32) -> super::Finished {
    let mut command = bounded(env!("CARGO_BIN_EXE_inspectd"));
    let (subcommand, rest) = arguments.split_first().expect("a subcommand");
    command.args(["audit", subcommand]).arg(path).args(rest);
    run(&mut command, code)
}

#[test]
fn unchanged_log_is_verified_and_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = log(folder.path(), 3);
    let text = audit(&["verify"], &path, 0).stdout();
    assert!(text.contains(": 3 entries, "), "{text}");
    let head = text.lines().find_map(|line| line.strip_prefix("head: "));
    let head = head.expect("a head");
    let text = audit(&["verify", "--head", head], &path, 0).stdout();
    assert!(text.contains("the expected head is entry 3"), "{text}");

    let text = audit(&["list"], &path, 0).stdout();
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.starts_with("entry  time"), "{text}");
    let entries = json_lines(&audit(&["list", "--json"], &path, 0).stdout());
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[2]["after"], "0.3");
    assert_eq!(entries[2]["hash"], head);
    let time = entries[1]["time"].as_str().expect("a time");
    let later = json_lines(&audit(&["list", "--json", "--since", time], &path, 0).stdout());
    assert_eq!(later.len(), 2);
}

#[test]
fn changed_log_fails_verification_with_exit_code_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = log(folder.path(), 2);
    let other = "ab".repeat(32);
    let stderr = audit(&["verify", "--head", &other], &path, 1).stderr();
    assert!(
        stderr.contains("none of its 2 entries has the hash abab"),
        "{stderr}"
    );
    // The second entry's field, as it stands in the file.
    let mut bytes = std::fs::read(&path).expect("a file");
    let field = b"verdict.threshold0.10.2";
    let at = bytes
        .windows(field.len())
        .position(|window| window == field);
    bytes[at.expect("there") + field.len() - 1] = b'9';
    std::fs::write(&path, bytes).expect("written");
    let stderr = audit(&["verify"], &path, 1).stderr();
    assert!(
        stderr.contains("broken at entry 2: its hash does not match its fields"),
        "{stderr}"
    );
    let stderr = audit(&["verify"], &folder.path().join("absent"), 1).stderr();
    assert!(stderr.contains("absent: cannot be opened"), "{stderr}");
    audit(&["verify", "--head", "abc"], &path, 64);
    audit(&["list", "--since", "yesterday"], &path, 64);
}
