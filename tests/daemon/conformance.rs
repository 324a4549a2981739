//! `inspectctl conformance` with clients that keep its rules, and with clients that break one of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use inspectd_test_support::{onnx_runtime, require};
use serde_json::Value;

use crate::belt::{self, CAMERA, REVIEW};
use crate::harness::{PATIENCE, inspectctl};

/// A scenario, and a fault of `faulty_client` that it must find, with the beginning of the reason.
const FAULTS: [(&str, &str, &str); 27] = [
    (
        "delivery",
        "fault-is-pass",
        "sequence 4 is FAULT, the program printed PASS",
    ),
    (
        "unknown-values",
        "unknown-is-pass",
        "sequence 2 is UNKNOWN, the program printed PASS",
    ),
    (
        "unjournalled",
        "zero-is-repeated",
        "a verdict with the sequence 0 was not handed to the user",
    ),
    (
        "heartbeats",
        "heartbeats-ignored",
        "a stream with heartbeats and without verdicts was closed",
    ),
    (
        "silence",
        "no-silence-limit",
        "the client did not open the stream again",
    ),
    (
        "interval",
        "interval-ignored",
        "the stream was closed after less than 4 s, although its heartbeats state an interval of 2 s",
    ),
    (
        "reset",
        "from-the-beginning",
        "the stream was opened again from sequence 1, although the user has 4",
    ),
    (
        "closed",
        "ok-is-the-end",
        "the program ended too early (the client did not open the stream again)",
    ),
    (
        "restart",
        "no-reconnection",
        "the program ended too early (the client did not open the stream again); it printed: failed",
    ),
    ("back-off", "no-back-off", ""),
    (
        "refused",
        "retries-refusals",
        "PERMISSION_DENIED was not reported",
    ),
    ("replaced", "retries-refusals", "ABORTED was not reported"),
    (
        "gap",
        "gap-ignored",
        "the loss of 4 to 6 was not reported before sequence 7",
    ),
    (
        "out-of-range",
        "out-of-range-is-the-end",
        "the program ended too early",
    ),
    (
        "out-of-range",
        "silent-loss",
        "the loss of 13 to 49 was not reported before sequence 50",
    ),
    (
        "out-of-range-consumer",
        "silent-loss",
        "the loss of 10 to 49 was not reported before sequence 50",
    ),
    (
        "epoch",
        "epoch-resets",
        "the stream was opened again from sequence 1, although the user has",
    ),
    (
        "restarted-sequences",
        "run-ignored",
        "sequence 1 was not handed to the user before sequence 4",
    ),
    (
        "no-journal",
        "sequences-are-unique",
        "sequence 1 was not handed to the user before sequence 4",
    ),
    (
        "acknowledge",
        "acknowledges-early",
        "sequence 4 was acknowledged before the user had processed sequence 4",
    ),
    (
        "resume",
        "forgets-consumer",
        "the stream starts with None instead of consumer \"conformance\"",
    ),
    (
        "duplicates",
        "repeats",
        "sequence 1 was handed to the user twice",
    ),
    (
        "acknowledge-failure",
        "acknowledges-once",
        "sequence 5 was processed and not acknowledged",
    ),
    ("trigger", "no-key", "the request has no idempotency key"),
    (
        "trigger-deadline",
        "no-deadline",
        "the deadline was not reported",
    ),
    ("trigger-retry", "new-key", "a repetition differs: key"),
    (
        "trigger-refused",
        "retries-triggers",
        "FAILED_PRECONDITION was not reported",
    ),
];

/// An example of the package `inspectd-client`.
///
/// # Panics
/// When it was not built.
fn example(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_inspectd"))
        .with_file_name("examples")
        .join(name);
    assert!(
        program.exists(),
        "{} does not exist: run `cargo build -p inspectd-client --examples` (`make test` does)",
        program.display()
    );
    program
}

/// Runs scenarios for a program. Returns whether all passed, and the results by name.
fn conformance(scenarios: &[&str], program: &Path, arguments: &[&str]) -> (bool, Value) {
    // A scenario takes up to half a minute, and all of them run side by side here.
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", "180"])
        .arg(inspectctl())
        .args(["conformance", "--json", "--verbose", "--jobs", "8"]);
    for scenario in scenarios {
        command.args(["--scenario", scenario]);
    }
    command.arg("--").arg(program).args(arguments);
    let output = command.output().expect("a started program");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?} {stderr}"));
    let passed = report["passed"].as_bool().expect("a boolean");
    assert_eq!(output.status.code(), Some(i32::from(!passed)), "{report:#}");
    (passed, report)
}

#[test]
fn client_of_the_library_passes_all_scenarios() {
    let (passed, report) = conformance(&[], &example("conformance_client"), &["{address}"]);
    assert!(passed, "{report:#}");
    let scenarios = report["scenarios"].as_array().expect("a list");
    assert_eq!(scenarios.len(), 26);
}

#[test]
fn client_of_the_generated_calls_passes_all_scenarios() {
    let client = example("faulty_client");
    let (passed, report) = conformance(&[], &client, &["none", "{address}"]);
    assert!(passed, "{report:#}");
}

#[test]
fn each_scenario_finds_a_client_with_its_fault() {
    static CLIENT: LazyLock<PathBuf> = LazyLock::new(|| example("faulty_client"));
    std::thread::scope(|scope| {
        for (scenario, fault, reason) in FAULTS {
            scope.spawn(move || {
                let (passed, report) = conformance(&[scenario], &CLIENT, &[fault, "{address}"]);
                assert!(!passed, "{scenario} does not find {fault}: {report:#}");
                let found = report["scenarios"][0]["reason"].as_str();
                let found = found.expect("a reason");
                assert!(found.starts_with(reason), "{scenario}, {fault}: {report:#}");
            });
        }
    });
    // Every scenario has a fault that it finds.
    let (_, list) = listed();
    for name in list
        .lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next())
    {
        let found = FAULTS.iter().any(|(scenario, ..)| *scenario == name);
        assert!(found, "{name} has no fault");
    }
}

/// Exit code and output of `--list`.
fn listed() -> (Option<i32>, String) {
    let output = Command::new(inspectctl())
        .args(["conformance", "--list"])
        .output();
    let output = output.expect("a started program");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code(), text)
}

#[test]
fn page_of_the_rules_names_every_scenario_and_its_heading() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let (code, list) = listed();
    assert_eq!(code, Some(0));
    assert_eq!(list.lines().count(), 27, "{list}");
    for line in list.lines().skip(1) {
        let mut columns = line.split("  ").filter(|column| !column.is_empty());
        let (name, rule) = (columns.next().expect("a name"), columns.last());
        let rule = rule.expect("a rule").trim();
        let heading = page
            .lines()
            .find(|line| line.starts_with(&format!("### {rule}: ")));
        let heading = heading.unwrap_or_else(|| panic!("{rule} is no heading"));
        assert!(heading.contains(&format!("`{name}`")), "{name}: {heading}");
    }
}

#[test]
fn program_that_cannot_be_started_or_gets_no_address_is_refused() {
    let run = |arguments: &[&str]| {
        let output = Command::new(inspectctl())
            .args(["conformance", "--scenario", "delivery", "--"])
            .args(arguments)
            .output()
            .expect("a started program");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        (output.status.code(), stderr)
    };
    let (code, stderr) = run(&["/absent/client", "{address}"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("/absent/client cannot be started"),
        "{stderr}"
    );
    let (code, stderr) = run(&["true"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("{address}"), "{stderr}");
}

/// The played daemon and the real one are alike: the same program receives the verdicts of a real line.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn program_under_test_receives_the_verdicts_of_a_real_daemon() {
    require!(onnx_runtime());
    let site = belt::site();
    site.configure(
        &format!("[journal]\nfolder = \"journal\"\n{REVIEW}"),
        CAMERA,
    );
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    verdicts.until(|verdict| verdict.sequence >= 5).await;
    let address = daemon.address("server.listen");
    let run = |count: usize| {
        use std::io::{BufRead, BufReader, Write};
        let mut child = Command::new(example("conformance_client"))
            .args([&address, "consume", "mes", "3000"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a started program");
        let mut input = child.stdin.take().expect("a pipe");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut received = Vec::new();
        for _ in 0..count {
            let line = lines.next().expect("a line").expect("UTF-8");
            input.write_all(b"processed\n").expect("it reads");
            received.push(line);
        }
        // The next verdict is handed over, and not processed.
        drop(input);
        let begun = std::time::Instant::now();
        while child.try_wait().expect("a child").is_none() {
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        received
    };
    let sequence = |line: &str| -> u64 {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(
            (words.len(), words[0], words[1]),
            (4, "verdict", "1"),
            "{line}"
        );
        words[2].parse().expect("a sequence")
    };
    let first = run(5);
    assert_eq!(sequence(&first[0]), 1);
    let last = sequence(&first[4]);
    let second = run(3);
    assert_eq!(sequence(&second[0]), last + 1, "{first:?} {second:?}");
    daemon.stop();
}
