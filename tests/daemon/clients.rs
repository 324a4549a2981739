//! Clients that read too slowly or are too many do not affect the pipeline or other clients.

use inspectd_client::proto::StreamVerdictsRequest;
use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use crate::harness::{Daemon, Site, Verdicts};

/// What HTTP/2 grants a stream by default, bytes; the client of most tests grants more.
const WINDOW: u32 = 65_535;

/// The maximum growth of the daemon's memory while a client does not read, KiB: far more than its bounded
/// buffers need, far less than what the client misses would take.
const GROWTH_LIMIT_KIB: u64 = 24 << 10;

fn site() -> Site {
    let site = Site::new(
        "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 800\n",
    );
    site.pictures("pictures", &[("a.png", 128)]);
    site
}

/// A stream with small HTTP/2 windows: the client receives little that it does not read.
pub async fn narrow(daemon: &Daemon) -> Verdicts {
    let address = format!("http://{}", daemon.address("server.listen"));
    let endpoint = Channel::from_shared(address).expect("an address");
    let endpoint = endpoint
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    let channel = endpoint.connect().await.expect("a connection");
    let mut client = InspectionServiceClient::new(channel);
    let stream = client.stream_verdicts(StreamVerdictsRequest::default());
    Verdicts(stream.await.expect("a stream").into_inner())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn only_the_client_that_does_not_read_misses_verdicts() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start_with(&[("INSPECTD__EVIDENCE__MEMORY_MIB", "0")]);
    let mut stalled = narrow(&daemon).await;
    let mut last_read = stalled.next().await.sequence;

    let mut verdicts = daemon.verdicts().await;
    let mut sequence = verdicts.next().await.sequence;
    let mut memory = 0;
    for count in 0..4000 {
        let verdict = verdicts.next().await;
        assert_eq!(verdict.sequence, sequence + 1);
        sequence = verdict.sequence;
        if count == 500 {
            memory = daemon.memory_kib();
        }
    }
    let growth = daemon.memory_kib().saturating_sub(memory);
    assert!(growth < GROWTH_LIMIT_KIB, "{growth} KiB");

    let missed = loop {
        match stalled.event().await.expect("a running stream") {
            Event::Verdict(verdict) => {
                assert_eq!(verdict.sequence, last_read + 1);
                last_read = verdict.sequence;
            }
            Event::Heartbeat(_) => {}
            Event::Gap(gap) => break gap.missed,
        }
    };
    assert!(missed > 0);
    let next = loop {
        match stalled.event().await.expect("a running stream") {
            Event::Verdict(verdict) => break verdict,
            other => assert!(matches!(other, Event::Heartbeat(_)), "{other:?}"),
        }
    };
    assert_eq!(next.sequence, last_read + missed + 1);
    assert_eq!(daemon.status().await.missed_by_slow_clients, missed);
    let (_, page) = daemon.page("/metrics");
    assert!(page.contains(&format!(
        "\ninspectd_missed_by_slow_clients_total {missed}\n"
    )));
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn streams_beyond_the_limit_are_rejected_until_one_ends() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start_with(&[("INSPECTD__SERVER__STREAM_LIMIT", "2")]);
    let first = daemon.verdicts().await;
    let _second = daemon.verdicts().await;
    let mut client = daemon.inspection().await;
    let third = client.stream_verdicts(StreamVerdictsRequest::default());
    let refused = third.await.expect_err("two are open");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let quota = refused.get_details_quota_failure().expect("details");
    assert_eq!(quota.violations[0].subject, "streams");
    // Unary calls are still served.
    assert_eq!(daemon.status().await.streams, 2);

    drop(first);
    daemon
        .status_when("one stream", |status| status.streams == 1)
        .await;
    daemon.verdicts().await.next().await;
    daemon.stop();
}
