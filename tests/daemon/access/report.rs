//! Reports by role: only clients that may list the audit log see its changes.

use inspectd::access::Role;
use inspectd_client::proto::report_service_client::ReportServiceClient;
use inspectd_client::proto::{GetReportRequest, Report};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;

use super::calls::HangingReads;
use super::{ACCESS, Client, SecuredSite, pause};

async fn report(client: &Client) -> Result<Report, tonic::Status> {
    let mut reports = ReportServiceClient::new(client.channel.clone());
    let request = client.request(GetReportRequest::default());
    let answer = reports.get_report(request).await?;
    Ok(answer.into_inner().report.expect("always set"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn report_has_changes_for_engineers_only() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!(
        "[journal]\nfolder = \"journal\"\nstall_timeout_s = 20\n{ACCESS}"
    ));
    let daemon = secured.site.start();
    for role in Role::ALL {
        let client = Client::plain(&daemon).with_token(secured.token(role));
        let report = report(&client).await.expect("a client");
        let actions: Vec<_> = report
            .changes
            .iter()
            .map(|change| change.action.as_str())
            .collect();
        let expected: &[&str] = match role {
            Role::Viewer | Role::Operator => &[],
            Role::Engineer => &["start"],
        };
        assert_eq!(actions, expected, "{role}");
        assert_eq!(report.changes_left_out, 0, "{role}");
        assert!(!report.host.is_empty(), "{role}");
        // Everybody sees when the daemon was started.
        let first = report.standstills.first().expect("hours without verdicts");
        assert!(first.started, "{role}: {first:?}");
    }
    let refused = report(&Client::plain(&daemon)).await;
    let status = refused.expect_err("no client");
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_has_one_report_in_progress_and_others_have_theirs() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!(
        "[journal]\nfolder = \"journal\"\nstall_timeout_s = 30\n{ACCESS}"
    ));
    let daemon = secured.site.start();
    let of = |role| Client::plain(&daemon).with_token(secured.token(role));
    let (viewer, operator) = (of(Role::Viewer), of(Role::Operator));
    let hang = HangingReads::start(&secured.site, &viewer).await;
    let first = viewer.clone();
    let first = tokio::spawn(async move { report(&first).await.map(drop) });
    pause(500).await;
    let refused = report(&viewer).await.expect_err("its first report hangs");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    hang.restore_journal();
    report(&operator).await.expect("another client");
    assert!(!first.is_finished(), "it hangs");
    hang.end();
    first.abort();
    daemon.stop();
}
