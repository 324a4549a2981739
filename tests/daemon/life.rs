//! The daemon as a service of systemd: READY, WATCHDOG, STOPPING. The test plays systemd.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use inspectd_client::proto::LineState;
use inspectd_test_support::{onnx_runtime, require};

use crate::harness::{Daemon, PATIENCE, Site};
use crate::mjpeg::{Mood, Server};

/// Where the daemon's notifications arrive.
struct Systemd {
    messages: Receiver<String>,
}

impl Systemd {
    fn listen(site: &Site) -> Self {
        let socket = UnixDatagram::bind(site.path("notify")).expect("a socket");
        let (sender, messages) = channel();
        // On a thread of its own: a full socket would block the daemon. It ends with the test.
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        Self { messages }
    }

    /// Starts the daemon as systemd does: the watchdog applies only to its process.
    fn start(site: &Site) -> Daemon {
        let inspectd = site.command();
        let mut command = Command::new("sh");
        command
            .args(["-c", "WATCHDOG_PID=$$ exec \"$@\"", "sh"])
            .arg(inspectd.get_program())
            .args(inspectd.get_args())
            .env("NOTIFY_SOCKET", site.path("notify"))
            .env("WATCHDOG_USEC", "400000");
        Daemon::spawn(&mut command)
    }

    /// Waits for a message that has this line, and returns all messages up to it.
    fn until(&self, wanted: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let message = self.messages.recv_timeout(PATIENCE);
            let message = message.unwrap_or_else(|_| panic!("no {wanted} after {seen:?}"));
            let found = message.lines().any(|line| line == wanted);
            seen.push(message);
            if found {
                return seen;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn systemd_is_notified_of_ready_watchdog_and_stopping() {
    require!(onnx_runtime());
    let server = Server::start(Mood::Silent);
    let site = Site::new(&format!("{}open_timeout_s = 60\n", server.camera("net")));
    let systemd = Systemd::listen(&site);
    let daemon = Systemd::start(&site);
    // Warmed up, listening, and feeding the watchdog, but no camera has been opened or has failed.
    for _ in 0..3 {
        let seen = systemd.until("WATCHDOG=1");
        assert!(!seen.concat().contains("READY=1"), "{seen:?}");
    }
    assert_eq!(daemon.status().await.state(), LineState::Starting);
    assert_eq!(daemon.page("/healthz"), (200, "starting\n".to_owned()));
    assert!(!daemon.serves("").await.expect("known"));

    server.set(Mood::Serves);
    systemd.until("READY=1");
    assert_eq!(daemon.page("/healthz"), (200, "running\n".to_owned()));
    for _ in 0..3 {
        let seen = systemd.until("WATCHDOG=1");
        let last = seen.last().expect("the one");
        assert!(last.contains("STATUS=1 cameras; "), "{last}");
    }
    daemon.signal("TERM");
    systemd.until("STOPPING=1");
    daemon.ends_well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn daemon_is_ready_with_a_camera_that_cannot_be_opened() {
    require!(onnx_runtime());
    let server = Server::start(Mood::Gone);
    let site = Site::new(&server.camera("net"));
    let systemd = Systemd::listen(&site);
    let daemon = Systemd::start(&site);
    systemd.until("READY=1");
    assert_eq!(daemon.status().await.state(), LineState::Degraded);
    assert!(daemon.serves("").await.expect("known"));
    daemon.serves_when("camera/net", false).await;
    daemon.stop();
}
