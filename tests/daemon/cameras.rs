//! Cameras that are lost, stall, or are faster than the pipeline, while other cameras continue.

use std::process::Command;

use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    CameraState, Decision, Fault, FaultReason, LineState, TriggerInspectionRequest, Verdict,
};
use inspectd_test_support::{onnx_runtime, reference_data, require};

use crate::harness::{Site, Verdicts};
use crate::inquiry::{camera, ended, frames, last_counts};
use crate::mjpeg::{Mood, Server};

/// A camera that never fails.
const BELT: &str = "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 20\n\
                    mode = \"triggered\"\n";

/// A site with the camera that never fails and a network camera.
fn site(server: &Server) -> Site {
    let site = Site::new(&format!("{BELT}{}", server.camera("net")));
    site.pictures("pictures", &[("a.png", 128)]);
    site
}

/// Reads verdicts of both cameras, and sorts them.
struct Reader {
    verdicts: Verdicts,
    belt: Vec<u64>,
    faults: Vec<FaultReason>,
}

impl Reader {
    fn new(verdicts: Verdicts) -> Self {
        Self {
            verdicts,
            belt: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// The next verdict of the network camera.
    async fn net(&mut self) -> Verdict {
        loop {
            let verdict = self.verdicts.next().await;
            if verdict.camera_id == "net" {
                let fault = verdict.fault.as_ref();
                self.faults.extend(fault.map(Fault::reason));
                return verdict;
            }
            assert_eq!(verdict.decision(), Decision::Pass, "{verdict:?}");
            self.belt.push(verdict.frame_id);
        }
    }

    async fn pass(&mut self) -> Verdict {
        loop {
            let verdict = self.net().await;
            if verdict.decision() == Decision::Pass {
                return verdict;
            }
        }
    }

    async fn fault(&mut self) -> Verdict {
        loop {
            let verdict = self.net().await;
            if verdict.decision() == Decision::Fault {
                return verdict;
            }
        }
    }

    /// Asserts that the other camera's frames have no gap.
    fn assert_the_belt_went_on(&self) {
        assert!(self.belt.len() > 10, "{:?}", self.belt);
        let follow = |pair: &[u64]| pair[1] == pair[0] + 1;
        assert!(self.belt.windows(2).all(follow), "{:?}", self.belt);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn lost_camera_is_one_fault_until_it_returns() {
    require!(onnx_runtime());
    let server = Server::start(Mood::Serves);
    let site = site(&server);
    let daemon = site.start_with(&[("INSPECTD__CAMERAS__NET__REOPEN_AFTER_MAX_S", "0.1")]);
    let mut reader = Reader::new(daemon.verdicts().await);
    reader.pass().await;

    server.set(Mood::Gone);
    let lost = reader.fault().await;
    assert_eq!((lost.frame_id, lost.width, lost.batch_size), (0, 0, 0));
    let reason = lost.fault.expect("a fault");
    assert!(!reason.message.is_empty());
    let away = |status: &_| camera(status, "net").state() == CameraState::Waiting;
    let status = daemon.status_when("waiting", away).await;
    assert_eq!(status.state(), LineState::Degraded);
    assert_eq!(camera(&status, "net").last_error, reason.message);
    assert_eq!(camera(&status, "belt").state(), CameraState::Running);
    daemon.serves_when("camera/net", false).await;
    assert!(daemon.serves("camera/belt").await.expect("known"));
    assert!(daemon.serves("").await.expect("known"));
    // Ten further attempts to open it are no further faults.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;

    server.set(Mood::Serves);
    let back = reader.pass().await;
    assert!(back.frame_id > 1, "the count goes on: {back:?}");
    let running = |status: &_| camera(status, "net").state() == CameraState::Running;
    let status = daemon.status_when("running", running).await;
    assert_eq!(status.state(), LineState::Running);
    assert_eq!(camera(&status, "net").opened, 2);
    daemon.serves_when("camera/net", true).await;
    reader.pass().await;
    assert_eq!(reader.faults, [FaultReason::CameraLost]);
    reader.assert_the_belt_went_on();
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn stalled_camera_is_a_fault_and_is_reopened() {
    require!(onnx_runtime());
    let server = Server::start(Mood::Serves);
    let site = site(&server);
    let daemon = site.start();
    let mut reader = Reader::new(daemon.verdicts().await);
    reader.pass().await;
    server.set(Mood::Silent);
    let stalled = reader.fault().await.fault.expect("a fault");
    assert_eq!(stalled.message, "no frame within 1s");
    server.set(Mood::Serves);
    reader.pass().await;
    assert_eq!(reader.faults, [FaultReason::CameraStalled]);
    reader.assert_the_belt_went_on();
    daemon.stop();
}

/// Inference waits for a second frame, so that more frames arrive than the queue holds.
const SLOW: &str = "[engine]\nbatch_limit = 2\nbatch_window_ms = 300\n";

/// A daemon that cannot keep up with its camera.
fn overrun(mode: &str) -> Site {
    let site = Site::new("");
    let camera =
        "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 50\n";
    site.configure(SLOW, &format!("{camera}{mode}"));
    site.pictures("pictures", &[("a.png", 128)]);
    site
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn triggered_frame_without_queue_space_is_a_fault() {
    require!(onnx_runtime());
    let site = overrun("mode = \"triggered\"\nqueue = 1\n");
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let first = verdicts.fault(FaultReason::Overflow).await.frame_id;
    let mut seen = Vec::new();
    for _ in 0..100 {
        let verdict = verdicts.next().await;
        match verdict.fault {
            None => assert_eq!(verdict.decision(), Decision::Pass),
            Some(fault) => assert_eq!(fault.reason(), FaultReason::Overflow),
        }
        seen.extend((verdict.frame_id > first).then_some(verdict.frame_id));
    }
    // Every frame has its verdict; the verdict of a queued frame is later than that of a shed one.
    seen.sort_unstable();
    let whole: Vec<u64> = (first + 1..).take(50).collect();
    assert_eq!(seen[..50], whole);
    let counts = last_counts(&daemon.stop())["belt"];
    assert_eq!(ended(&counts), counts.captured);
    assert!(counts.judged > 0 && counts.faulted > 0, "{counts:?}");
    assert_eq!(counts.skipped, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn free_running_camera_skips_frames_of_a_busy_pipeline() {
    require!(onnx_runtime());
    let site = overrun("");
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let verdict = verdicts.next().await;
        assert_eq!(verdict.decision(), Decision::Pass);
        seen.push(verdict.frame_id);
    }
    let gap = |pair: &[u64]| pair[1] > pair[0] + 1;
    assert!(seen.windows(2).any(gap), "{seen:?}");
    assert!(frames(&daemon.status().await, "belt").skipped > 0);
    let counts = last_counts(&daemon.stop())["belt"];
    assert_eq!(ended(&counts), counts.captured);
    assert_eq!(counts.faulted, 0);
}

/// Decisions of six parts that a network camera sees as the same picture.
async fn same_picture(rest: &str) -> Vec<(Decision, Option<FaultReason>)> {
    let server = Server::start(Mood::Serves);
    let site = Site::new(&format!(
        "{}mode = \"requested\"\n{rest}",
        server.camera("net")
    ));
    let daemon = site.start();
    let running = |status: &_| camera(status, "net").state() == CameraState::Running;
    daemon.status_when("a running camera", running).await;
    let mut client = daemon.inspection().await;
    let mut decisions = Vec::new();
    for _ in 0..6 {
        let request = TriggerInspectionRequest {
            target: Some(Target::CameraId("net".to_owned())),
            wait: true,
            ..TriggerInspectionRequest::default()
        };
        let answer = client.trigger_inspection(request).await.expect("accepted");
        let verdict = answer.into_inner().verdict.expect("a verdict");
        decisions.push((
            verdict.decision(),
            verdict.fault.as_ref().map(Fault::reason),
        ));
    }
    daemon.stop();
    decisions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn frozen_picture_passes_two_requested_parts_at_most() {
    require!(onnx_runtime());
    let decisions = same_picture("").await;
    let pass = (Decision::Pass, None);
    let frozen = (Decision::Fault, Some(FaultReason::Frozen));
    assert_eq!(decisions, [pass, pass, frozen, frozen, frozen, frozen]);
    let decisions = same_picture("check.frozen_after = 0\n").await;
    assert_eq!(decisions, [pass; 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pipe_in_the_place_of_a_video_does_not_stop_other_cameras() {
    require!(onnx_runtime());
    let site = Site::new(
        "[cameras.pipe]\nsource = \"file\"\npath = \"pipe\"\nopen_timeout_s = 1\nreopen_after_s = 0.1\n\
         reopen_after_max_s = 0.2\n[cameras.video]\nsource = \"file\"\npath = \"video.mp4\"\nrepeat = true\n\
         allow_upscaling = true\n",
    );
    let video = reference_data("video/rotated90.mp4");
    std::fs::copy(&video, site.path("video.mp4")).expect("a copy");
    let made = Command::new("mkfifo").arg(site.path("pipe")).status();
    assert!(made.expect("mkfifo starts").success());
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    daemon.wait_for_log("not a regular file");
    verdicts
        .until(|verdict| verdict.camera_id == "video" && verdict.frame_id > 1)
        .await;
    std::fs::remove_file(site.path("pipe")).expect("removed");
    std::fs::copy(&video, site.path("pipe")).expect("a copy");
    verdicts
        .until(|verdict| verdict.camera_id == "pipe" && verdict.frame_id > 0)
        .await;
    daemon.stop();
}
