//! Cameras that are lost, stall, or are faster than the pipeline, while other cameras continue.

use std::time::{Duration, Instant};

use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    CameraState, Decision, Fault, FaultReason, LineState, TriggerInspectionRequest, Verdict,
};
use inspectd_test_support::{onnx_runtime, require};

use crate::ctl::{inspectctl, run};
use crate::harness::{Daemon, Site, Verdicts};
use crate::inquiry::{camera, ended, frames, last_counts};
use crate::mjpeg::{Mood, Server, jpeg};

/// Frames of [`VIDEO`].
const FRAMES: u64 = 75;

/// Grey noise in H.264, with an intact picture in each second.
const VIDEO: &[u8] = include_bytes!("testdata/h264.mp4");

/// The bytes of frame 31 of [`VIDEO`].
const FRAME: std::ops::Range<usize> = 2897..2925;

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
    tokio::time::sleep(Duration::from_secs(1)).await;

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
        "{}mode = \"requested\"\nlatency_ms = 10\n{rest}",
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
async fn jpeg_that_is_cut_short_is_a_fault() {
    require!(onnx_runtime());
    let server = Server::start(Mood::Serves);
    let site = Site::new(&format!(
        "{}mode = \"triggered\"\ncheck.frozen_after = 0\n",
        server
            .camera("net")
            .replace("read_timeout_s = 1", "read_timeout_s = 60")
    ));
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    verdicts
        .until(|verdict| verdict.decision() == Decision::Pass)
        .await;
    server.set(Mood::OnDemand);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut verdicts = daemon.verdicts().await;
    let whole = jpeg(128);
    for part in [
        &whole[..],
        &whole[..whole.len() / 2],
        &whole[..whole.len() - 2],
        &whole[..],
    ] {
        server.send(part.to_vec());
    }
    let mut decisions = Vec::new();
    for _ in 0..4 {
        let verdict = verdicts.until(|verdict| verdict.frame_id > 0).await;
        decisions.push(
            verdict
                .fault
                .map_or(FaultReason::Unspecified, |fault| fault.reason()),
        );
    }
    let (good, corrupt) = (FaultReason::Unspecified, FaultReason::CorruptFrame);
    assert_eq!(decisions, [good, corrupt, corrupt, good]);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pipeline_with_16_bits_is_scaled_by_its_bit_depth() {
    require!(onnx_runtime());
    let pipeline = |id: &str, rest: &str| {
        format!(
            "[cameras.{id}]\nsource = \"gstreamer\"\nallow_upscaling = true\npipeline = \"videotestsrc pattern=white \
             ! video/x-raw,format=GRAY16_LE,width=64,height=48 ! appsink\"\n{rest}"
        )
    };
    let site = Site::new(&format!(
        "{}{}",
        pipeline("full", ""),
        pipeline("ten", "bit_depth = 10\n")
    ));
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let white = verdicts
        .until(|verdict| verdict.camera_id == "full" && verdict.frame_id > 0)
        .await;
    assert_eq!((white.width, white.height), (64, 48), "{white:?}");
    let score = white.score.expect("judged").value;
    assert!(score > 0.9, "{score}");
    let refused = |status: &_| camera(status, "ten").last_error.contains("bit_depth = 10");
    daemon
        .status_when("a pixel of more than 10 bits", refused)
        .await;
    daemon.stop();
}

/// A network camera whose frames only the test sends.
async fn on_demand(rest: &str) -> (Server, Site, Daemon) {
    let server = Server::start(Mood::Serves);
    let site = Site::new(&format!(
        "{}check.frozen_after = 0\n{rest}",
        server
            .camera("net")
            .replace("read_timeout_s = 1", "read_timeout_s = 60")
    ));
    let daemon = site.start();
    let running = |status: &_| camera(status, "net").state() == CameraState::Running;
    daemon.status_when("a running camera", running).await;
    server.set(Mood::OnDemand);
    tokio::time::sleep(Duration::from_secs(1)).await;
    (server, site, daemon)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frame_exposed_before_a_request_is_not_taken_for_it() {
    require!(onnx_runtime());
    let (server, _site, daemon) = on_demand("mode = \"requested\"\nlatency_ms = 500\n").await;
    let mut client = daemon.inspection().await;
    let request = TriggerInspectionRequest {
        target: Some(Target::CameraId("net".to_owned())),
        wait: true,
        ..TriggerInspectionRequest::default()
    };
    let asked = Instant::now();
    let answer = tokio::spawn(async move { client.trigger_inspection(request).await });
    // The scene before the request: delivered within the latency of the stream.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.send(jpeg(128));
    }
    tokio::time::sleep_until((asked + Duration::from_millis(900)).into()).await;
    server.send(jpeg(250));
    let answer = answer.await.expect("no panic").expect("accepted");
    let verdict = answer.into_inner().verdict.expect("a verdict");
    assert_eq!(verdict.decision(), Decision::Reject, "{verdict:?}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inspectctl_measures_the_latency_of_a_camera() {
    require!(onnx_runtime());
    let (server, site, daemon) = on_demand("").await;
    let switch = site.path("switch.sh");
    let text = format!("#!/bin/sh\necho >> {}\n", site.path("light").display());
    std::fs::write(&switch, text).expect("written");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&switch, executable).expect("executable");
    // A stream that shows a change of the light 300 ms late.
    let light = site.path("light");
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let scene = std::thread::spawn(move || {
        let mut shown = 0;
        while end.recv_timeout(Duration::from_millis(40)).is_err() {
            let changes = std::fs::read(&light).unwrap_or_default().len();
            if changes != shown {
                std::thread::sleep(Duration::from_millis(300));
                shown = changes;
            }
            server.send(jpeg(if shown % 2 == 0 { 60 } else { 140 }));
        }
    });
    let line = "camera latency net --repeat 2 --command";
    let mut command = inspectctl(&daemon);
    let finished = run(command.args(line.split(' ')).arg(&switch), 0);
    ended.send(()).expect("it runs");
    scene.join().expect("no panic");
    let text = finished.stdout();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("latency_ms = "));
    let latency: u64 = value.expect("a value").parse().expect("a number");
    assert!((300..3000).contains(&latency), "{text}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn frames_of_damaged_video_data_are_faults() {
    require!(onnx_runtime());
    let camera = "[cameras.video]\nsource = \"file\"\npath = \"video.mp4\"\npace = \"fast\"\nmode = \"triggered\"\n";
    for damaged in [false, true] {
        let site = Site::new(camera);
        let mut video = VIDEO.to_vec();
        if damaged {
            video[FRAME.start + FRAME.len() / 2..FRAME.end].fill(0);
        }
        std::fs::write(site.path("video.mp4"), video).expect("written");
        let daemon = site.start();
        let done = |status: &_| ended(&frames(status, "video")) == FRAMES;
        let status = daemon.status_when("ended", done).await;
        let frames = frames(&status, "video");
        if damaged {
            // Threads of the decoder report the damage up to some frames before it.
            assert!((10..=31).contains(&frames.judged), "{frames:?}");
            daemon.wait_for_log("the data are damaged");
        } else {
            assert_eq!(frames.faulted, 0, "{frames:?}");
        }
        daemon.stop();
    }
}

/// A video of 60 pictures in two slices each, of which only the first picture is intra-coded. Each unit follows a start
/// code.
const LONG_VIDEO: &[u8] = include_bytes!("testdata/long.h264");

/// What begins a unit of a video.
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The video without some of its slices.
fn without(missing: &std::ops::Range<usize>) -> Vec<u8> {
    let starts =
        (0..LONG_VIDEO.len()).filter(|&index| LONG_VIDEO[index..].starts_with(&START_CODE));
    let starts: Vec<_> = starts.chain([LONG_VIDEO.len()]).collect();
    let units = starts.windows(2).map(|pair| &LONG_VIDEO[pair[0]..pair[1]]);
    let mut slices = 0..;
    let kept = units.filter(|unit| {
        let is_slice = matches!(unit[START_CODE.len()] & 31, 1 | 5);
        !is_slice || slices.next().is_some_and(|slice| !missing.contains(&slice))
    });
    kept.flatten().copied().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn frames_made_of_pictures_or_slices_that_are_missing_are_faults() {
    require!(onnx_runtime());
    let camera = "[cameras.video]\nsource = \"file\"\npath = \"video.h264\"\npace = \"fast\"\nmode = \"triggered\"\n";
    for (missing, pictures) in [(0..0, 60), (41..42, 60), (40..42, 59)] {
        let site = Site::new(camera);
        std::fs::write(site.path("video.h264"), without(&missing)).expect("written");
        let daemon = site.start();
        let done = |status: &_| ended(&frames(status, "video")) == pictures;
        let status = daemon.status_when("ended", done).await;
        let frames = frames(&status, "video");
        if missing.is_empty() {
            assert_eq!(frames.faulted, 0, "{frames:?}");
        } else {
            // Threads of the decoder report the loss up to some frames before it.
            assert!((5..=20).contains(&frames.judged), "{missing:?} {frames:?}");
            daemon.wait_for_log("the data are damaged");
        }
        daemon.stop();
    }
}
