//! The ways in: Unix sockets, loopback, TLS; and those that are shut.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use inspectd::access::Role;
use tonic::Code;

use super::{ACCESS, Client, Outcome, Plant, SIMULATOR, TLS};
use crate::harness::{Site, ends, runtime_is_there};

const RELOAD: &str = "/inspectd.v1.LineService/ReloadConfiguration";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn whoever_may_open_the_socket_is_an_engineer() {
    if !runtime_is_there() {
        return;
    }
    let plant = Plant::new(&format!("{TLS}{ACCESS}"));
    let path = plant.site.path("socket");
    let text = path.display().to_string();
    let variables = [("INSPECTD__SERVER__UNIX_SOCKET", &*text)];
    let mut daemon = plant.site.start_with(&variables);
    let file = fs::metadata(&path).expect("a socket");
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    let local = || Client::at(format!("unix:{text}"));
    local().call(RELOAD).await.expect("an engineer");

    // One that was left behind is replaced; one that lives is not.
    daemon.signal("KILL");
    daemon.wait_for_end();
    assert!(path.exists());
    let daemon = plant.site.start_with(&variables);
    local().call(RELOAD).await.expect("an engineer");
    let (code, said) = plant.site.refused(&variables);
    assert_eq!(code, 69, "{said}");
    for words in ["server.unix_socket", &text, "another process listens on this socket"] {
        assert!(said.contains(words), "{said}");
    }
    daemon.stop();
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn on_loopback_everybody_is_an_engineer_unless_clients_are_named() {
    if !runtime_is_there() {
        return;
    }
    let plant = Plant::new("");
    let daemon = plant.site.start();
    daemon.wait_for_log("access control is off");
    Client::plain(&daemon)
        .call(RELOAD)
        .await
        .expect("an engineer");
    daemon.stop();

    plant.site.configure(ACCESS, SIMULATOR);
    let daemon = plant.site.start();
    daemon.wait_for_log("access control is on");
    let check = async |client: Client, expected: Outcome| {
        assert_eq!(Outcome::of(client.call(RELOAD).await), expected);
    };
    check(
        Client::plain(&daemon),
        Outcome::Denied(Code::Unauthenticated),
    )
    .await;
    let of = |role| Client::plain(&daemon).with_token(plant.token(role));
    check(of(Role::Operator), Outcome::Denied(Code::PermissionDenied)).await;
    check(of(Role::Engineer), Outcome::Allowed).await;
    daemon.stop();
}

#[test]
fn nobody_beyond_this_machine_is_served_without_tls_and_clients() {
    let site = Site::new(SIMULATOR);
    let check = |top: &str, without: &str| {
        site.configure(top, SIMULATOR);
        let listen = ("INSPECTD__SERVER__LISTEN", "0.0.0.0:0");
        let mut check = site.command();
        check.arg("check").env(listen.0, listen.1);
        for (code, said) in [site.refused(&[listen]), ends(&mut check)] {
            assert_eq!(code, 78, "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            let words = [
                "server.listen",
                without,
                "tls.certificate, tls.key and access.clients",
            ];
            for word in words {
                assert!(said.contains(word), "{word:?} is not in: {said}");
            }
        }
    };
    check("", "without tls.certificate and access.clients");
    check(TLS, "without access.clients");
    check(ACCESS, "without tls.certificate");
}

#[test]
fn files_that_do_not_serve_are_refused_at_the_start() {
    let plant = Plant::new(&format!("{TLS}{ACCESS}"));
    let check = |words: &[&str]| {
        for (code, said) in [
            plant.site.refused(&[]),
            ends(plant.site.command().arg("check")),
        ] {
            assert_eq!(code, 78, "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            for word in words {
                assert!(said.contains(word), "{word:?} is not in: {said}");
            }
        }
    };
    plant.site.write(
        "clients.toml",
        "[[client]]\nname = \"a\"\nrole = \"viewer\"\ntoken = \"t\"\n",
    );
    // Without the token's hash as well; it is one line for each fault.
    let (code, said) = plant.site.refused(&[]);
    assert_eq!((code, said.lines().count()), (78, 2), "{said}");
    assert!(
        said.contains("clients.toml:4: client.token: unknown key"),
        "{said}"
    );
    plant.site.write("clients.toml", &plant.clients());
    plant.site.write("daemon.key", "no key");
    check(&["tls.key: ", "daemon.key", "must be a private key"]);
    plant.site.rename("daemon.pem", "away.pem");
    check(&["tls.certificate: ", "daemon.pem", "cannot be read"]);
}
