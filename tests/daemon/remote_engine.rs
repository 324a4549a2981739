//! A server that runs the model, with the local engine in its place: the daemon with a real Triton.

mod triton;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use inspectd_client::proto::{self, Decision};
use inspectd_test_support::{onnx_runtime, require, triton};

use crate::harness::{CELLS, Daemon, Site, Verdicts, ends};
use triton::{Triton, export, free_port};

/// Grey levels of the pictures; with the threshold 0.6, the brightest one is a REJECT.
const PICTURES: [(&str, u8); 3] = [("a.png", 60), ("b.png", 130), ("c.png", 200)];

const BELT: &str = "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 25\n\
                    mode = \"triggered\"\ndeadline_ms = 2000\n";

/// A site whose model is to be run by a server at `port`.
fn site(port: u16, keys: &str) -> Site {
    let site = Site::new("");
    site.pictures("pictures", &PICTURES);
    configure(&site, port, keys);
    site
}

fn configure(site: &Site, port: u16, keys: &str) {
    let top = format!(
        "[journal]\nfolder = \"journal\"\n[engine.remote]\nurl = \"http://127.0.0.1:{port}\"\n{keys}\n"
    );
    site.configure(&top, BELT);
}

fn by_server(verdict: &proto::Verdict) -> bool {
    verdict.provider == "kserve"
}

fn alarm(status: &proto::Status) -> Option<&proto::Alarm> {
    status
        .alarms
        .iter()
        .find(|alarm| alarm.kind == "remote_unused")
}

/// The next verdicts, none of which may be a FAULT.
async fn next(verdicts: &mut Verdicts, count: usize) -> Vec<proto::Verdict> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let verdict = verdicts.next().await;
        assert_ne!(verdict.decision(), Decision::Fault, "{verdict:?}");
        taken.push(verdict);
    }
    taken
}

/// Waits for a verdict of the server; until then, none may be a FAULT.
async fn until_by_server(verdicts: &mut Verdicts) {
    let verdict = verdicts
        .until(|verdict| verdict.decision() == Decision::Fault || by_server(verdict))
        .await;
    assert_ne!(verdict.decision(), Decision::Fault, "{verdict:?}");
}

/// Decision and score of each picture.
fn results(verdicts: &[proto::Verdict]) -> BTreeMap<String, (Decision, f64)> {
    let result = |verdict: &proto::Verdict| {
        let score = verdict.score.as_ref().expect("a score");
        let result = (verdict.decision(), f64::from(score.value));
        (verdict.source_item.clone(), result)
    };
    verdicts.iter().map(result).collect()
}

async fn verdicts_of(
    daemon: &Daemon,
    count: usize,
    wanted: impl Fn(&proto::Verdict) -> bool,
) -> Vec<proto::Verdict> {
    let mut verdicts = daemon.verdicts().await;
    let mut found = Vec::new();
    while found.len() < count {
        found.push(verdicts.until(&wanted).await);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_of_the_server_equal_those_of_the_local_engine_and_name_the_provider() {
    require!(onnx_runtime());
    let installed = require!(triton());
    let port = free_port();
    let site = site(port, "");
    export(&site, "models");
    let daemon = site.start();
    let local = results(&verdicts_of(&daemon, 6, |verdict| verdict.provider == "cpu").await);
    assert_eq!(local.len(), PICTURES.len(), "{local:?}");
    let _server = Triton::start(&installed, &site.path("models"), port);
    let judged = verdicts_of(&daemon, 9, by_server).await;
    for (item, (decision, score)) in results(&judged) {
        let (expected, local) = local[&item];
        assert_eq!(decision, expected, "{item}");
        assert!((score - local).abs() < 1e-5, "{item}: {score} {local}");
    }
    let status = daemon
        .status_when("used", |status| alarm(status).is_none())
        .await;
    let engine = status.engine.expect("an engine");
    assert_eq!(engine.provider, "kserve");
    assert_eq!(engine.requested_provider, "kserve");
    assert_eq!(engine.fallback_reason, "");
    let (_, metrics) = daemon.page("/metrics");
    let used = "inspectd_remote_runs_total{result=\"used\"} ";
    let used = metrics.lines().find_map(|line| line.strip_prefix(used));
    assert!(
        used.and_then(|used| used.parse::<u64>().ok()) >= Some(9),
        "{metrics}"
    );
    assert!(
        metrics.contains("inspectd_remote_seconds_bucket"),
        "{metrics}"
    );
    // The journal has what was streamed.
    let first = judged[0].sequence;
    let request = proto::StreamVerdictsRequest {
        start: Some(proto::stream_verdicts_request::Start::FromSequence(first)),
        ..Default::default()
    };
    let stored = daemon.filtered(request).await.next().await;
    assert_eq!(
        (stored.sequence, stored.provider.as_str()),
        (first, "kserve")
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_server_is_replaced_at_once_and_used_again_after_its_restart() {
    require!(onnx_runtime());
    let installed = require!(triton());
    let port = free_port();
    let site = site(port, "");
    export(&site, "models");
    let mut server = Triton::start(&installed, &site.path("models"), port);
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    until_by_server(&mut verdicts).await;
    server.kill();
    let after = next(&mut verdicts, 40).await;
    assert!(
        after
            .iter()
            .rev()
            .take(20)
            .all(|verdict| verdict.provider == "cpu"),
        "{after:?}"
    );
    let status = daemon
        .status_when("an alarm", |status| alarm(status).is_some())
        .await;
    let engine = status.engine.expect("an engine");
    assert_eq!(
        (engine.provider.as_str(), engine.requested_provider.as_str()),
        ("cpu", "kserve")
    );
    assert!(
        engine
            .fallback_reason
            .contains("the local engine runs the model"),
        "{engine:?}"
    );
    drop(server);
    let _server = Triton::start(&installed, &site.path("models"), port);
    until_by_server(&mut verdicts).await;
    daemon
        .status_when("no alarm", |status| alarm(status).is_none())
        .await;
    daemon.stop();
}

/// Stops the server without ending its connections, while it is used with these settings. Returns the longest time from a capture
/// to its verdict after that.
async fn stopped(installed: &Path, keys: &str) -> Duration {
    let port = free_port();
    let site = site(port, keys);
    export(&site, "models");
    let server = Triton::start(installed, &site.path("models"), port);
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    until_by_server(&mut verdicts).await;
    server.signal("STOP");
    let after = next(&mut verdicts, 90).await;
    assert!(
        after
            .iter()
            .rev()
            .take(30)
            .all(|verdict| verdict.provider == "cpu"),
        "{after:?}"
    );
    let status = daemon
        .status_when("an alarm", |status| alarm(status).is_some())
        .await;
    let total = |verdict: &proto::Verdict| {
        let total = verdict.timings.as_ref().and_then(|timings| timings.total);
        Duration::try_from(total.expect("a time")).expect("a duration")
    };
    let longest = after.iter().map(total).max();
    let message = &alarm(&status).expect("an alarm").message;
    assert!(message.contains("no answer within"), "{message}");
    server.signal("CONT");
    until_by_server(&mut verdicts).await;
    daemon.stop();
    longest.expect("verdicts")
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_server_is_hedged_within_the_deadline() {
    require!(onnx_runtime());
    let installed = require!(triton());
    let longest = stopped(&installed, "timeout_ms = 1500\nhedge_after_ms = 20").await;
    // Without the local engine after 20 ms, it would be the time limit.
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_server_without_hedging_costs_the_time_limit_and_no_frame() {
    require!(onnx_runtime());
    let installed = require!(triton());
    let longest = stopped(&installed, "timeout_ms = 150").await;
    assert!(longest > Duration::from_millis(100), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_under_the_same_name_is_never_used() {
    require!(onnx_runtime());
    let installed = require!(triton());
    let port = free_port();
    let site = site(port, "");
    let folder = export(&site, "models");
    let mut server = Triton::start(&installed, &site.path("models"), port);
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    until_by_server(&mut verdicts).await;
    server.kill();
    drop(server);
    next(&mut verdicts, 20).await;
    // Its levels are divided by 510 instead of 255: a bad part would pass.
    let position = CELLS
        .windows(4)
        .position(|bytes| bytes == 255_f32.to_le_bytes());
    let position = position.expect("the constant");
    let mut graph = CELLS.to_vec();
    graph[position..position + 4].copy_from_slice(&510_f32.to_le_bytes());
    fs::write(folder.join("1/model.onnx"), graph).expect("written");
    let _server = Triton::start(&installed, &site.path("models"), port);
    let refused = |status: &proto::Status| {
        alarm(status).is_some_and(|alarm| alarm.message.contains("it runs another model"))
    };
    let status = daemon.status_when("refused", refused).await;
    assert_eq!(status.state(), proto::LineState::Degraded);
    let after = next(&mut verdicts, 30).await;
    for verdict in &after {
        assert_eq!(verdict.provider, "cpu");
        let expected = if verdict.source_item == "c.png" {
            Decision::Reject
        } else {
            Decision::Pass
        };
        assert_eq!(verdict.decision(), expected, "{verdict:?}");
    }
    daemon.stop();
}

#[test]
fn wrong_address_and_impossible_times_are_refused_by_check() {
    require!(onnx_runtime());
    let site = site(1, "");
    let check = |expected: i32, text: &str| {
        let (code, printed) = ends(site.command().arg("check"));
        assert_eq!(code, expected, "{printed}");
        assert!(printed.contains(text), "{printed}");
        assert_eq!(
            printed.trim_end().lines().count(),
            usize::from(expected != 0),
            "{printed}"
        );
    };
    check(0, "");
    configure(&site, 1, "timeout_ms = 2000");
    check(
        78,
        "engine.remote.timeout_ms: 2000, must be below cameras.belt.deadline_ms = 2000",
    );
    configure(&site, 1, "hedge_after_ms = 100");
    check(
        78,
        "engine.remote.hedge_after_ms: 100, must be below timeout_ms = 100",
    );
    site.configure("[engine.remote]\nurl = \"triton:8001\"", BELT);
    check(
        78,
        "engine.remote.url: \"triton:8001\", must be http://HOST:PORT or https://HOST:PORT",
    );
    site.configure(
        "[engine.remote]\nurl = \"https://triton:8001\"\nca = \"missing.pem\"",
        BELT,
    );
    check(78, "engine.remote: ");
}
