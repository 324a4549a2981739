//! Every call by every role and by clients without one: exactly what the table of permissions allows.

use inspectd::access::Role;
use inspectd::access::permissions::PERMISSIONS;
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;
use tonic_types::StatusExt;

use super::pki::Ca;
use super::{ACCESS, Client, Outcome, SecuredSite, TLS};
use crate::harness::Daemon;

/// Clients that are denied every call, and how.
fn strangers(secured: &SecuredSite, daemon: &Daemon) -> Vec<(&'static str, Client, Outcome)> {
    let unknown = || Outcome::Denied(Code::Unauthenticated);
    let (ca, other) = (&secured.ca, Ca::new("other"));
    let forged = other.client("engineer.line");
    let expired = ca.expired_client("engineer.line");
    let nobody = ca.client("nobody.line");
    let bare = || Client::tls(daemon, ca, None);
    let certified = || secured.certified(daemon, Role::Engineer);
    let mut twice = secured.tokened(daemon, Role::Engineer);
    twice.token = twice.token.map(|token| token.replace("Bearer", "Basic"));
    vec![
        ("nothing", bare(), unknown()),
        ("a wrong token", bare().with_token("inspectd_0"), unknown()),
        ("a token of another scheme", twice, unknown()),
        (
            "a good certificate and a wrong token",
            certified().with_token("inspectd_0"),
            unknown(),
        ),
        (
            "a certificate of nobody",
            Client::tls(daemon, ca, Some(&nobody)),
            unknown(),
        ),
        (
            "a certificate of another CA",
            Client::tls(daemon, ca, Some(&forged)),
            Outcome::Unconnected,
        ),
        (
            "an expired certificate",
            Client::tls(daemon, ca, Some(&expired)),
            Outcome::Unconnected,
        ),
        (
            "a token without TLS",
            Client::plain(daemon).with_token(secured.token(Role::Engineer)),
            Outcome::Unconnected,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_call_is_allowed_for_exactly_the_roles_of_the_table() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("{TLS}{ACCESS}"));
    let daemon = secured.site.start();
    let strangers = strangers(&secured, &daemon);
    let mut members = Vec::new();
    for role in Role::ALL {
        members.push(("certificate", role, secured.certified(&daemon, role)));
        members.push(("token", role, secured.tokened(&daemon, role)));
    }
    for row in PERMISSIONS {
        let path = format!("/{}/{}", row.service, row.method);
        for (who, client, expected) in &strangers {
            let outcome = Outcome::of(client.call(&path).await);
            assert_eq!(outcome, *expected, "{path} with {who}");
        }
        for (how, role, client) in &members {
            let outcome = Outcome::of(client.call(&path).await);
            let expected = if *role >= row.least {
                Outcome::Allowed
            } else {
                Outcome::Denied(Code::PermissionDenied)
            };
            assert_eq!(outcome, expected, "{path} as {role} by {how}");
        }
    }
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn unknown_call_is_denied_to_every_role() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("{TLS}{ACCESS}"));
    let daemon = secured.site.start();
    let engineer = secured.certified(&daemon, Role::Engineer);
    let stranger = Client::tls(&daemon, &secured.ca, None);
    for path in [
        "/inspectd.v1.LineService/Explode",
        "/x/y",
        "/",
        "/inspectd.v1.LineService/",
    ] {
        let code = |answer: Result<(), tonic::Status>| answer.expect_err("refused").code();
        assert_eq!(
            code(engineer.call(path).await),
            Code::Unimplemented,
            "{path}"
        );
        assert_eq!(
            code(stranger.call(path).await),
            Code::Unauthenticated,
            "{path}"
        );
    }
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn denial_names_the_required_role_and_no_token() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("{TLS}{ACCESS}"));
    let daemon = secured.site.start();
    let path = "/inspectd.v1.LineService/ReloadConfiguration";
    let answer = secured.tokened(&daemon, Role::Operator).call(path).await;
    let refused = answer.expect_err("an operator");
    let expected =
        "ReloadConfiguration requires the role engineer; operator-t has the role operator";
    assert_eq!(refused.message(), expected);
    let info = refused.get_details_error_info().expect("details");
    assert_eq!(info.metadata["needed_role"], "engineer");
    let line = daemon.wait_for_log("a call is refused");
    assert!(line.contains(expected) && line.contains(path), "{line}");
    let wrong = "inspectd_wrong";
    let stranger = Client::tls(&daemon, &secured.ca, None).with_token(wrong);
    stranger.call(path).await.expect_err("a wrong token");
    let log = daemon.stop().join("\n");
    for token in [wrong, secured.token(Role::Operator)] {
        assert!(!log.contains(token), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn token_without_certificate_is_denied_where_certificates_are_required() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("{TLS}require_client_certificate = true\n{ACCESS}"));
    let daemon = secured.site.start();
    let check = async |client: Client, expected: Outcome| {
        assert_eq!(Outcome::of(client.status().await), expected);
    };
    check(
        secured.tokened(&daemon, Role::Engineer),
        Outcome::Unconnected,
    )
    .await;
    check(secured.certified(&daemon, Role::Viewer), Outcome::Allowed).await;
    let nobody = secured.ca.client("nobody.line");
    let nobody = Client::tls(&daemon, &secured.ca, Some(&nobody));
    let token = secured.token(Role::Viewer);
    check(nobody.with_token(token), Outcome::Allowed).await;
    daemon.stop();
}
