//! What cameras read and report: files of other kinds, passwords, pictures before the first request.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    Decision, Fault, FaultReason, ListVerdictsRequest, StreamVerdictsRequest,
    TriggerInspectionRequest, Verdict,
};
use inspectd_test_support::{onnx_runtime, reference_data, require};

use crate::harness::{PATIENCE, Site, write_png};
use crate::inquiry::{camera, frames};
use crate::mjpeg::{Mood, Server, jpeg};
use crate::recipes::{self, Line, recipe};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pipe_in_the_place_of_a_video_does_not_stop_other_cameras() {
    require!(onnx_runtime());
    let site = Site::new("");
    site.configure(
        "[journal]\nfolder = \"journal\"\n",
        "[cameras.pipe]\nsource = \"file\"\npath = \"pipe\"\nopen_timeout_s = 1\nreopen_after_s = 0.1\n\
         reopen_after_max_s = 0.2\n[cameras.video]\nsource = \"file\"\npath = \"video.mp4\"\nrepeat = true\n\
         allow_upscaling = true\n",
    );
    let video = reference_data("video/rotated90.mp4");
    fs::copy(&video, site.path("video.mp4")).expect("a copy");
    let made = Command::new("mkfifo").arg(site.path("pipe")).status();
    assert!(made.expect("mkfifo starts").success());
    let daemon = site.start();
    let all = StreamVerdictsRequest {
        start: Some(Start::FromSequence(0)),
        ..StreamVerdictsRequest::default()
    };
    let mut verdicts = daemon.filtered(all).await;
    let of_pipe = |verdict: &Verdict| verdict.camera_id == "pipe";
    let fault = verdicts.until(of_pipe).await.fault.expect("a fault");
    assert_eq!(fault.reason(), FaultReason::CameraLost, "{fault:?}");
    assert!(fault.message.contains("not a regular file"), "{fault:?}");
    let judged = |verdict: &Verdict| verdict.camera_id == "video" && verdict.score.is_some();
    verdicts.until(judged).await;
    fs::remove_file(site.path("pipe")).expect("removed");
    fs::copy(&video, site.path("pipe")).expect("a copy");
    verdicts
        .until(|verdict| verdict.camera_id == "pipe" && verdict.frame_id > 0)
        .await;
    daemon.stop();
}

/// A JPEG file with an orientation tag (EXIF) that asks for a rotation.
fn oriented(jpeg: &[u8]) -> Vec<u8> {
    let mut tag = b"\xff\xe1\x00\x22Exif\0\0MM\x00\x2a\x00\x00\x00\x08".to_vec();
    // One entry: orientation, one number of 16 bits, 6.
    tag.extend(*b"\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00");
    let (start, rest) = jpeg.split_at(2);
    [start, &*tag, rest].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn folder_skips_names_with_a_dot_and_warns_of_an_orientation_tag() {
    require!(onnx_runtime());
    let site = Site::new(
        "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 20\nmode = \"triggered\"\n",
    );
    site.pictures("pictures", &[("a.png", 128)]);
    site.write("pictures/._a.png", "what macOS stores of the file");
    for name in ["b.jpg", "c.jpg"] {
        let file = site.path("pictures").join(name);
        fs::write(file, oriented(&jpeg(128))).expect("written");
    }
    let daemon = site.start();
    let skipped = daemon.wait_for_log("names begin with a dot");
    assert!(skipped.contains("\"skipped\":1"), "{skipped}");
    let mut verdicts = daemon.verdicts().await;
    for _ in 0..6 {
        let verdict = verdicts.next().await;
        assert_eq!(verdict.decision(), Decision::Pass, "{verdict:?}");
        assert!(
            ["a.png", "b.jpg", "c.jpg"].contains(&&*verdict.source_item),
            "{verdict:?}"
        );
    }
    let warning = daemon.wait_for_log("an orientation tag");
    assert!(warning.contains("b.jpg"), "{warning}");
    let log = daemon.stop();
    let warnings = log.iter().filter(|line| line.contains("orientation tag"));
    assert_eq!(warnings.count(), 1, "{log:#?}");
}

/// Parts of the password of the tests' cameras.
const SECRETS: [&str; 2] = ["Hunter7", "xLine9"];

fn assert_no_secret(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret:?} is in: {text}");
    }
}

/// Runs `inspectd check`: returns its exit code and all that it prints.
fn check(site: &Site) -> (Option<i32>, String) {
    let output = site.command().arg("check").output();
    let output = output.expect("a started program");
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    (output.status.code(), printed)
}

#[test]
fn password_in_a_url_that_is_refused_is_not_shown() {
    let site = Site::new("");
    for url in [
        "\"rtsp://admin:Hunter7#xLine9@127.0.0.1:9/x\"",
        "\"rtsp://admin:Hunter7/xLine9@127.0.0.1:9/x\"",
        "\"rtsp://admin:Hunter7?xLine9@127.0.0.1:9/x\"",
        "\"rtsp://admin:Hunter7 xLine9@127.0.0.1:9/x\"",
        "\"rtsp:/admin:Hunter7@127.0.0.1:9/x\"",
        "\"rtsp://admin:Hunter7\"",
        "\"rtsp://admin:Hunter7/x\"",
        "\"admin:Hunter7@127.0.0.1:9\"",
        "\"rtsp://admin:Hunter7@127.0.0.1:9/x",
        "[\"rtsp://admin:Hunter7@127.0.0.1:9/x\"]",
    ] {
        let camera = format!("[cameras.net]\nsource = \"url\"\nurl = {url}\n");
        site.configure("", &camera);
        let (code, stderr) = site.refused(&[]);
        assert_eq!(code, 78, "{url}: {stderr}");
        assert_no_secret(&stderr);
        let (code, printed) = check(&site);
        assert_eq!(code, Some(78), "{url}: {printed}");
        assert_no_secret(&printed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn password_of_a_camera_that_cannot_be_opened_is_nowhere() {
    require!(onnx_runtime());
    let site = Site::new("");
    // An element of GStreamer that prints its URL, and streams at a port where nothing listens.
    let cameras = "[cameras.rtsp]\nsource = \"url\"\nurl = \"rtsp://admin:Hunter7%23xLine9@127.0.0.1:9/x\"\n\
        [cameras.http]\nsource = \"url\"\nurl = \"http://127.0.0.1:9/video?user=admin&pwd=Hunter7\"\n\
        [cameras.pipeline]\nsource = \"gstreamer\"\n\
        pipeline = \"rtspsrc location=rtsp://admin:Hunter7@127.0.0.1:9/x ! decodebin ! videoconvert ! appsink\"\n";
    site.configure("[journal]\nfolder = \"journal\"\n", cameras);
    let (code, printed) = check(&site);
    assert_eq!(code, Some(0), "{printed}");
    assert_no_secret(&printed);
    let daemon = site.start_with(&[("GST_DEBUG", "rtspsrc:5")]);
    daemon.wait_for_log("gstrtspsrc.c");
    let lost = |status: &_| {
        let mut cameras = ["rtsp", "http", "pipeline"].iter();
        cameras.all(|id| !camera(status, id).last_error.is_empty())
    };
    let status = daemon.status_when("lost", lost).await;
    assert_no_secret(&format!("{status:?}"));
    let mut client = daemon.inspection().await;
    let (begun, mut verdicts) = (Instant::now(), Vec::new());
    while verdicts.len() < 3 {
        assert!(begun.elapsed() < PATIENCE, "{verdicts:?}");
        let listed = client.list_verdicts(ListVerdictsRequest::default()).await;
        verdicts = listed.expect("a journal").into_inner().verdicts;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_no_secret(&format!("{verdicts:?}"));
    assert_no_secret(&daemon.page("/metrics").1);
    assert_no_secret(&daemon.stop().join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn camera_that_is_frozen_before_the_first_request_is_a_fault_at_once() {
    require!(onnx_runtime());
    let server = Server::start(Mood::Serves);
    let site = Site::new(&format!(
        "{}mode = \"requested\"\nlatency_ms = 10\ncheck.frozen_after = 20\n",
        server.camera("net")
    ));
    let daemon = site.start();
    // Nobody has asked for these.
    let repeated = |status: &_| frames(status, "net").skipped > 25;
    daemon.status_when("frozen", repeated).await;
    let request = TriggerInspectionRequest {
        target: Some(Target::CameraId("net".to_owned())),
        wait: true,
        ..TriggerInspectionRequest::default()
    };
    let mut client = daemon.inspection().await;
    let answer = client.trigger_inspection(request).await.expect("accepted");
    let verdict = answer.into_inner().verdict.expect("a verdict");
    let reason = verdict.fault.as_ref().map(Fault::reason);
    assert_eq!(reason, Some(FaultReason::Frozen), "{verdict:?}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn region_without_a_pixel_of_the_real_frame_is_a_fault() {
    require!(onnx_runtime());
    let site = recipes::site();
    // Before the size of the frames is known, recipes are checked with 64x64 pixels: the strip has one column of these, and
    // none of 32.
    write_png(&site.path("belt/a.png"), 32, 128, 128);
    let strip = "threshold = 0.9\n[[regions]]\nname = \"strip\"\n\
        polygon = [[0.017, 0.0], [0.030, 0.0], [0.030, 1.0], [0.017, 1.0]]";
    site.write("recipes/strip.toml", &recipe("../bundle", strip));
    let daemon = site.start();
    let mut line = Line::of(&daemon).await;
    line.activate("strip").await.expect("valid");
    let verdict = line.inspect("").await.expect("accepted");
    assert_eq!(verdict.decision(), Decision::Fault, "{verdict:?}");
    let fault = verdict.fault.expect("a fault");
    assert_eq!(fault.reason(), FaultReason::NothingInspected, "{fault:?}");
    assert!(fault.message.contains("strip"), "{fault:?}");
    daemon.stop();
}
