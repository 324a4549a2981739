//! A collector that is away, hangs or comes back. Inspection does not notice it.

use std::time::Duration;

use inspectd_client::proto::Verdict;
use inspectd_test_support::{onnx_runtime, require};

use super::receiver::{ReceivedSpan, Receiver};
use crate::harness::{Daemon, Site};

/// Verdicts of one belt of 100 frames per second.
const VERDICTS: usize = 300;

fn belt(traces: &str) -> Site {
    let site = Site::new("");
    site.pictures("pictures", &[("a.png", 128), ("b.png", 220)]);
    let camera = "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 100\nmode = \"triggered\"\n\
                  queue = 1024\ncheck.frozen_after = 0\n";
    site.configure(
        &format!("[journal]\nfolder = \"journal\"\n{traces}"),
        camera,
    );
    site
}

/// What clients see of the line: sequences without a gap, each frame judged, decisions in turns.
async fn check_line(daemon: &Daemon) {
    let mut verdicts = daemon.verdicts().await;
    let mut previous: Option<Verdict> = None;
    for _ in 0..VERDICTS {
        let verdict = verdicts.next().await;
        assert_eq!(verdict.fault, None);
        if let Some(previous) = &previous {
            assert_eq!(verdict.sequence, previous.sequence + 1);
            assert_eq!(verdict.frame_id, previous.frame_id + 1);
            assert_ne!(verdict.decision, previous.decision);
        }
        previous = Some(verdict);
    }
    let status = daemon.status().await;
    let frames = status.cameras[0].frames.expect("counts");
    assert_eq!((frames.skipped, frames.faulted, frames.late), (0, 0, 0));
}

/// The value of a metric without labels.
fn metric(daemon: &Daemon, name: &str) -> f64 {
    let (_, text) = daemon.page("/metrics");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    let line = line.unwrap_or_else(|| panic!("{name} is not in {text}"));
    line.parse().expect("a number")
}

fn warnings(log: &[String]) -> usize {
    let is = |line: &&String| line.contains("spans are not sent to the collector");
    log.iter().filter(is).count()
}

fn until_dropped(daemon: &Daemon) {
    crate::harness::wait("dropped spans", || {
        metric(daemon, "inspectd_spans_dropped_total") > 0.0
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collector_that_is_away_costs_one_warning_and_its_return_is_noticed() {
    require!(onnx_runtime());
    let mut receiver = Receiver::start().await;
    receiver.stop().await;
    let site = belt(&super::traces(&receiver, "timeout_s = 0.5\n"));
    let daemon = site.start();
    check_line(&daemon).await;
    until_dropped(&daemon);
    assert!(metric(&daemon, "inspectd_spans_sent_total") < 0.5);
    receiver.restart().await;
    daemon.wait_for_log("spans are sent to the collector again");
    check_line(&daemon).await;
    receiver.when("traces", |spans| !spans.is_empty()).await;

    // Away a second time, while the connection is in use.
    receiver.stop().await;
    check_line(&daemon).await;
    let before = receiver.spans().len();
    receiver.restart().await;
    receiver
        .when("more traces", |spans| spans.len() > before)
        .await;
    let log = daemon.stop();
    assert_eq!(warnings(&log), 1, "{log:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collector_that_hangs_does_not_change_the_verdicts_and_does_not_delay_the_stop() {
    require!(onnx_runtime());
    let receiver = Receiver::start().await;
    receiver.hang(true);
    let site = belt(&super::traces(&receiver, "timeout_s = 1\n"));
    let daemon = site.start();
    check_line(&daemon).await;
    until_dropped(&daemon);
    receiver.hang(false);
    receiver.when("traces", |spans| !spans.is_empty()).await;
    receiver.hang(true);
    check_line(&daemon).await;
    let asked = std::time::Instant::now();
    let log = daemon.stop();
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(warnings(&log), 1, "{log:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_spans_are_sent_before_the_daemon_ends() {
    require!(onnx_runtime());
    let receiver = Receiver::start().await;
    let site = belt(&super::traces(&receiver, ""));
    let daemon = site.start();
    check_line(&daemon).await;
    let log = daemon.stop();
    let ended = log
        .iter()
        .find(|line| line.contains("\"message\":\"ended\""));
    let ended: serde_json::Value = serde_json::from_str(ended.expect("counts")).expect("JSON");
    let judged = ended["judged"].as_u64().expect("a count");
    let spans = receiver.spans();
    let roots = |span: &&ReceivedSpan| span.span.name == "inspect";
    assert_eq!(spans.iter().filter(roots).count() as u64, judged);
}
