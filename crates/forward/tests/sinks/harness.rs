//! A daemon with rendered parts, the program under test, and servers that receive.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use inspectd_client::{Client, Verdict, VerdictQuery};
use inspectd_core::bundle::{Bundle, sha256};
use inspectd_core::manifest::Manifest;
use inspectd_forward::state::Snapshot;
use tempfile::TempDir;

/// The maximum wait for anything, longer than it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The name of the program under test.
const FORWARD: &str = "inspectd-forward";

/// A graph that is fast, of the daemon's tests.
const CELLS: &[u8] = include_bytes!("../../../../tests/daemon/testdata/cells.onnx");
const MANIFEST: &str = include_str!("../../../../tests/daemon/testdata/manifest.toml");

/// The program `inspectd`: that of `INSPECTD_PROGRAM`, or the one next to the tests.
///
/// # Panics
/// When it was not built.
fn inspectd() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_inspectd-forward")).with_file_name("inspectd");
    let program = std::env::var_os("INSPECTD_PROGRAM").map_or(built, PathBuf::from);
    assert!(
        program.exists(),
        "{} does not exist: run `cargo build --workspace` (`make test` does), or set INSPECTD_PROGRAM",
        program.display()
    );
    program
}

/// A program of a Debian package.
///
/// # Panics
/// When it is not installed.
pub fn debian_program(paths: &[&str], package: &str) -> PathBuf {
    let found = paths.iter().map(PathBuf::from).find(|path| path.exists());
    found.unwrap_or_else(|| {
        panic!(
            "{} is not installed: run `scripts/setup.sh` (Debian package {package})",
            paths[0]
        )
    })
}

/// A port of the loopback interface on which no program listens.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound port").port()
}

/// Waits until `done`.
pub fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process whose output is kept. It is killed when dropped.
pub struct Process {
    child: Child,
    name: &'static str,
    log: Arc<Mutex<Vec<String>>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let last = &log[log.len().saturating_sub(40)..];
            eprintln!(
                "--- the end of the log of {} ---\n{}",
                self.name,
                last.join("\n")
            );
        }
    }
}

impl Process {
    /// Starts a process. Its standard error is its log.
    pub fn spawn(name: &'static str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                shared
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        Self { child, name, log }
    }

    /// The lines of the log so far.
    pub fn log(&self) -> Vec<String> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether a line of the log contains the text.
    pub fn has_logged(&self, text: &str) -> bool {
        self.log().iter().any(|line| line.contains(text))
    }

    /// Kills the process with SIGKILL, and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends SIGTERM and waits for the end. The program under test must have installed its handlers.
    pub fn terminate(&mut self) -> ExitStatus {
        if self.name == FORWARD {
            wait("the start of the program", || self.has_logged("\"ready\""));
        }
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .expect("kill");
        assert!(sent.success());
        self.wait_for_end()
    }

    /// Waits for the end.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut ended = None;
        wait(&format!("the end of {}", self.name), || {
            ended = self.child.try_wait().expect("a child");
            ended.is_some()
        });
        ended.expect("it ended")
    }
}

/// A folder with a daemon, and what the program under test needs.
pub struct Site {
    folder: TempDir,
    daemon: Option<Process>,
    client: Client,
}

impl Site {
    /// Creates a site whose camera delivers `parts` parts, at most `fps` a second. The daemon runs.
    pub async fn start(parts: u32, fps: u32) -> Self {
        Self::start_with(parts, fps, "").await
    }

    /// As [`Site::start`], with more tables of the daemon's configuration.
    pub async fn start_with(parts: u32, fps: u32, tables: &str) -> Self {
        inspectd_test_support::onnx_runtime().expect("ONNX Runtime");
        inspectd_forward::tls::install_provider();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = MANIFEST
            .replace("SHA256", &sha256(CELLS))
            .replace("THRESHOLD", "0.89");
        let manifest =
            Manifest::parse(Path::new("manifest.toml"), &text).expect("a valid manifest");
        Bundle::write(
            &folder.path().join("bundle"),
            manifest,
            vec![CELLS.to_vec()],
        )
        .expect("a bundle");
        let socket = folder.path().join("d.sock");
        let endpoint = format!("unix:{}", socket.display())
            .parse()
            .expect("a path");
        let client = Client::builder(endpoint).build().expect("no credentials");
        let mut site = Self {
            folder,
            daemon: None,
            client,
        };
        site.configure(parts, fps, tables);
        site.start_daemon().await;
        site
    }

    /// Writes the configuration of the daemon.
    pub fn configure(&self, parts: u32, fps: u32, tables: &str) {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nmetrics_listen = \"off\"\nunix_socket = \"d.sock\"\n\
             heartbeat_interval_s = 0.5\n[model]\nbundle = \"bundle\"\n[life]\nwatch_files = false\n\
             [log]\nformat = \"text\"\n[engine]\nthreads = 1\n{tables}\n\
             [cameras.top]\nsource = \"simulator\"\nwidth = 64\nheight = 64\nprerender = 50\n\
             mode = \"triggered\"\nqueue = 64\nfps = {fps}\nparts = {parts}\n\
             [cameras.hand]\nsource = \"simulator\"\nwidth = 64\nheight = 64\nmode = \"requested\"\n"
        );
        let journal = if tables.contains("[journal]") {
            ""
        } else {
            "[journal]\nfolder = \"journal\"\nstall_timeout_s = 60\n"
        };
        fs::write(self.path("inspectd.toml"), format!("{text}{journal}")).expect("written");
    }

    /// Starts the daemon and waits until it answers.
    pub async fn start_daemon(&mut self) {
        let mut command = Command::new(inspectd());
        command.arg("--config").arg(self.path("inspectd.toml"));
        self.daemon = Some(Process::spawn("inspectd", &mut command));
        let deadline = Instant::now() + PATIENCE;
        while self.client.status().await.is_err() {
            assert!(Instant::now() < deadline, "the daemon does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops the daemon by SIGTERM.
    pub fn stop_daemon(&mut self) {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        assert!(daemon.terminate().success());
    }

    /// Kills the daemon.
    pub fn kill_daemon(&mut self) {
        self.daemon.take().expect("the daemon runs").kill();
    }

    /// A client of the daemon.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A path within the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The newest sequence.
    pub async fn newest(&self) -> u64 {
        self.client.status().await.expect("a status").sequence
    }

    /// Waits until this many verdicts are journalled.
    pub async fn produced(&self, sequence: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.newest().await < sequence {
            assert!(Instant::now() < deadline, "no {sequence} verdicts");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// All verdicts of the journal, the oldest first.
    pub async fn journal(&self) -> Vec<Verdict> {
        let query = VerdictQuery {
            oldest_first: true,
            ..VerdictQuery::default()
        };
        let mut pages = self.client.stored_verdicts(&query);
        let mut verdicts = Vec::new();
        while let Some(page) = pages.next_page(1000).await.expect("a page") {
            verdicts.extend(page);
        }
        verdicts
    }

    /// The ids of all verdicts of the journal, the oldest first.
    pub async fn ids(&self) -> Vec<String> {
        self.journal().await.iter().map(id).collect()
    }

    /// What a consumer has acknowledged; 0 if it is not known.
    pub async fn acknowledged(&self, consumer: &str) -> u64 {
        let consumers = self.client.consumers().await.unwrap_or_default();
        let known = consumers.iter().find(|one| one.name == consumer);
        known.map_or(0, |consumer| consumer.acknowledged)
    }

    /// Waits until a consumer has acknowledged all verdicts up to now.
    pub async fn caught_up(&self, consumer: &str) {
        let newest = self.newest().await;
        self.has_acknowledged(consumer, newest).await;
    }

    /// Waits until a consumer has acknowledged the sequence.
    pub async fn has_acknowledged(&self, consumer: &str, sequence: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let acknowledged = self.acknowledged(consumer).await;
            if acknowledged >= sequence {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{consumer} has acknowledged {acknowledged} of {sequence}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Writes the configuration of the program under test, with the tables of its sinks.
    pub fn forward_to(&self, sinks: &str) {
        let text = format!(
            "box = \"box-7\"\nsite = \"plant-a\"\nstate_folder = \"state\"\nshutdown_deadline_s = 5\n\
             [daemon]\nserver = \"unix:{}\"\nsilence_timeout_s = 5\n[status]\nlisten = \"off\"\n\
             [log]\nformat = \"json\"\n{sinks}\n",
            self.path("d.sock").display()
        );
        fs::write(self.path("forward.toml"), text).expect("written");
    }

    /// The program under test with arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd-forward"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.path("forward.toml"));
        command
    }

    /// Starts the program under test.
    pub fn forward(&self) -> Process {
        Process::spawn(FORWARD, &mut self.command(&["run"]))
    }

    /// The state of the sinks of a running program, which must serve it on this port.
    pub async fn states(port: u16) -> Vec<Snapshot> {
        let url = format!("http://127.0.0.1:{port}/status");
        let Ok(answer) = reqwest::get(url).await else {
            return Vec::new();
        };
        let status: inspectd_forward::status::http::Status = answer.json().await.expect("a status");
        status.sinks
    }
}

/// The id that the record of a verdict must have.
pub fn id(verdict: &Verdict) -> String {
    format!("box-7/{}/{}", verdict.run_id, verdict.sequence)
}

/// How often each id is in a ledger.
pub fn counts(ids: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for id in ids {
        *counts.entry(id.as_str()).or_insert(0) += 1;
    }
    counts
}

/// Asserts that a ledger has every id, and no other one. Repeats are allowed.
pub fn assert_complete(ledger: &[String], expected: &[String]) {
    let (found, wanted) = (counts(ledger), counts(expected));
    let missing: Vec<_> = wanted
        .keys()
        .filter(|id| !found.contains_key(*id))
        .collect();
    let others: Vec<_> = found
        .keys()
        .filter(|id| !wanted.contains_key(*id))
        .collect();
    assert!(
        missing.is_empty(),
        "{} of {} are missing: {missing:?}",
        missing.len(),
        wanted.len()
    );
    assert!(others.is_empty(), "not in the journal: {others:?}");
}

/// Pauses of a test that kills at many moments: different, and the same in each run.
pub fn pauses(count: u32, longest_ms: u32) -> impl Iterator<Item = Duration> {
    (0..count)
        .map(move |turn| Duration::from_millis(u64::from((turn * 7919 + 104_729) % longest_ms)))
}

/// Runs a command as a user who is not root, as some servers require, if this is root.
pub fn unprivileged(command: &mut Command, folder: &Path, user: &str) {
    let id = Command::new("id").args(["-u"]).output().expect("id").stdout;
    if String::from_utf8_lossy(&id).trim() != "0" {
        return;
    }
    let number = |option: &str| -> u32 {
        let output = Command::new("id")
            .args([option, user])
            .output()
            .expect("id")
            .stdout;
        let text = String::from_utf8_lossy(&output);
        text.trim()
            .parse()
            .unwrap_or_else(|_| panic!("the user {user} does not exist"))
    };
    let (uid, gid) = (number("-u"), number("-g"));
    std::os::unix::fs::chown(folder, Some(uid), Some(gid)).expect("root may give files away");
    command.uid(uid).gid(gid);
}
