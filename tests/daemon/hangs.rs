//! Shutdown while a camera, a bundle or a client hangs.

use std::fs::{self, File};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{FaultReason, TriggerInspectionRequest};
use inspectd_test_support::{onnx_runtime, require};

use crate::clients::narrow;
use crate::end::staged;
use crate::harness::{
    Daemon, PATIENCE, Site, Verdicts, check_concurrently, wait, write_bundle, write_bundle_of,
};
use crate::inquiry::{ended, last_counts};
use crate::mjpeg::{Mood, Server};

/// A graph whose runs fail for bright frames.
pub const FAILING: &[u8] = include_bytes!("testdata/failing.onnx");

/// Makes a bundle whose graph cannot be read to its end.
fn hanging_bundle(site: &Site, folder: &str) -> Receiver<File> {
    write_bundle(&site.path(folder), 0.6);
    hang_graph(site, folder)
}

/// Makes the graph of a bundle one that cannot be read to its end, as on a network share whose server is down. The
/// receiver gets a file once the graph is being read; reading hangs until that file is dropped.
pub fn hang_graph(site: &Site, folder: &str) -> Receiver<File> {
    let graph = site.path(folder).join("model.onnx");
    fs::remove_file(&graph).expect("a graph");
    let made = Command::new("mkfifo").arg(&graph).status();
    assert!(made.expect("mkfifo").success());
    let (sender, receiver) = channel();
    // Opening waits for a reader.
    thread::spawn(move || sender.send(File::options().write(true).open(graph).expect("a pipe")));
    receiver
}

#[test]
fn shutdown_completes_while_the_first_bundle_read_hangs() {
    require!(onnx_runtime());
    let site = staged("");
    let reading = hanging_bundle(&site, "hanging");
    site.set_bundle("hanging");
    let daemon = Daemon::spawn(&mut site.command());
    let _hangs = reading.recv_timeout(PATIENCE).expect("it is read");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn verdicts_and_shutdown_continue_while_a_reload_hangs() {
    require!(onnx_runtime());
    let site = staged("repeat = true\n");
    let reading = hanging_bundle(&site, "hanging");
    let daemon = site.start_with(&[("INSPECTD__LIFE__WATCH_FILES", "true")]);
    let mut verdicts = daemon.verdicts().await;
    site.set_bundle("hanging");
    let _hangs = reading.recv_timeout(PATIENCE).expect("it is read");
    site.rename("staged", "pictures");
    verdicts.until(|verdict| verdict.frame_id > 100).await;
    daemon.stop();
}

#[test]
fn shutdown_abandons_camera_threads_that_hang() {
    require!(onnx_runtime());
    check_concurrently(0..3, async |_| hang_cameras().await);
}

/// Stops a daemon whose cameras hang.
async fn hang_cameras() {
    // One hangs while it is opened, the other while it is read.
    let (opened, read) = (Server::start(Mood::Silent), Server::start(Mood::Serves));
    let patient = |server: &Server, id| {
        server
            .camera(id)
            .replace("read_timeout_s = 1", "read_timeout_s = 60")
    };
    let opening = format!("{}open_timeout_s = 1\n", patient(&opened, "opening"));
    let site = Site::new(&format!("{opening}{}", patient(&read, "reading")));
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    verdicts.until(|verdict| verdict.frame_id > 0).await;
    read.set(Mood::Silent);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let log = daemon.stop();
    let hangs =
        |line: &&String| line.contains("capture threads did not stop in time; threads abandoned");
    assert_eq!(log.iter().filter(hangs).count(), 2, "{log:#?}");
    let counts = last_counts(&log)["reading"];
    assert_eq!(ended(&counts), counts.captured);
}

/// A daemon whose shutdown waits for a client that does not read its last messages.
async fn held_up(site: &Site) -> (Daemon, Verdicts) {
    let daemon = site.start();
    let mut stalled = narrow(&daemon).await;
    site.rename("staged", "pictures");
    stalled.until(|verdict| verdict.frame_id > 0).await;
    let mut verdicts = daemon.verdicts().await;
    verdicts.until(|verdict| verdict.sequence > 2500).await;
    daemon.signal("TERM");
    daemon.wait_for_log("\"stopping\"");
    (daemon, stalled)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shutdown_completes_with_a_client_that_does_not_read() {
    require!(onnx_runtime());
    let site = staged("repeat = true\n");
    let (daemon, _stalled) = held_up(&site).await;
    let log = daemon.ends_well();
    let late = "a client did not receive its last messages in time";
    assert!(log.iter().any(|line| line.contains(late)), "{log:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn second_termination_signal_exits_immediately_with_130() {
    require!(onnx_runtime());
    let site = staged("repeat = true\n");
    let (mut daemon, _stalled) = held_up(&site).await;
    daemon.signal("TERM");
    assert_eq!(
        daemon.wait_for_end().code(),
        Some(130),
        "{:#?}",
        daemon.log()
    );
}

/// A camera `belt` and a model whose runs fail for its frames.
pub fn failing_site(camera: &str) -> Site {
    let site = Site::new(&format!(
        "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\n{camera}"
    ));
    // The graph fails for bright frames; the warm-up is grey.
    write_bundle_of(&site.path("failing"), "2026.1", 0.6, FAILING);
    site.set_bundle("failing");
    site.pictures("pictures", &[("a.png", 255)]);
    site
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn liveness_fails_while_the_engine_is_stalled() {
    require!(onnx_runtime());
    let site = failing_site("mode = \"requested\"\n");
    let daemon = site.start_with(&[("INSPECTD__ENGINE__HANG_TIMEOUT_S", "1")]);
    assert_eq!(daemon.page("/healthz"), (200, "running\n".to_owned()));
    // After five failed runs the model is loaded again, and reading its graph hangs.
    let reading = hang_graph(&site, "failing");
    let mut client = daemon.inspection().await;
    for run in 1..=5 {
        let request = TriggerInspectionRequest {
            target: Some(Target::CameraId("belt".to_owned())),
            wait: run < 5,
            ..TriggerInspectionRequest::default()
        };
        client.trigger_inspection(request).await.expect("accepted");
    }
    let _hangs = reading.recv_timeout(PATIENCE).expect("it is read");
    let stalled = (503, "the engine is stalled\n".to_owned());
    wait("liveness to fail", || daemon.page("/healthz") == stalled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn model_whose_runs_fail_is_loaded_again_and_then_the_process_exits() {
    require!(onnx_runtime());
    let site = failing_site("fps = 20\nmode = \"triggered\"\n");
    let mut daemon = Daemon::spawn(&mut site.command());
    let mut verdicts = daemon.verdicts().await;
    verdicts.fault(FaultReason::Engine).await;
    daemon.wait_for_log("the model was loaded again");
    daemon.wait_for_log("exiting for a restart");
    assert_eq!(daemon.wait_for_end().code(), Some(70));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn model_that_returns_no_finite_map_is_loaded_again_and_then_the_process_exits() {
    require!(onnx_runtime());
    let site = Site::new(
        "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 20\nmode = \"triggered\"\n",
    );
    // The maps of a black frame are not finite; the warm-up is grey.
    site.pictures("pictures", &[("a.png", 0)]);
    let mut daemon = Daemon::spawn(&mut site.command());
    let mut verdicts = daemon.verdicts().await;
    verdicts.fault(FaultReason::Engine).await;
    daemon.wait_for_log("the model was loaded again");
    daemon.wait_for_log("exiting for a restart");
    assert_eq!(daemon.wait_for_end().code(), Some(70));
}
