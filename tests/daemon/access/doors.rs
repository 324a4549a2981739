//! Listening addresses: Unix sockets, loopback, TLS; and configurations that are rejected.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use inspectd::access::Role;
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;

use super::{ACCESS, Client, Outcome, SIMULATOR, SecuredSite, TLS};
use crate::harness::{Site, ends};

const RELOAD: &str = "/inspectd.v1.LineService/ReloadConfiguration";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn client_of_the_unix_socket_is_an_engineer() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("{TLS}{ACCESS}"));
    let path = secured.site.path("socket");
    let text = path.display().to_string();
    let variables = [("INSPECTD__SERVER__UNIX_SOCKET", &*text)];
    let mut daemon = secured.site.start_with(&variables);
    let file = fs::metadata(&path).expect("a socket");
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    let local = || Client::at(format!("unix:{text}"));
    local().call(RELOAD).await.expect("an engineer");

    // The socket of a dead process is replaced, the one of a running process is not.
    daemon.signal("KILL");
    daemon.wait_for_end();
    assert!(path.exists());
    let daemon = secured.site.start_with(&variables);
    local().call(RELOAD).await.expect("an engineer");
    let (code, stderr) = secured.site.refused(&variables);
    assert_eq!(code, 69, "{stderr}");
    for words in [
        "server.unix_socket",
        &text,
        "another process listens on this socket",
    ] {
        assert!(stderr.contains(words), "{stderr}");
    }
    daemon.stop();
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn loopback_client_is_an_engineer_unless_clients_are_configured() {
    require!(onnx_runtime());
    let secured = SecuredSite::new("");
    let daemon = secured.site.start();
    daemon.wait_for_log("access control is off");
    Client::plain(&daemon)
        .call(RELOAD)
        .await
        .expect("an engineer");
    daemon.stop();

    secured.site.configure(ACCESS, SIMULATOR);
    let daemon = secured.site.start();
    daemon.wait_for_log("access control is on");
    let check = async |client: Client, expected: Outcome| {
        assert_eq!(Outcome::of(client.call(RELOAD).await), expected);
    };
    check(
        Client::plain(&daemon),
        Outcome::Denied(Code::Unauthenticated),
    )
    .await;
    let of = |role| Client::plain(&daemon).with_token(secured.token(role));
    check(of(Role::Operator), Outcome::Denied(Code::PermissionDenied)).await;
    check(of(Role::Engineer), Outcome::Allowed).await;
    daemon.stop();
}

#[test]
fn remote_listen_address_without_tls_and_clients_is_rejected() {
    let site = Site::new(SIMULATOR);
    let check = |top: &str, without: &str| {
        site.configure(top, SIMULATOR);
        let listen = ("INSPECTD__SERVER__LISTEN", "0.0.0.0:0");
        let mut check = site.command();
        check.arg("check").env(listen.0, listen.1);
        for (code, stderr) in [site.refused(&[listen]), ends(&mut check)] {
            assert_eq!(code, 78, "{stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
            let words = [
                "server.listen",
                without,
                "tls.certificate, tls.key and access.clients",
            ];
            for word in words {
                assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
            }
        }
    };
    check("", "without tls.certificate and access.clients");
    check(TLS, "without access.clients");
    check(ACCESS, "without tls.certificate");
}

#[test]
fn unusable_certificate_and_client_files_are_rejected_at_start() {
    let secured = SecuredSite::new(&format!("{TLS}{ACCESS}"));
    let check = |words: &[&str]| {
        for (code, stderr) in [
            secured.site.refused(&[]),
            ends(secured.site.command().arg("check")),
        ] {
            assert_eq!(code, 78, "{stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
            for word in words {
                assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
            }
        }
    };
    secured.site.write(
        "clients.toml",
        "[[client]]\nname = \"a\"\nrole = \"viewer\"\ntoken = \"t\"\n",
    );
    // Without the token's hash as well: one line for each error.
    let (code, stderr) = secured.site.refused(&[]);
    assert_eq!((code, stderr.lines().count()), (78, 2), "{stderr}");
    assert!(
        stderr.contains("clients.toml:4: client.token: unknown key"),
        "{stderr}"
    );
    secured.site.write("clients.toml", &secured.clients());
    secured.site.write("daemon.key", "no key");
    check(&["tls.key: ", "daemon.key", "must be a private key"]);
    secured.site.rename("daemon.pem", "away.pem");
    check(&["tls.certificate: ", "daemon.pem", "cannot be read"]);
}
