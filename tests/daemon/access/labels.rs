//! Labels: who may set them, and how long they stay.

use inspectd::access::Role;
use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_client::proto::{Label, LabelKind, LabelVerdictRequest, ListLabelsRequest};
use inspectd_test_support::{onnx_runtime, require};
use tonic::{Code, Status};

use super::{ACCESS, Client, SecuredSite};
use crate::harness::Daemon;

/// A site with a journal and access control.
fn site() -> SecuredSite {
    SecuredSite::new(&format!(
        "[journal]\nfolder = \"journal\"\nstall_timeout_s = 20\n{ACCESS}"
    ))
}

/// A client that labels.
struct Labeller(Client);

impl Labeller {
    fn new(secured: &SecuredSite, daemon: &Daemon, role: Role) -> Self {
        Self(Client::plain(daemon).with_token(secured.token(role)))
    }

    async fn set(
        &self,
        sequence: u64,
        kind: LabelKind,
        class: &str,
    ) -> Result<Option<Label>, Status> {
        let mut inspection = InspectionServiceClient::new(self.0.channel.clone());
        let request = LabelVerdictRequest {
            sequence,
            kind: kind.into(),
            defect_class: class.to_owned(),
            ..LabelVerdictRequest::default()
        };
        let answer = inspection.label_verdict(self.0.request(request)).await?;
        Ok(answer.into_inner().label)
    }

    async fn list(&self, request: ListLabelsRequest) -> Result<(Vec<u64>, String), Status> {
        let mut inspection = InspectionServiceClient::new(self.0.channel.clone());
        let answer = inspection
            .list_labels(self.0.request(request))
            .await?
            .into_inner();
        let sequences = answer.labels.iter().map(|label| label.sequence).collect();
        Ok((sequences, answer.next_page_token))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn operator_labels_verdicts_and_labels_survive_a_kill() {
    require!(onnx_runtime());
    let secured = site();
    let mut daemon = secured.site.start();
    let viewer = Labeller::new(&secured, &daemon, Role::Viewer);
    let operator = Labeller::new(&secured, &daemon, Role::Operator);
    let mut kept = operator.set(3, LabelKind::Good, "").await;
    while kept
        .as_ref()
        .is_err_and(|status| status.code() == Code::NotFound)
    {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        kept = operator.set(3, LabelKind::Good, "").await;
    }
    let label = kept.expect("an operator").expect("a label");
    assert_eq!(
        (label.kind(), label.author.as_str()),
        (LabelKind::Good, "operator-t")
    );
    assert!(label.time.is_some());
    let refused = viewer
        .set(1, LabelKind::Good, "")
        .await
        .expect_err("a viewer");
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    for (sequence, kind, class, code) in [
        (u64::MAX, LabelKind::Good, "", Code::NotFound),
        (1, LabelKind::Good, "scratch", Code::InvalidArgument),
        (
            1,
            LabelKind::Defective,
            &"x".repeat(65),
            Code::InvalidArgument,
        ),
        (1, LabelKind::Defective, "a\nb", Code::InvalidArgument),
    ] {
        let refused = operator
            .set(sequence, kind, class)
            .await
            .expect_err("not valid");
        assert_eq!(refused.code(), code, "{refused}");
    }
    for sequence in [1, 2, 3] {
        let label = operator
            .set(sequence, LabelKind::Defective, " scratch ")
            .await;
        let label = label.expect("an operator").expect("a label");
        assert_eq!(label.defect_class, "scratch");
    }
    let removed = operator.set(2, LabelKind::Unspecified, "").await;
    assert_eq!(removed.expect("an operator"), None);
    // An answered label is durable.
    daemon.signal("KILL");
    daemon.wait_for_end();

    let daemon = secured.site.start();
    let viewer = Labeller::new(&secured, &daemon, Role::Viewer);
    let all = viewer
        .list(ListLabelsRequest::default())
        .await
        .expect("a viewer");
    assert_eq!(all, (vec![1, 3], String::new()));
    let first = ListLabelsRequest {
        page_size: 1,
        ..ListLabelsRequest::default()
    };
    let (page, page_token) = viewer.list(first).await.expect("a viewer");
    assert_eq!(page, [1]);
    let second = ListLabelsRequest {
        page_token,
        ..ListLabelsRequest::default()
    };
    assert_eq!(
        viewer.list(second).await.expect("a viewer"),
        (vec![3], String::new())
    );
    let named = ListLabelsRequest {
        sequences: vec![3, 2],
        ..ListLabelsRequest::default()
    };
    assert_eq!(viewer.list(named).await.expect("a viewer").0, [3]);
    let wrong = ListLabelsRequest {
        page_token: "next".to_owned(),
        ..ListLabelsRequest::default()
    };
    let refused = viewer.list(wrong).await.expect_err("no token");
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn labels_need_a_journal() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(ACCESS);
    let daemon = secured.site.start();
    let operator = Labeller::new(&secured, &daemon, Role::Operator);
    let refused = operator
        .set(1, LabelKind::Good, "")
        .await
        .expect_err("no journal");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let refused = operator.list(ListLabelsRequest::default()).await;
    assert_eq!(
        refused.expect_err("no journal").code(),
        Code::FailedPrecondition
    );
    daemon.stop();
}
