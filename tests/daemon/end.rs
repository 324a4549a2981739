//! Shutdown: ordered on a signal, and restart after a kill.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_client::proto::{Decision, GetEvidenceRequest, GetStatusRequest, Verdict};
use inspectd_test_support::{onnx_runtime, require};
use tokio::task::JoinHandle;
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{Daemon, PATIENCE, Site, Verdicts};
use crate::inquiry::{camera, ended, last_counts};

/// Two cameras that can be opened once `staged` is renamed to `pictures`. One is faster than the
/// pipeline, so that frames are queued.
pub fn staged(more: &str) -> Site {
    let site = Site::new("");
    let camera = |id: &str, pace: &str| {
        format!(
            "[cameras.{id}]\nsource = \"folder\"\npath = \"pictures\"\n{pace}\nreopen_after_s = 0.1\n\
             reopen_after_max_s = 0.1\nmode = \"triggered\"\nqueue = 64\n{more}"
        )
    };
    let fast = camera("fast", "pace = \"fast\"");
    site.configure("", &format!("{fast}{}", camera("paced", "fps = 200")));
    site.pictures("staged", &[("a.png", 128), ("b.png", 200), ("c.png", 0)]);
    site
}

/// Reads all verdicts until the stream ends.
fn read_all(mut verdicts: Verdicts) -> JoinHandle<(Vec<Verdict>, tonic::Status)> {
    tokio::spawn(async move {
        let mut read = Vec::new();
        loop {
            match verdicts.event().await {
                Ok(Event::Verdict(verdict)) => read.push(verdict),
                Ok(Event::Heartbeat(_)) => {}
                Ok(Event::Gap(gap)) => panic!("{gap:?}"),
                Err(status) => return (read, status),
            }
        }
    })
}

/// Asserts that each client received a verdict for each frame of a daemon that has exited, without a gap.
async fn assert_all_were_sent(
    clients: Vec<JoinHandle<(Vec<Verdict>, tonic::Status)>>,
    log: &[String],
) {
    let counts = last_counts(log);
    assert_eq!(counts.len(), 2, "{counts:?}");
    for counts in counts.values() {
        assert_eq!(ended(counts), counts.captured, "{counts:?}");
        assert!(counts.judged > 0, "{counts:?}");
    }
    let frames: u64 = counts.values().map(|counts| counts.captured).sum();
    for client in clients {
        let (verdicts, status) = client.await.expect("a client");
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        let why = status.get_details_error_info().expect("details");
        assert_eq!(why.reason, "STOPPING");
        let follow = |pair: &[Verdict]| pair[1].sequence == pair[0].sequence + 1;
        assert!(verdicts.windows(2).all(follow));
        let of_frames = verdicts.iter().filter(|verdict| verdict.frame_id > 0);
        assert_eq!(of_frames.count() as u64, frames);
        let judged = verdicts
            .iter()
            .filter(|verdict| verdict.decision() != Decision::Fault);
        let total: u64 = counts.values().map(|counts| counts.judged).sum();
        assert_eq!(judged.count() as u64, total);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn captured_frames_are_judged_and_sent_before_shutdown() {
    require!(onnx_runtime());
    let site = staged("repeat = true\n");
    let daemon = site.start();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(read_all(daemon.verdicts().await));
    }
    let mut verdicts = daemon.verdicts().await;
    site.rename("staged", "pictures");
    verdicts.until(|verdict| verdict.frame_id > 100).await;
    clients.push(read_all(daemon.verdicts().await));
    // The last client connected late and has only some of the verdicts.
    let late = clients.pop().expect("it was pushed");
    let log = daemon.stop();
    assert_all_were_sent(clients, &log).await;
    let (verdicts, status) = late.await.expect("a client");
    assert!(!verdicts.is_empty());
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn daemon_exits_when_all_cameras_ended_if_configured() {
    require!(onnx_runtime());
    let site = staged("");
    let daemon = site.start_with(&[("INSPECTD__LIFE__EXIT_WHEN_ENDED", "true")]);
    let client = read_all(daemon.verdicts().await);
    site.rename("staged", "pictures");
    let log = daemon.ends_well();
    let counts = last_counts(&log);
    let of = |id| (counts[id].captured, counts[id].judged, counts[id].faulted);
    assert_eq!((of("fast"), of("paced")), ((3, 2, 1), (3, 2, 1)));
    assert_all_were_sent(vec![client], &log).await;
}

/// The demo model: a large one compared with that of most tests.
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/demo");

#[test]
fn termination_during_start_exits_0() {
    require!(onnx_runtime());
    let site = staged("");
    for delay_ms in [0, 20, 50, 100, 200] {
        let mut command = site.command();
        let daemon = Daemon::spawn(command.env("INSPECTD__MODEL__BUNDLE", DEMO));
        daemon.address("server.listen");
        std::thread::sleep(Duration::from_millis(delay_ms));
        daemon.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn frames_not_judged_by_the_shutdown_deadline_are_faults() {
    require!(onnx_runtime());
    let site = staged("repeat = true\nallow_upscaling = true\n");
    let daemon = site.start_with(&[
        ("INSPECTD__MODEL__BUNDLE", DEMO),
        ("INSPECTD__LIFE__SHUTDOWN_DEADLINE_S", "5"),
        ("INSPECTD__CAMERAS__FAST__QUEUE", "512"),
    ]);
    let client = read_all(daemon.verdicts().await);
    site.rename("staged", "pictures");
    let waiting = |status: &_| camera(status, "fast").queued == 512;
    daemon.status_when("a full queue", waiting).await;
    let log = daemon.stop();
    assert!(last_counts(&log)["fast"].faulted > 0);
    assert_all_were_sent(vec![client], &log).await;
}

/// An address that is free now.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn killed_daemon_restarts_on_its_ports_with_new_sequences() {
    require!(onnx_runtime());
    let site = staged("repeat = true\n");
    site.rename("staged", "pictures");
    let (listen, metrics) = (free_address(), free_address());
    let variables = [
        ("INSPECTD__SERVER__LISTEN", &*listen),
        ("INSPECTD__SERVER__METRICS_LISTEN", &*metrics),
    ];
    let mut daemon = site.start_with(&variables);
    let mut client = daemon.inspection().await;
    let mut line = daemon.line().await;
    let mut verdicts = daemon.verdicts().await;
    let before = verdicts.until(|verdict| verdict.sequence > 100).await;
    daemon.signal("KILL");
    assert_eq!(daemon.wait_for_end().code(), None);
    while verdicts.event().await.is_ok() {}

    // The old clients reconnect to the new daemon.
    let daemon = site.start_with(&variables);
    let status = line.get_status(GetStatusRequest {}).await;
    let status = status
        .expect("a daemon")
        .into_inner()
        .status
        .expect("a status");
    assert_ne!(status.run_id, before.run_id);
    let deadline = Instant::now() + PATIENCE;
    let first = loop {
        let request = GetEvidenceRequest {
            sequence: 1,
            format: 0,
            ..GetEvidenceRequest::default()
        };
        match client.get_evidence(request).await {
            Ok(first) => break first,
            // The first frame may not have been judged yet.
            Err(status) => assert!(
                status.code() == Code::NotFound && Instant::now() < deadline,
                "{status}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let first = first.into_inner().verdict.expect("a verdict");
    assert_eq!((first.sequence, first.frame_id), (1, 1));
    assert_eq!(first.run_id, status.run_id);
    assert_eq!(daemon.page("/healthz").0, 200);
    daemon.stop();
}
