//! `inspectctl` with certificates and tokens, and its messages where they are refused.

use std::process::Command;

use inspectd::access::Role;
use inspectd_test_support::{onnx_runtime, require};

use super::pki::{Ca, Pair};
use super::{ACCESS, SecuredSite, TLS};
use crate::harness::{Daemon, bounded, ends};

/// The program with these arguments, in the secured's folder.
fn inspectctl(secured: &SecuredSite, line: &str) -> Command {
    let mut command = bounded(crate::harness::inspectctl());
    command
        .args(line.split(' '))
        .current_dir(secured.site.path(""));
    for variable in ["SERVER", "CA", "CERTIFICATE", "KEY", "TOKEN_FILE"] {
        command.env_remove(format!("INSPECTD_{variable}"));
    }
    command
}

fn https(daemon: &Daemon) -> String {
    format!("--server https://{}", daemon.address("server.listen"))
}

/// Asserts that a certificate is refused. The TLS alert may be lost, and the message is less specific then.
fn check_refused(secured: &SecuredSite, line: &str, words: &str) {
    let (code, stderr) = ends(&mut inspectctl(secured, line));
    assert_eq!(code, 69, "{line}: {stderr}");
    let lost = "it may not accept the certificate of --certificate";
    assert!(
        stderr.contains(words) || stderr.contains(lost),
        "{line}: {stderr}"
    );
}

/// Asserts the exit code of a line of arguments, and words of its standard error.
fn check(secured: &SecuredSite, line: &str, expected: i32, words: &[&str]) {
    let (code, stderr) = ends(&mut inspectctl(secured, line));
    assert_eq!(code, expected, "{line}: {stderr}");
    for word in words {
        assert!(
            stderr.contains(word),
            "{line}: {word:?} is not in: {stderr}"
        );
    }
}

fn save(secured: &SecuredSite, name: &str, pair: &Pair) {
    secured
        .site
        .write(&format!("{name}.pem"), &pair.certificate);
    secured.site.write(&format!("{name}.key"), &pair.key);
}

#[test]
fn certificates_tokens_and_unix_socket_authenticate() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("{TLS}{ACCESS}"));
    let socket = secured.site.path("socket").display().to_string();
    let daemon = secured
        .site
        .start_with(&[("INSPECTD__SERVER__UNIX_SOCKET", &socket)]);
    save(&secured, "viewer", &secured.ca.client("viewer.line"));
    secured
        .site
        .write("token", &format!("{}\n", secured.token(Role::Engineer)));
    let server = https(&daemon);
    let certified = format!("{server} --ca ca.pem --certificate viewer.pem --key viewer.key");
    check(&secured, &format!("{certified} status"), 0, &[]);
    let refused = [
        "PERMISSION_DENIED: ReloadConfiguration ",
        "engineer",
        "viewer",
    ];
    check(&secured, &format!("{certified} reload"), 1, &refused);
    check(
        &secured,
        &format!("{server} --ca ca.pem --token-file token reload"),
        0,
        &[],
    );
    check(&secured, &format!("--server unix:{socket} reload"), 0, &[]);
    let mut variables = inspectctl(&secured, "reload");
    variables
        .env(
            "INSPECTD_SERVER",
            format!("https://{}", daemon.address("server.listen")),
        )
        .env("INSPECTD_CA", "ca.pem")
        .env("INSPECTD_TOKEN_FILE", "token");
    assert_eq!(ends(&mut variables).0, 0);
    daemon.stop();
}

#[test]
fn refused_credentials_are_reported_with_the_reason() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("{TLS}{ACCESS}"));
    let daemon = secured.site.start();
    let other = Ca::new("other");
    secured.site.write("other.pem", other.pem());
    save(&secured, "forged", &other.client("viewer.line"));
    save(
        &secured,
        "expired",
        &secured.ca.expired_client("viewer.line"),
    );
    secured.site.write("token", "inspectd_wrong\n");
    secured.site.write("empty", "\n");
    let server = https(&daemon);
    let check_line = check;
    let check = |line: &str, code, words: &[&str]| {
        let line = format!("{server} {line} status").replace("  ", " ");
        check_line(&secured, &line, code, words);
    };
    check(
        "--ca other.pem",
        69,
        &["not signed by a CA of --ca", "UnknownIssuer"],
    );
    check(
        "--ca ca.pem",
        1,
        &["UNAUTHENTICATED: ", "certificate or a token"],
    );
    check(
        "--ca ca.pem --token-file token",
        1,
        &["UNAUTHENTICATED: ", "this token"],
    );
    let shown = |name: &str| format!("--ca ca.pem --certificate {name}.pem --key {name}.key");
    for (name, words) in [
        ("forged", "the daemon does not know the CA of --certificate"),
        ("expired", "the certificate of --certificate has expired"),
    ] {
        let line = format!("{server} {} status", shown(name));
        check_refused(&secured, &line, words);
    }
    check(
        "--ca ca.pem --certificate forged.pem",
        1,
        &["must be given together"],
    );
    check(
        "--ca ca.pem --certificate forged.pem --key token",
        1,
        &["--ca, --certificate or --key"],
    );
    check("--ca token", 1, &["token: must hold certificates, PEM"]);
    check("--ca absent", 1, &["absent: cannot be read"]);
    check(
        "--ca ca.pem --token-file empty",
        1,
        &["empty: must hold a token"],
    );
    check("", 1, &["https:// requires the CA", "--ca FILE"]);
    let http = format!("--server http://{}", daemon.address("server.listen"));
    check_line(
        &secured,
        &format!("{http} status"),
        69,
        &["is it https://?"],
    );
    let far = "--server http://192.0.2.1:50051 --token-file token status";
    check_line(
        &secured,
        far,
        1,
        &["a token is not sent over a network without TLS"],
    );
    daemon.stop();
}

#[test]
fn daemon_certificate_for_another_address_or_expired_is_refused() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("{TLS}{ACCESS}"));
    secured.install(&secured.ca.elsewhere());
    let daemon = secured.site.start();
    let line = format!("{} --ca ca.pem status", https(&daemon));
    check(&secured, &line, 69, &["for another name or address"]);
    daemon.stop();

    secured.install(&secured.ca.expired_daemon());
    let daemon = secured.site.start();
    daemon.wait_for_log("the certificate has expired");
    let line = format!("{} --ca ca.pem status", https(&daemon));
    check(
        &secured,
        &line,
        69,
        &["the daemon's certificate has expired"],
    );
    daemon.stop();
}

#[test]
fn created_token_authenticates_its_client() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(ACCESS);
    let mut create = bounded(env!("CARGO_BIN_EXE_inspectd"));
    create.args(["token", "create", "--name", "mes", "--role", "engineer"]);
    let created = create.output().expect("a started program");
    assert!(created.status.success());
    let (token, stderr) = (
        created.stdout,
        String::from_utf8(created.stderr).expect("UTF-8"),
    );
    let (_, entry) = stderr.split_once("[[client]]").expect("an entry");
    secured
        .site
        .write("clients.toml", &format!("[[client]]{entry}"));
    secured
        .site
        .write("token", std::str::from_utf8(&token).expect("UTF-8"));
    assert!(!stderr.contains(std::str::from_utf8(&token).expect("UTF-8").trim()));
    let daemon = secured.site.start();
    let server = format!("--server http://{}", daemon.address("server.listen"));
    check(
        &secured,
        &format!("{server} --token-file token reload"),
        0,
        &[],
    );
    check(
        &secured,
        &format!("{server} status"),
        1,
        &["UNAUTHENTICATED"],
    );
    daemon.stop();
}
