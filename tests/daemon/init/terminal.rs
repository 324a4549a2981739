//! A person at a terminal, and interruptions.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use inspectd_test_support::{onnx_runtime, require};
use rexpect::session::{PtySession, spawn_command};

use super::{accepting, checks, empty, names, parts, started, text};
use crate::harness::{PATIENCE, Site, wait};

/// Sends a signal.
fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(sent.expect("kill").success());
}

#[test]
fn interruption_leaves_nothing_behind() {
    require!(onnx_runtime());
    let site = empty();
    // A network camera that accepts connections and says nothing: after the first pictures, nothing comes for seconds.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/stream", listener.local_addr().expect("bound"));
    let mut command = accepting(&site, &["--simulator", "first", "--url", &url]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    // The simulator follows the network camera in the order of cameras; its connection shows that the capture goes on.
    let _connection = listener.accept().expect("a connection");
    let begun = Instant::now();
    signal(&child, "INT");
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(
        stderr.contains("interrupted; nothing was written"),
        "{stderr}"
    );
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    assert!(names(&site).is_empty(), "{:?}", names(&site));
}

/// A person at a terminal.
fn person(command: Command) -> PtySession {
    spawn_command(command, Some(PATIENCE.as_millis() as u64)).expect("a pseudo-terminal")
}

/// `inspectd init` on a terminal, where no device is found.
fn on_terminal(site: &Site) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd"));
    command
        .arg("--config")
        .arg(site.path("inspectd.toml"))
        .arg("init")
        .arg("--device-folder")
        .arg(site.path("bundle"))
        .env("TERM", "xterm");
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn person_answers_the_questions() {
    require!(onnx_runtime());
    let site = empty();
    parts(&site.path("pictures"), 6);
    let mut terminal = person(on_terminal(&site));
    let mut answer = |question: &str, keys: &str| {
        terminal
            .exp_string(question)
            .unwrap_or_else(|error| panic!("{question}: {error}"));
        terminal.send(keys).expect("sent");
        terminal.flush().expect("sent");
    };
    // The second of the other sources.
    answer("Cameras", "\x1b[B \r");
    let folder = site.path("pictures").display().to_string();
    answer("Folder of images", &format!("{folder}\r"));
    answer("Id of a folder of images", "\r");
    answer("Folder of the model bundle", "/nonexistent\r");
    // What cannot be a bundle is asked for again; ^U removes it.
    let bundle = site.path("bundle").display().to_string();
    answer("manifest.toml", &format!("\x15{bundle}\r"));
    answer("Camera camera1: which frames count", "\r");
    answer("Camera camera1: what is inspected", "\x1b[B\r");
    answer("Folder of the journal", "\r");
    answer("Write ", "y");
    terminal.exp_string("written: ").expect("written");
    terminal
        .exp_string("inspectctl watch")
        .expect("the next commands");
    terminal.exp_eof().expect("it ends");
    let written = text(&site);
    assert!(written.contains("mode = \"triggered\""), "{written}");
    assert!(written.contains("folder = \"journal\""), "{written}");
    // The second answer is the whole frame.
    assert!(!written.contains("\ncrop = "), "{written}");
    checks(&site);
    let daemon = started(&site, |_| ());
    let verdict = daemon.verdicts().await.next().await;
    assert_eq!((verdict.width, verdict.height), (240, 180), "{verdict:?}");
    daemon.stop();
}

#[test]
fn person_interrupts_a_question_or_declines() {
    require!(onnx_runtime());
    let site = empty();
    let bundle = site.path("bundle").display().to_string();
    let command = |also: &[&str]| {
        let mut command = on_terminal(&site);
        command
            .args(["--simulator", "--bundle", &bundle])
            .args(also);
        command
    };
    let mut terminal = person(command(&[]));
    terminal
        .exp_string("which frames count")
        .expect("a question");
    assert!(site.path("commissioning/demo-1.png").exists());
    terminal.send_control('c').expect("sent");
    terminal
        .exp_string("interrupted; nothing was written")
        .expect("said");
    terminal.exp_eof().expect("it ends");
    wait("an empty folder", || names(&site).is_empty());

    let mut terminal = person(command(&[
        "--mode",
        "triggered",
        "--crop",
        "none",
        "--journal",
        "none",
    ]));
    terminal.exp_string("Write ").expect("a question");
    terminal.send("n").expect("sent");
    terminal.flush().expect("sent");
    terminal.exp_string("not written").expect("said");
    terminal.exp_eof().expect("it ends");
    wait("an empty folder", || names(&site).is_empty());
}
