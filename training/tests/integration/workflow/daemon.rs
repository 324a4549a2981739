//! The daemon and `inspectctl` as programs, for tests of the way from a dataset to verdicts and back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Timeout that is sufficient on a busy machine.
pub(super) const TIMEOUT: Duration = Duration::from_mins(2);

/// Path of a program of the daemon's packages. Cargo builds it in the folder of these tests.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let folder = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    let program = folder.join(name);
    assert!(
        program.is_file(),
        "{} not found; build it with `cargo test --workspace --all-features` or `make test`",
        program.display()
    );
    program
}

/// A running daemon. It is killed when dropped.
pub(super) struct Daemon {
    process: Child,
    addresses: BTreeMap<String, String>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Daemon {
    /// Starts the daemon, whose configuration has `format = "json"` in `[log]`, and waits until it is ready.
    pub(super) fn start(config: &Path) -> Self {
        let mut command = Command::new(program("inspectd"));
        command.arg("--config").arg(config).stderr(Stdio::piped());
        let mut process = command.spawn().expect("a started daemon");
        let lines = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        let mut daemon = Self {
            process,
            addresses: BTreeMap::new(),
        };
        let (sender, log) = channel();
        std::thread::spawn(move || {
            // The pipe is read to its end, so that the daemon never blocks on it.
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        daemon.wait_until_ready(&log);
        daemon
    }

    fn wait_until_ready(&mut self, log: &Receiver<String>) {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            let line = log
                .recv_timeout(remaining)
                .expect("the daemon becomes ready");
            let line: Value = serde_json::from_str(&line).expect("JSON");
            let message = line["message"].as_str().unwrap_or_default();
            if message == "ready" {
                return;
            }
            if let Some(address) = line["address"].as_str() {
                self.addresses
                    .insert(message.to_owned(), address.to_owned());
            }
        }
    }

    /// Where the configuration key `key` listens.
    pub(super) fn address(&self, key: &str) -> &str {
        self.addresses
            .get(key)
            .unwrap_or_else(|| panic!("{key} is not among {:?}", self.addresses))
    }

    /// Command `inspectctl` for this daemon, which is terminated after [`TIMEOUT`].
    pub(super) fn inspectctl(&self) -> Command {
        let mut command = Command::new("timeout");
        command
            .arg(TIMEOUT.as_secs().to_string())
            .arg(program("inspectctl"))
            .env(
                "INSPECTD_SERVER",
                format!("http://{}", self.address("server.listen")),
            );
        command
    }
}
