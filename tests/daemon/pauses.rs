//! Cameras that are paused and resumed while the line runs.

use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    CameraState, FaultReason, GetCameraViewRequest, LineState, ListAuditEntriesRequest,
    PauseCameraRequest, ResumeCameraRequest, TriggerInspectionRequest,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;

use crate::ctl::done;
use crate::harness::{Daemon, Site};
use crate::inquiry::camera;

const CAMERAS: &str = "[cameras.left]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 50\n\
                       mode = \"triggered\"\nrotate = 90\ncrop = { left = 0, top = 0, right = 40, bottom = 64 }\n\
                       [cameras.right]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 50\n\
                       mode = \"triggered\"\n\
                       [cameras.asked]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nmode = \"requested\"\n";

fn site() -> Site {
    let site = Site::new("");
    site.pictures("pictures", &[("a.png", 128)]);
    site.configure("[journal]\nfolder = \"journal\"\n", CAMERAS);
    site
}

async fn pause(daemon: &Daemon, id: &str, reason: &str) {
    let request = PauseCameraRequest {
        camera_id: id.to_owned(),
        reason: reason.to_owned(),
    };
    let mut line = daemon.line().await;
    line.pause_camera(request).await.expect("paused");
}

async fn resume(daemon: &Daemon, id: &str) {
    let request = ResumeCameraRequest {
        camera_id: id.to_owned(),
    };
    let mut line = daemon.line().await;
    line.resume_camera(request).await.expect("resumed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn paused_camera_captures_nothing_and_the_others_go_on() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    verdicts.until(|verdict| verdict.camera_id == "left").await;
    pause(&daemon, "left", "the cable is loose").await;
    let fault = verdicts.fault(FaultReason::CameraPaused).await;
    let message = fault.fault.expect("a fault").message;
    assert!(message.contains("(the cable is loose)"), "{message}");
    // Frames that were captured before are judged; then only the other camera delivers.
    let status = daemon.status().await;
    let left = camera(&status, "left");
    assert_eq!(left.state(), CameraState::Paused);
    let pause_of = left.pause.as_ref().expect("it is paused");
    assert_eq!(pause_of.reason, "the cable is loose");
    assert_eq!(status.state(), LineState::Degraded);
    let alarm = status.alarms.first().expect("an alarm");
    assert_eq!(
        (alarm.kind.as_str(), alarm.subject.as_str()),
        ("camera_paused", "left")
    );
    let captured = left.frames.expect("counts").captured;
    for _ in 0..20 {
        verdicts.until(|verdict| verdict.camera_id == "right").await;
    }
    let status = daemon.status().await;
    assert_eq!(
        camera(&status, "left").frames.expect("counts").captured,
        captured
    );
    // A second pause, and a resumption of a camera that runs, change nothing.
    pause(&daemon, "left", "again").await;
    resume(&daemon, "right").await;
    let status = daemon.status().await;
    let still = camera(&status, "left")
        .pause
        .as_ref()
        .expect("it is paused");
    assert_eq!(still.reason, "the cable is loose");

    resume(&daemon, "left").await;
    let next = verdicts.until(|verdict| verdict.camera_id == "left").await;
    assert!(next.frame_id > captured, "{next:?}");
    let status = daemon
        .status_when("running", |status| status.state() == LineState::Running)
        .await;
    assert_eq!(camera(&status, "left").pause, None);
    assert_eq!(status.alarms, []);
    let mut line = daemon.line().await;
    let entries = line
        .list_audit_entries(ListAuditEntriesRequest::default())
        .await;
    let entries = entries.expect("a log").into_inner().entries;
    let changes: Vec<_> = entries
        .iter()
        .filter(|entry| entry.action == "camera")
        .map(|entry| (entry.before.as_str(), entry.after.as_str()))
        .collect();
    let paused = "paused: the cable is loose";
    assert_eq!(changes, [("", paused), (paused, "")]);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn paused_camera_refuses_requests_and_stays_paused_after_a_restart() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let output = done(&daemon, "camera pause asked --reason lens");
    assert!(output.contains("asked"), "{output}");
    let request = TriggerInspectionRequest {
        target: Some(Target::CameraId("asked".to_owned())),
        ..TriggerInspectionRequest::default()
    };
    let mut inspection = daemon.inspection().await;
    let refused = inspection.trigger_inspection(request.clone()).await;
    let refused = refused.expect_err("it is paused");
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::FailedPrecondition, "camera asked is paused")
    );
    daemon.stop();

    let daemon = site.start();
    let status = daemon
        .status_when("paused", |status| {
            camera(status, "asked").state() == CameraState::Paused
        })
        .await;
    assert_eq!(camera(&status, "asked").opened, 0);
    let listed = done(&daemon, "cameras");
    assert!(listed.contains("paused by"), "{listed}");
    done(&daemon, "camera resume asked");
    let mut inspection = daemon.inspection().await;
    let answer = inspection
        .trigger_inspection(TriggerInspectionRequest {
            wait: true,
            ..request
        })
        .await;
    assert!(answer.expect("resumed").into_inner().verdict.is_some());
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn view_of_a_camera_is_its_next_frame_as_captured() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut line = daemon.line().await;
    let request = |id: &str, side_limit| GetCameraViewRequest {
        camera_id: id.to_owned(),
        side_limit,
    };
    let view = line.get_camera_view(request("left", 0)).await;
    let view = view.expect("it runs").into_inner();
    assert_eq!(&view.frame[..3], [0xff, 0xd8, 0xff], "a JPEG image");
    assert_eq!((view.width, view.height, view.rotate), (64, 64, 90));
    assert_eq!(view.crop.expect("configured").right, 40);
    assert_eq!((view.histogram.len(), view.histogram[32]), (64, 64 * 64));
    assert_eq!((view.mean, view.black, view.clipped), (128.0, 0.0, 0.0));
    assert_eq!(view.sharpness, None, "an even frame has no edges");
    let small = line.get_camera_view(request("left", 32)).await;
    assert!(small.expect("it runs").into_inner().frame.len() < view.frame.len());
    let unknown = line.get_camera_view(request("up", 0)).await;
    assert_eq!(unknown.expect_err("not configured").code(), Code::NotFound);
    pause(&daemon, "left", "").await;
    let paused = line.get_camera_view(request("left", 0)).await;
    assert_eq!(paused.expect_err("paused").code(), Code::FailedPrecondition);
    daemon.stop();
}
