//! An end that something tries to hold up: a camera, a bundle, a client.

use std::fs::{self, File};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::clients::narrow;
use crate::end::staged;
use crate::harness::{Daemon, PATIENCE, Site, Verdicts, runtime_is_there, write_bundle};
use crate::inquiry::{ended, last_counts};
use crate::mjpeg::{Mood, Server};

/// Makes a bundle whose graph never comes to its end, as on a share whose server went away. It is told
/// once the graph is being read, which hangs as long as what is told is kept.
fn hanging_bundle(site: &Site, folder: &str) -> Receiver<File> {
    write_bundle(&site.path(folder), 0.6);
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
fn a_bundle_that_hangs_at_the_start_does_not_hold_up_the_end() {
    if !runtime_is_there() {
        return;
    }
    let site = staged("");
    let reading = hanging_bundle(&site, "hanging");
    site.set_bundle("hanging");
    let daemon = Daemon::spawn(&mut site.command());
    let _hangs = reading.recv_timeout(PATIENCE).expect("it is read");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reload_that_hangs_does_not_hold_up_the_line_or_its_end() {
    if !runtime_is_there() {
        return;
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_camera_that_hangs_does_not_hold_up_the_end() {
    if !runtime_is_there() {
        return;
    }
    // One hangs as it is opened, the other as it is read.
    let (opened, read) = (Server::start(Mood::Silent), Server::start(Mood::Serves));
    let patient = |server: &Server, id| {
        server
            .camera(id)
            .replace("read_timeout_s = 1", "read_timeout_s = 60")
    };
    let opening = format!("{}open_timeout_s = 1\n", patient(&opened, "opening"));
    let site = Site::new(&format!("{opening}{}", patient(&read, "reading")));
    for _ in 0..3 {
        read.set(Mood::Serves);
        let daemon = site.start();
        let mut verdicts = daemon.verdicts().await;
        verdicts.until(|verdict| verdict.frame_id > 0).await;
        read.set(Mood::Silent);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let log = daemon.stop();
        let hangs = |line: &&String| line.contains("capture threads did not stop in time; threads abandoned");
        assert_eq!(log.iter().filter(hangs).count(), 2, "{log:#?}");
        let counts = last_counts(&log)["reading"];
        assert_eq!(ended(&counts), counts.captured);
    }
}

/// A daemon whose end is held up by a client that does not take its last messages.
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
async fn a_client_that_does_not_read_does_not_hold_up_the_end() {
    if !runtime_is_there() {
        return;
    }
    let site = staged("repeat = true\n");
    let (daemon, _stalled) = held_up(&site).await;
    let log = daemon.ends_well();
    let late = "a client did not receive its last messages in time";
    assert!(log.iter().any(|line| line.contains(late)), "{log:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_second_signal_ends_at_once() {
    if !runtime_is_there() {
        return;
    }
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
