//! The independent client walks through the whole state machine.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use inspectd_test_support::{onnx_runtime, require};

use crate::harness::{PASSWORD, Site, free_port};
use crate::journal;

/// Runs a script to its end, and executes its requests: a line `DO WHAT` on its output is answered by `done`. Returns
/// the other lines.
fn drive(mut command: Command, mut act: impl FnMut(&str)) -> Vec<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a started script");
    let mut input = child.stdin.take().expect("a pipe");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = Vec::new();
    for line in output.lines().map_while(Result::ok) {
        eprintln!("client: {line}");
        match line.strip_prefix("DO ") {
            Some(what) => {
                act(what);
                writeln!(input, "done").expect("a script that waits");
            }
            None => lines.push(line),
        }
    }
    let status = child.wait().expect("an exit");
    assert!(status.success(), "{status}: {lines:#?}");
    lines
}

#[test]
fn client_walks_the_state_machine_and_its_ledger_equals_the_journal() {
    require!(onnx_runtime());
    let site = Site::new();
    let port = free_port();
    let mut daemon = Some(site.start_daemon(port));
    site.configure(port, "", "");
    let keys = require!(site.script(&["keys", "client"]));
    drive(keys, |_| {});
    let mut server = site.start_server();
    let (code, text) = site.run(&["trust", &site.path("client.der").display().to_string()]);
    assert_eq!(code, 0, "{text}");
    let url = format!("opc.tcp://{}", server.address());
    let walk = require!(site.script(&["walk", &url, "client", PASSWORD]));
    let lines = drive(walk, |what| match what {
        "kill" => drop(daemon.take()),
        "start" => daemon = Some(site.start_daemon(port)),
        other => panic!("the script asks for {other:?}"),
    });
    let ledger = lines.iter().find_map(|line| line.strip_prefix("LEDGER "));
    let ledger: BTreeMap<String, (String, String)> =
        serde_json::from_str(ledger.expect("a ledger")).expect("JSON");
    let journal = journal::decisions(port, "box-7");
    assert!(ledger.len() > 20, "{} results", ledger.len());
    // The daemon continues while the client reads: all that the client has is in the journal, and nothing up to the last
    // result of each run is missing.
    for (id, entry) in &ledger {
        assert_eq!(journal.get(id), Some(entry), "{id}");
    }
    let last = ledger
        .keys()
        .filter_map(|id| sequence(id))
        .max()
        .expect("results");
    let missing: Vec<_> = journal
        .keys()
        .filter(|id| sequence(id).is_some_and(|it| it <= last) && !ledger.contains_key(*id))
        .collect();
    assert!(missing.is_empty(), "not in the ledger: {missing:#?}");
    assert_eq!(server.stop(), Some(0));
}

fn sequence(id: &str) -> Option<u64> {
    id.rsplit('/').next()?.parse().ok()
}

#[test]
fn wrong_roles_passwords_certificates_and_policies_are_refused() {
    require!(onnx_runtime());
    let site = Site::new();
    let port = free_port();
    let _daemon = site.start_daemon(port);
    let keys = require!(site.script(&["keys", "client", "stranger", "person"]));
    let lines = drive(keys, |_| {});
    // A user who has a certificate in place of a password.
    let thumbprint = lines
        .iter()
        .find_map(|line| line.strip_prefix("THUMBPRINT person "));
    let thumbprint = thumbprint.expect("a thumbprint");
    let extra = format!("[users.person]\nrole = \"operator\"\ncertificate = \"{thumbprint}\"\n");
    site.configure(port, "", &extra);
    let mut server = site.start_server();
    let trust = |name: &str| {
        let (code, text) = site.run(&["trust", &site.path(name).display().to_string()]);
        assert_eq!(code, 0, "{text}");
    };
    trust("client.der");
    let url = format!("opc.tcp://{}", server.address());
    let refusals = require!(site.script(&["refusals", &url, "client", PASSWORD]));
    drive(refusals, |what| match what {
        "trust" => {
            // The rejected certificate was kept, and is trusted without a restart.
            let rejected = std::fs::read_dir(site.path("pki/rejected")).expect("a folder");
            let file = rejected
                .flatten()
                .next()
                .expect("a rejected certificate")
                .path();
            trust(&file.display().to_string());
        }
        other => panic!("the script asks for {other:?}"),
    });
    let log = server.log().join("\n");
    assert!(!log.contains(PASSWORD), "a password is in the log");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn check_reports_what_a_system_lacks() {
    require!(onnx_runtime());
    let site = Site::new();
    let port = free_port();
    site.configure(port, "", "[systems.side]\ncamera = \"side\"\n");
    let (code, text) = site.run(&["check"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("FAILED: no daemon answers at"), "{text}");
    let _daemon = site.start_daemon(port);
    let (code, text) = site.run(&["check"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("system top: camera top"), "{text}");
    let expected = "system side: FAILED: camera side is not configured; cameras are belt, top";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("own certificate: valid until"), "{text}");
}
