//! Certificates and clients that change while the daemon runs.

use inspectd::access::Role;
use inspectd::access::token::TokenHash;
use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_client::proto::line_service_client::LineServiceClient;
use inspectd_client::proto::{GetStatusRequest, StreamVerdictsRequest};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;

use super::pki::Ca;
use super::{ACCESS, Client, Outcome, SecuredSite, TLS};
use crate::harness::{Daemon, Verdicts, check_concurrently, wait};

const RENEWED: &str = "new certificates are active";
const REFUSED: &str = "new certificates are refused";
const RELOAD: &str = "/inspectd.v1.LineService/ReloadConfiguration";

/// Waits until the log has `count` lines with `text`.
fn logged(daemon: &Daemon, text: &str, count: usize) {
    wait(&format!("{count} times {text:?}"), || {
        let log = daemon.log();
        log.iter().filter(|line| line.contains(text)).count() >= count
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn renewed_certificate_applies_to_new_connections_only() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("{TLS}{ACCESS}"));
    let daemon = secured.site.start();
    let old = secured.certified(&daemon, Role::Viewer);
    let mut inspection = InspectionServiceClient::new(old.channel.clone());
    let stream = inspection.stream_verdicts(StreamVerdictsRequest::default());
    let mut verdicts = Verdicts(stream.await.expect("a viewer").into_inner());
    verdicts.next().await;

    // Another CA on both sides: clients of the old CA can no longer connect.
    let ca = Ca::new("the next");
    secured.site.write("ca.pem", ca.pem());
    secured.install(&ca.daemon());
    logged(&daemon, RENEWED, 1);
    let pair = ca.client("engineer.line");
    let check = async |client: Client, expected: Outcome| {
        assert_eq!(Outcome::of(client.call(RELOAD).await), expected);
    };
    check(Client::tls(&daemon, &ca, Some(&pair)), Outcome::Allowed).await;
    check(
        secured.certified(&daemon, Role::Engineer),
        Outcome::Unconnected,
    )
    .await;
    let half = secured.ca.client("engineer.line");
    check(Client::tls(&daemon, &ca, Some(&half)), Outcome::Unconnected).await;
    verdicts.next().await;
    old.status().await.expect("an open connection goes on");
    daemon.stop();
}

/// Makes the certificates of a site unusable.
type Break = fn(&SecuredSite);

#[test]
fn unusable_certificates_are_refused_and_the_old_ones_stay_in_use() {
    require!(onnx_runtime());
    let cases: [(&str, Break); 4] = [
        ("does not belong to the certificate", |secured| {
            secured.site.write("daemon.key", &secured.ca.daemon().key);
        }),
        ("has expired", |secured| {
            secured.install(&secured.ca.expired_daemon());
        }),
        ("must be certificates, PEM", |secured| {
            secured.site.write("daemon.pem", "");
        }),
        ("cannot be read", |secured| {
            secured.site.rename("ca.pem", "ca.away");
        }),
    ];
    check_concurrently(cases, async |(expected, break_certificates)| {
        let secured = SecuredSite::new(&format!("{TLS}{ACCESS}"));
        let daemon = secured.site.start();
        break_certificates(&secured);
        logged(&daemon, REFUSED, 1);
        logged(&daemon, expected, 1);
        let client = secured.certified(&daemon, Role::Viewer);
        client.status().await.expect("the old certificate serves");
        // After a rejection, usable files are accepted again.
        secured.site.write("ca.pem", secured.ca.pem());
        secured.install(&secured.ca.daemon());
        logged(&daemon, RENEWED, 1);
        let client = secured.certified(&daemon, Role::Viewer);
        client.status().await.expect("the new certificate serves");
        daemon.stop();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn changed_clients_apply_to_the_next_call() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(ACCESS);
    let daemon = secured.site.start();
    let of = |role| Client::plain(&daemon).with_token(secured.token(role));
    let (engineer, operator) = (of(Role::Engineer), of(Role::Operator));
    let check = async |client: &Client, expected: Outcome| {
        assert_eq!(Outcome::of(client.call(RELOAD).await), expected);
    };
    check(&engineer, Outcome::Allowed).await;
    check(&operator, Outcome::Denied(Code::PermissionDenied)).await;

    // The operator becomes an engineer, and the engineer is removed.
    let clients = secured.clients();
    let (rest, _) = clients
        .split_once("[[client]]\nname = \"engineer\"")
        .expect("the last");
    let clients = rest.replace("role = \"operator\"", "role = \"engineer\"");
    secured.site.write("clients.toml", &clients);
    logged(&daemon, "new clients are active", 1);
    check(&engineer, Outcome::Denied(Code::Unauthenticated)).await;
    check(&operator, Outcome::Allowed).await;

    secured
        .site
        .write("clients.toml", &clients.replace("viewer", "admin"));
    logged(&daemon, "new clients are refused", 1);
    daemon.wait_for_log("must be \\\"viewer\\\"");
    check(&operator, Outcome::Allowed).await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn removed_client_loses_its_open_stream_and_others_keep_theirs() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("{TLS}{ACCESS}"));
    let daemon = secured.site.start();
    let open = async |client: Client| {
        let mut inspection = InspectionServiceClient::new(client.channel.clone());
        let request = client.request(StreamVerdictsRequest::default());
        let stream = inspection.stream_verdicts(request).await;
        let mut verdicts = Verdicts(stream.expect("a client").into_inner());
        verdicts.next().await;
        verdicts
    };
    let mut gone = open(secured.certified(&daemon, Role::Viewer)).await;
    let mut token = open(secured.tokened(&daemon, Role::Operator)).await;
    let mut stays = open(secured.certified(&daemon, Role::Engineer)).await;
    // Another token for the operator, and another certificate for the viewer.
    let hash = TokenHash::of(secured.token(Role::Operator).as_bytes()).hex();
    let clients = secured.clients().replace(&hash, &"0".repeat(64));
    let clients = clients.replace("viewer.line", "viewer-2.line");
    secured.site.write("clients.toml", &clients);
    for stream in [&mut gone, &mut token] {
        let end = loop {
            if let Err(end) = stream.event().await {
                break end;
            }
        };
        assert_eq!(end.code(), Code::Unauthenticated, "{end}");
    }
    logged(&daemon, "new clients are active", 1);
    for _ in 0..20 {
        stays.next().await;
    }
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn revocation_in_a_file_that_is_not_valid_is_an_alarm() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(ACCESS);
    let daemon = secured.site.start();
    let clients = secured.clients();
    secured
        .site
        .write("clients.toml", &clients.replace("role = ", "rolle = "));
    let metric = "inspectd_alarms{kind=\"access_file\"}";
    let alarms = |count: &str| {
        daemon
            .page("/metrics")
            .1
            .contains(&format!("{metric} {count}"))
    };
    wait("an alarm", || alarms("1"));
    let viewer = Client::plain(&daemon).with_token(secured.token(Role::Viewer));
    let mut line = LineServiceClient::new(viewer.channel.clone());
    let status = line.get_status(viewer.request(GetStatusRequest {})).await;
    let status = status.expect("a viewer").into_inner().status;
    let alarms_of_status = status.expect("a status").alarms;
    let alarm = alarms_of_status
        .iter()
        .find(|alarm| alarm.kind == "access_file");
    let alarm = alarm.expect("the alarm of the metric");
    assert_eq!(alarm.subject, "clients");
    let message = &alarm.message;
    assert!(
        message.contains("also those that the file revokes"),
        "{message}"
    );
    secured.site.write("clients.toml", &clients);
    wait("no alarm", || alarms("0"));
    daemon.stop();
}
