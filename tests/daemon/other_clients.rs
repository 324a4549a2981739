//! The clients in C++ and for Node.js (`clients/`) with the real daemon, the examples of the READMEs, and the rules of `buf`.

mod programs;
mod readme;
mod tls;

use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;

use inspectd_client::proto;
use inspectd_test_support::{onnx_runtime, require};

use self::programs::{Language, built, root, run};
use crate::belt::{self, CAMERA, REVIEW};
use crate::harness::{Daemon, PATIENCE, Site, inspectctl};

const JOURNAL: &str = "[journal]\nfolder = \"journal\"\n";

/// The longest silence of a stream, milliseconds.
const SILENCE_MS: &str = "20000";

/// A belt with a journal.
fn site() -> Site {
    let site = belt::site();
    site.configure(&format!("{JOURNAL}{REVIEW}"), CAMERA);
    site
}

/// The sequence that a consumer has acknowledged.
async fn acknowledged(daemon: &Daemon, name: &str) -> u64 {
    let mut inspection = daemon.inspection().await;
    let answer = inspection.list_consumers(proto::ListConsumersRequest {});
    let consumers = answer.await.expect("consumers").into_inner().consumers;
    let consumer = consumers.into_iter().find(|consumer| consumer.name == name);
    consumer.expect("a known consumer").acknowledged
}

/// Sequences and decisions in the journal.
async fn journalled(daemon: &Daemon, sequences: RangeInclusive<u64>) -> Vec<(u64, String)> {
    let request = proto::ListVerdictsRequest {
        from_sequence: *sequences.start(),
        to_sequence: *sequences.end(),
        page_size: 100,
        ..proto::ListVerdictsRequest::default()
    };
    let mut inspection = daemon.inspection().await;
    let listed = inspection.list_verdicts(request).await.expect("verdicts");
    let listed = listed.into_inner().verdicts.into_iter().map(|verdict| {
        let decision = verdict.decision().as_str_name();
        (verdict.sequence, decision.replace("DECISION_", ""))
    });
    let mut listed: Vec<_> = listed.collect();
    listed.sort();
    listed
}

/// Checks that a client reads in order, goes on after a kill of the daemon, and is served from its acknowledgement when it starts
/// again.
async fn consumes(language: Language) {
    let site = site();
    let daemon = site.start();
    let listen = daemon.address("server.listen");
    let mut client = language.consume(&listen, "mes", SILENCE_MS);
    let mut seen = client.process(20);
    daemon.signal("KILL");
    drop(daemon);
    let daemon = site.start_with(&[("INSPECTD__SERVER__LISTEN", &listen)]);
    seen.extend(client.process(20));
    assert_eq!(seen, journalled(&daemon, 1..=40).await);
    assert_eq!(seen.len(), 40);
    // Handed to the user, but not processed.
    assert_eq!(client.verdict().1, 41);
    client.end();
    assert_eq!(acknowledged(&daemon, "mes").await, 40);
    let mut client = language.consume(&listen, "mes", SILENCE_MS);
    assert_eq!(client.verdict().1, 41);
    client.end();
    daemon.stop();
}

/// Checks that two triggers with the same key are one inspection.
async fn triggers_once(language: Language) {
    let site = belt::site();
    let camera = CAMERA.replace("\"triggered\"", "\"requested\"");
    site.configure(&format!("{JOURNAL}{REVIEW}"), &camera);
    let daemon = site.start();
    let address = daemon.address("server.listen");
    let trigger = |part: &str, key: &str| {
        let mut command = language.program("trigger");
        command.env("INSPECTD_SERVER", &address);
        let (code, text) = run(command.args(["belt", part, key]));
        assert_eq!(code, 0, "{text}");
        text.split_whitespace().map(str::to_owned).collect()
    };
    let first: Vec<String> = trigger("P-1", "k-1");
    let [id, repeated, sequence, decision] = &first[..] else {
        panic!("{first:?}")
    };
    assert_eq!((repeated.as_str(), sequence.as_str()), ("false", "1"));
    assert!(decision.starts_with("DECISION_"), "{decision}");
    let second: Vec<String> = trigger("P-1", "k-1");
    assert_eq!(second, [id, "true", sequence, decision]);
    assert_eq!(daemon.status().await.sequence, 1);
    let mut command = language.program("trigger");
    command.env("INSPECTD_SERVER", &address);
    let (code, text) = run(command.args(["belt", "P-2", "k-1"]));
    assert_eq!(code, 1, "another part under the same key: {text}");
    assert!(text.contains("ALREADY_EXISTS"), "{text}");
    daemon.stop();
}

/// Checks a client with all scenarios of `docs/conformance.md`.
fn conforms(language: Language) {
    let program = language.program("conformance");
    let mut command = Command::new(inspectctl());
    command
        .args(["conformance", "--"])
        .arg(program.get_program());
    let (code, text) = run(command.args(program.get_args()).arg("{address}"));
    assert_eq!(code, 0, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn cpp_client_resumes_after_a_kill_of_the_daemon_and_acknowledges() {
    require!(onnx_runtime());
    require!(built(Language::Cpp));
    consumes(Language::Cpp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn node_client_resumes_after_a_kill_of_the_daemon_and_acknowledges() {
    require!(onnx_runtime());
    require!(built(Language::Node));
    consumes(Language::Node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn cpp_client_triggers_one_inspection_with_one_key() {
    require!(onnx_runtime());
    require!(built(Language::Cpp));
    triggers_once(Language::Cpp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn node_client_triggers_one_inspection_with_one_key() {
    require!(onnx_runtime());
    require!(built(Language::Node));
    triggers_once(Language::Node).await;
}

#[test]
fn cpp_client_passes_the_conformance_suite() {
    require!(built(Language::Cpp));
    conforms(Language::Cpp);
}

#[test]
fn node_client_passes_the_conformance_suite() {
    require!(built(Language::Node));
    conforms(Language::Node);
}

#[test]
fn node_client_passes_its_tests_with_a_daemon() {
    require!(onnx_runtime());
    require!(built(Language::Node));
    let site = site();
    let mut command = Command::new("timeout");
    command
        .arg(PATIENCE.as_secs().to_string())
        .args(["node", "--test", "test/daemon.test.mjs"])
        .current_dir(root().join("target/clients/node"))
        .env("INSPECTD_TEST_PROGRAM", env!("CARGO_BIN_EXE_inspectd"))
        .env("INSPECTD_TEST_CONFIG", site.path("inspectd.toml"))
        .env("INSPECTD__LIFE__WATCH_FILES", "false")
        .env("INSPECTD__ENGINE__THREADS", "1");
    let (code, text) = run(&mut command);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn protos_follow_the_rules_of_buf_and_a_renamed_field_does_not() {
    let check = |folder: &Path| run(Command::new(root().join("scripts/buf.sh")).arg(folder));
    assert_eq!(check(&root().join("proto")), (0, String::new()));

    let copy = tempfile::tempdir().expect("a folder");
    let protos = copy.path().join("inspectd/v1");
    std::fs::create_dir_all(&protos).expect("a folder");
    std::fs::copy(root().join("proto/buf.yaml"), copy.path().join("buf.yaml")).expect("a copy");
    for file in std::fs::read_dir(root().join("proto/inspectd/v1")).expect("the protos") {
        let file = file.expect("a file").path();
        let text = std::fs::read_to_string(&file).expect("a proto");
        let text = text.replace(" bytes client_data = 4;", " bytes clientData = 4;");
        let name = file.file_name().expect("a name");
        std::fs::write(protos.join(name), text).expect("a written file");
    }
    let (code, text) = check(copy.path());
    assert_ne!(code, 0, "{text}");
    let expected = "should be lower_snake_case, such as \"client_data\"";
    assert!(text.contains(expected), "{text}");
    assert!(
        text.contains("changed name from \"client_data\" to \"clientData\""),
        "{text}"
    );
}
