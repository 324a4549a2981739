//! Streams and consumers of each client.

use inspectd::access::Role;
use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_client::proto::{
    AcknowledgeVerdictsRequest, ForgetConsumerRequest, StreamVerdictsRequest,
    StreamVerdictsResponse,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;

use super::{ACCESS, Client, SecuredSite};
use crate::harness::wait;

/// Opens a stream of verdicts.
async fn stream(
    client: &Client,
    start: impl Into<Option<Start>>,
) -> Result<tonic::Streaming<StreamVerdictsResponse>, tonic::Status> {
    let mut inspection = InspectionServiceClient::new(client.channel.clone());
    let request = client.request(StreamVerdictsRequest {
        start: start.into(),
        ..StreamVerdictsRequest::default()
    });
    let response = inspection.stream_verdicts(request).await?;
    Ok(response.into_inner())
}

fn consumer(name: &str) -> Start {
    Start::Consumer(name.to_owned())
}

/// A site with a journal and access control.
fn site_with_journal() -> SecuredSite {
    SecuredSite::new(&format!(
        "[journal]\nfolder = \"journal\"\nstall_timeout_s = 20\n{ACCESS}"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn consumer_belongs_to_an_operator() {
    require!(onnx_runtime());
    let secured = site_with_journal();
    let daemon = secured.site.start();
    let of = |role| Client::plain(&daemon).with_token(secured.token(role));
    let (viewer, operator, engineer) = (of(Role::Viewer), of(Role::Operator), of(Role::Engineer));
    let refused = stream(&viewer, consumer("free"))
        .await
        .expect_err("a viewer has no consumers");
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let mut own = stream(&operator, consumer("mes"))
        .await
        .expect("an operator");
    stream(&operator, consumer("recorder"))
        .await
        .expect("another consumer, which acknowledges nothing");
    for other in [&viewer, &engineer] {
        let refused = stream(other, consumer("mes"))
            .await
            .expect_err("not its consumer");
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    }
    let acknowledge = async |client: &Client, sequence| {
        let acknowledgement = AcknowledgeVerdictsRequest {
            consumer: "mes".to_owned(),
            sequence,
        };
        let mut inspection = InspectionServiceClient::new(client.channel.clone());
        inspection
            .acknowledge_verdicts(client.request(acknowledgement))
            .await
            .map(tonic::Response::into_inner)
    };
    let refused = acknowledge(&engineer, 1)
        .await
        .expect_err("not its consumer");
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    // The first acknowledgement records the client.
    let verdict = loop {
        let message = own.message().await.expect("a stream").expect("a message");
        if let Some(Event::Verdict(verdict)) = message.event {
            break verdict;
        }
    };
    let acknowledged = acknowledge(&operator, verdict.sequence).await;
    let recorded = acknowledged.expect("its consumer").consumer;
    let name = recorded.expect("a consumer").client;
    assert!(!name.is_empty());
    daemon.stop();

    // It belongs to the same client after a restart.
    let daemon = secured.site.start();
    let (operator, engineer) = [Role::Operator, Role::Engineer]
        .map(|role| Client::plain(&daemon).with_token(secured.token(role)))
        .into();
    for name_of_consumer in ["mes", "recorder"] {
        let refused = stream(&engineer, consumer(name_of_consumer))
            .await
            .expect_err("not its consumer");
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
        assert!(refused.message().contains(&name), "{refused}");
    }
    stream(&operator, consumer("mes"))
        .await
        .expect("its consumer");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn consumer_that_has_not_acknowledged_is_released() {
    require!(onnx_runtime());
    let secured = site_with_journal();
    let daemon = secured.site.start();
    let of = |role| Client::plain(&daemon).with_token(secured.token(role));
    let (operator, engineer) = (of(Role::Operator), of(Role::Engineer));
    let idle = stream(&operator, consumer("idle"))
        .await
        .expect("an operator");
    stream(&engineer, consumer("idle"))
        .await
        .expect_err("not its consumer");
    let forget = engineer.request(ForgetConsumerRequest {
        consumer: "idle".to_owned(),
    });
    let mut inspection = InspectionServiceClient::new(engineer.channel.clone());
    inspection
        .forget_consumer(forget)
        .await
        .expect("it is released");
    drop(idle);
    stream(&engineer, consumer("idle"))
        .await
        .expect("its consumer now");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn client_has_a_share_of_the_streams() {
    require!(onnx_runtime());
    let secured = site_with_journal();
    let daemon = secured
        .site
        .start_with(&[("INSPECTD__SERVER__STREAM_LIMIT", "8")]);
    let of = |role| Client::plain(&daemon).with_token(secured.token(role));
    let (viewer, engineer) = (of(Role::Viewer), of(Role::Engineer));
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(stream(&viewer, None).await.expect("a quarter of eight"));
    }
    let refused = stream(&viewer, None).await.expect_err("its share is used");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    stream(&engineer, None).await.expect("others have theirs");
    drop(held.pop());
    wait("a free stream", || {
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| runtime.block_on(stream(&viewer, None))).is_ok()
    });
    daemon.stop();
}
