//! Groups of cameras that count their parts, over the network: a lost frame must not pair views of different parts.

use std::time::Duration;

use inspectd_client::proto::{
    CameraState, Decision, Fault, FaultReason, LineState, ResynchronizeGroupRequest, Status,
    Verdict,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;

use crate::harness::{Daemon, Site, Verdicts};
use crate::inquiry::camera;
use crate::mjpeg::{Mood, Server, jpeg};

/// Time between two parts.
const DISTANCE: Duration = Duration::from_millis(500);

/// Two cameras of a group, which send a frame when the test asks for it.
struct Cell {
    servers: [Server; 2],
    site: Site,
}

impl Cell {
    fn new(parts: &str) -> Self {
        let servers = [Server::start(Mood::Serves), Server::start(Mood::Serves)];
        let cameras: String = ["left", "right"]
            .iter()
            .zip(&servers)
            .map(|(id, server)| {
                server.camera(id).replace("read_timeout_s = 1", "read_timeout_s = 60")
                    + "mode = \"triggered\"\npart_counter = true\ngroup = \"cell\"\ncheck.frozen_after = 0\n"
            })
            .collect();
        let site = Site::new("");
        site.configure(&format!("[parts]\nwindow_ms = 2000\n{parts}"), &cameras);
        Self { servers, site }
    }

    /// Starts the daemon. Its cameras run, and have nothing to deliver.
    async fn start(&self) -> (Daemon, Verdicts) {
        let daemon = self.site.start();
        let running = |status: &Status| {
            ["left", "right"]
                .iter()
                .all(|id| camera(status, id).state() == CameraState::Running)
        };
        daemon.status_when("both cameras run", running).await;
        for server in &self.servers {
            server.set(Mood::OnDemand);
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let verdicts = daemon.verdicts().await;
        (daemon, verdicts)
    }

    /// A part passes both cameras, long after the one before: at least twice `capture_spread_ms`.
    async fn part(&self) {
        tokio::time::sleep(DISTANCE).await;
        for server in &self.servers {
            server.send(jpeg(128));
        }
    }
}

/// The next verdict of a part: its decision and the reason of its fault.
async fn decided(verdicts: &mut Verdicts) -> (Decision, Option<FaultReason>) {
    let part = |verdict: &Verdict| verdict.camera_id.is_empty();
    let verdict = verdicts.until(part).await;
    let views = verdict.views.len();
    assert!(views >= 1, "{verdict:?}");
    let fault = verdict.fault.as_ref();
    (verdict.decision(), fault.map(Fault::reason))
}

const PASS: (Decision, Option<FaultReason>) = (Decision::Pass, None);

async fn resynchronize(daemon: &Daemon, group: &str) -> Result<(), tonic::Status> {
    let request = ResynchronizeGroupRequest {
        group_id: group.to_owned(),
    };
    let answer = daemon.line().await.resynchronize_group(request).await;
    answer.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn lost_frame_of_a_counted_group_is_a_fault_until_it_is_resynchronised() {
    require!(onnx_runtime());
    let cell = Cell::new("");
    let (daemon, mut verdicts) = cell.start().await;
    let unknown = resynchronize(&daemon, "other").await.expect_err("no group");
    assert_eq!(unknown.code(), Code::NotFound, "{unknown}");

    // Parts may be between the cameras when the daemon starts.
    cell.part().await;
    assert_eq!(decided(&mut verdicts).await.0, Decision::Fault);
    let status = daemon.status().await;
    assert_eq!(status.state(), LineState::Degraded);
    assert_eq!(status.alarms[0].kind, "group_out_of_step");
    assert_eq!(status.alarms[0].subject, "cell");
    resynchronize(&daemon, "cell").await.expect("both run");
    let status = daemon.status().await;
    assert_eq!(
        (status.state(), status.alarms),
        (LineState::Running, Vec::new())
    );
    for _ in 0..3 {
        cell.part().await;
        assert_eq!(decided(&mut verdicts).await, PASS);
    }

    // The right camera loses a frame: its next frame is of the next part.
    tokio::time::sleep(DISTANCE).await;
    cell.servers[0].send(jpeg(128));
    cell.part().await;
    assert_eq!(
        decided(&mut verdicts).await,
        (Decision::Fault, Some(FaultReason::OutOfStep))
    );
    for _ in 0..3 {
        cell.part().await;
        assert_eq!(decided(&mut verdicts).await.0, Decision::Fault);
    }
    // The parts whose second view never came.
    tokio::time::sleep(Duration::from_secs(3)).await;
    resynchronize(&daemon, "cell").await.expect("both run");
    let mut verdicts = daemon.verdicts().await;
    for _ in 0..3 {
        cell.part().await;
        assert_eq!(decided(&mut verdicts).await, PASS);
    }

    // A camera that is opened again may have missed a part.
    cell.servers[1].set(Mood::Gone);
    let away = |status: &Status| camera(status, "right").state() == CameraState::Waiting;
    daemon.status_when("right is lost", away).await;
    let refused = resynchronize(&daemon, "cell")
        .await
        .expect_err("right is lost");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("camera right"), "{refused}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn idle_gap_puts_a_counted_group_in_step() {
    require!(onnx_runtime());
    let cell = Cell::new("idle_gap_ms = 2200\n");
    let (daemon, mut verdicts) = cell.start().await;
    for _ in 0..2 {
        cell.part().await;
        assert_eq!(decided(&mut verdicts).await, PASS);
    }
    tokio::time::sleep(DISTANCE).await;
    cell.servers[0].send(jpeg(128));
    cell.part().await;
    assert_eq!(decided(&mut verdicts).await.0, Decision::Fault);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut verdicts = daemon.verdicts().await;
    cell.part().await;
    assert_eq!(decided(&mut verdicts).await, PASS);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn parts_that_are_closer_than_twice_the_spread_put_a_counted_group_out_of_step() {
    require!(onnx_runtime());
    let cell = Cell::new("capture_spread_ms = 1500\n");
    let (daemon, mut verdicts) = cell.start().await;
    resynchronize(&daemon, "cell").await.expect("both run");
    cell.part().await;
    assert_eq!(decided(&mut verdicts).await, PASS);
    cell.part().await;
    let fault = Some(FaultReason::OutOfStep);
    assert_eq!(decided(&mut verdicts).await, (Decision::Fault, fault));
    let status = daemon.status().await;
    let alarm = status.alarms.first().expect("an alarm");
    assert!(
        alarm.message.contains("parts.capture_spread_ms = 1500"),
        "{alarm:?}"
    );
    daemon.stop();
}
