//! Capture processes that crash, hang or are left alone, while other cameras continue.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use inspectd_client::proto::{Decision, FaultReason};
use inspectd_test_support::{onnx_runtime, require};

use crate::harness::{Daemon, PATIENCE, Site, Verdicts, wait};
use crate::mjpeg::{Mood, Server};

#[path = "../../src/camera/tests/rtsp.rs"]
mod rtsp;

/// A camera without a process of its own, which never fails.
const BELT: &str = "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 5\n\
                    mode = \"triggered\"\n";

fn site(cameras: &str) -> Site {
    let site = Site::new(&format!("{BELT}{cameras}"));
    site.pictures("pictures", &[("a.png", 128)]);
    site
}

/// The processes that a process has started.
fn children(process: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Vec::new();
    };
    let of_thread = |thread: std::io::Result<fs::DirEntry>| {
        fs::read_to_string(thread.ok()?.path().join("children")).ok()
    };
    let lists: Vec<String> = threads.filter_map(of_thread).collect();
    let ids = lists.iter().flat_map(|list| list.split_whitespace());
    ids.map(|id| id.parse().expect("a process id")).collect()
}

/// The only capture process of a daemon. On a busy machine an earlier one may still be ending.
fn capture(daemon: &Daemon) -> u32 {
    let mut found = Vec::new();
    wait("one capture process", || {
        found = children(daemon.id());
        found.len() == 1
    });
    found[0]
}

fn signal(process: u32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status();
    assert!(status.expect("kill").success());
}

/// A process that exists and is not a zombie.
fn runs(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

/// Waits for a PASS of the network camera; the other one must not have missed a frame.
async fn pass(verdicts: &mut Verdicts, belt: &mut Option<u64>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let verdict = verdicts.next().await;
        if verdict.camera_id == "belt" {
            assert_eq!(verdict.decision(), Decision::Pass, "{verdict:?}");
            let last = belt.replace(verdict.frame_id);
            assert!(
                last.is_none_or(|last| last + 1 == verdict.frame_id),
                "{last:?}, {verdict:?}"
            );
        } else if verdict.decision() == Decision::Pass {
            return;
        }
        assert!(Instant::now() < deadline, "the camera does not return");
    }
}

/// More often than the number of threads that a camera may leave behind.
const TIMES: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn camera_whose_process_hangs_or_crashes_is_opened_again_each_time() {
    require!(onnx_runtime());
    let server = Server::start(Mood::Serves);
    let site = site(&server.camera("net"));
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let mut belt = None;
    for time in 0..TIMES {
        pass(&mut verdicts, &mut belt).await;
        let process = capture(&daemon);
        let (name, expected) = if time % 2 == 0 {
            ("STOP", FaultReason::CameraStalled)
        } else {
            ("ABRT", FaultReason::CameraLost)
        };
        signal(process, name);
        let fault = verdicts.fault(expected).await.fault.expect("a fault");
        if name == "ABRT" {
            let message = &fault.message;
            assert!(
                message.contains("ended unexpectedly (signal: 6"),
                "{message}"
            );
        }
        belt = None;
        pass(&mut verdicts, &mut belt).await;
        wait("the end of the process", || !runs(process));
    }
    let log = daemon.stop();
    assert!(
        !log.iter().any(|line| line.contains("abandoned")),
        "{log:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn stream_that_does_not_answer_does_not_delay_the_opening_of_another() {
    require!(onnx_runtime());
    let (silent, serves) = (Server::start(Mood::Silent), Server::start(Mood::Serves));
    let patient = format!("{}open_timeout_s = 120\n", silent.camera("a-silent"));
    let site = site(&format!("{patient}{}", serves.camera("net")));
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let net = |verdict: &inspectd_client::proto::Verdict| verdict.camera_id == "net";
    let verdict = verdicts.until(net).await;
    assert_eq!(verdict.decision(), Decision::Pass, "{verdict:?}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn frame_whose_packets_are_lost_over_udp_is_a_fault() {
    require!(onnx_runtime());
    // It offers TCP, too, over which nothing is lost.
    let url = rtsp::start(true, true, true);
    let site = site(&format!(
        "[cameras.net]\nsource = \"url\"\nurl = \"{url}\"\nrtsp_transport = \"udp\"\nallow_upscaling = true\n\
         mode = \"triggered\"\nqueue = 64\ncheck.frozen_after = 0\nreopen_after_s = 0.1\n"
    ));
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    pass(&mut verdicts, &mut None).await;
    let fault = verdicts.fault(FaultReason::CorruptFrame).await.fault;
    let message = fault.expect("a fault").message;
    assert!(message.contains("RTP: missed 1 packets"), "{message}");
    // The stream is opened again.
    pass(&mut verdicts, &mut None).await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn capture_process_ends_with_a_killed_daemon() {
    require!(onnx_runtime());
    let server = Server::start(Mood::Serves);
    let site = site(&server.camera("net"));
    let daemon = site.start();
    pass(&mut daemon.verdicts().await, &mut None).await;
    let process = capture(&daemon);
    assert!(runs(process));
    // Killed.
    drop(daemon);
    wait("the end of the capture process", || !runs(process));
}

#[test]
fn capture_process_that_a_person_starts_explains_itself() {
    let output = Command::new(env!("CARGO_BIN_EXE_inspectd"))
        .arg("capture")
        .output();
    let output = output.expect("a started program");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("the daemon starts it"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn stopping_does_not_wait_for_a_process_that_hangs() {
    require!(onnx_runtime());
    let server = Server::start(Mood::Serves);
    let patient = server
        .camera("net")
        .replace("read_timeout_s = 1", "read_timeout_s = 60");
    let site = site(&patient);
    let daemon = site.start();
    pass(&mut daemon.verdicts().await, &mut None).await;
    let process = capture(&daemon);
    signal(process, "STOP");
    tokio::time::sleep(Duration::from_millis(300)).await;
    daemon.stop();
    wait("the end of the capture process", || !runs(process));
}
