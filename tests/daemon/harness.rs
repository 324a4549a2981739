//! A daemon under test: its folder, configuration, process, log and clients.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use inspectd_client::proto;
use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_client::proto::line_service_client::LineServiceClient;
use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_core::bundle::{Bundle, sha256};
use inspectd_core::manifest::Manifest;
use tempfile::TempDir;
use tonic::Streaming;
use tonic::transport::Channel;

/// The maximum wait for anything, longer than it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The graph whose scores can be calculated by hand.
pub const CELLS: &[u8] = include_bytes!("testdata/cells.onnx");

/// Whether ONNX Runtime is set up. Fails the test if it is not, unless skips are allowed.
pub fn runtime_is_there() -> bool {
    inspectd_test_support::onnx_runtime().is_some()
}

/// The program `inspectctl`, which the package `inspectd-client` builds to the same folder as `inspectd`.
///
/// # Panics
/// When it was not built.
pub fn inspectctl() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let program = Path::new(env!("CARGO_BIN_EXE_inspectd")).with_file_name("inspectctl");
        assert!(
            program.exists(),
            "{} does not exist: run `cargo build -p inspectd-client` (`make test` does)",
            program.display()
        );
        program
    });
    &PROGRAM
}

/// Writes a bundle of [`CELLS`] whose threshold is `threshold`.
pub fn write_bundle(folder: &Path, threshold: f32) {
    write_bundle_of(folder, "2026.1", threshold, CELLS);
}

/// Writes a bundle of any graph, whose hash the manifest has.
pub fn write_bundle_of(folder: &Path, version: &str, threshold: f32, graph: &[u8]) {
    let text = include_str!("testdata/manifest.toml")
        .replace("2026.1", version)
        .replace("SHA256", &sha256(graph))
        .replace("THRESHOLD", &threshold.to_string());
    let manifest = Manifest::parse(Path::new("manifest.toml"), &text).expect("a valid manifest");
    Bundle::write(folder, manifest, vec![graph.to_vec()]).expect("a written bundle");
}

/// A folder with a configuration and a bundle in it.
pub struct Site {
    folder: TempDir,
}

impl Site {
    /// Creates a bundle with the threshold 0.6 in `bundle`, and `inspectd.toml` with `cameras` and what
    /// every test needs: free ports, the bundle, a JSON log.
    pub fn new(cameras: &str) -> Self {
        let site = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        write_bundle(&site.path("bundle"), 0.6);
        site.configure("", cameras);
        site
    }

    /// A path within the folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration again: `top` has keys of any table but `[server]`, `[model]`, `[log]`.
    pub fn configure(&self, top: &str, cameras: &str) {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nmetrics_listen = \"127.0.0.1:0\"\nheartbeat_interval_s = 0.5\n\
             [model]\nbundle = \"bundle\"\n[log]\nformat = \"json\"\n{top}\n{cameras}\n"
        );
        self.write("inspectd.toml", &text);
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a written file");
    }

    /// Makes a folder of evenly grey pictures, each with a name and a level.
    pub fn pictures(&self, folder: &str, pictures: &[(&str, u8)]) {
        fs::create_dir(self.path(folder)).expect("a folder");
        for &(name, grey) in pictures {
            write_png(&self.path(folder).join(name), 64, grey, grey);
        }
    }

    /// Writes the pictures of a challenge to the folder `known`. With [`CELLS`], the two good parts have scores of about 0.5,
    /// the defective one has 0.84.
    pub fn known_parts(&self) {
        for (name, spot) in [
            ("good/a.png", 128),
            ("good/b.png", 130),
            ("dent/c.png", 255),
        ] {
            let file = self.path("known").join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            write_png(&file, 64, 128, spot);
        }
    }

    /// Sets another bundle in the configuration.
    pub fn set_bundle(&self, bundle: &str) {
        let text = fs::read_to_string(self.path("inspectd.toml")).expect("a configuration");
        let old = text.lines().find(|line| line.starts_with("bundle = "));
        let new = format!("bundle = \"{bundle}\"");
        let text = text.replace(old.expect("a bundle is named"), &new);
        self.write("inspectd.toml", &text);
    }

    /// Renames a file or folder atomically.
    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("a renamed file");
    }

    /// The command that starts the daemon here, without watching files.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd"));
        command
            .arg("--config")
            .arg(self.path("inspectd.toml"))
            .env("INSPECTD__LIFE__WATCH_FILES", "false")
            // With more threads, those of ONNX Runtime spin between frames: half a core for each daemon.
            .env("INSPECTD__ENGINE__THREADS", "1");
        command
    }

    /// Starts the daemon and waits until it is ready.
    pub fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    /// As [`Self::start`], with variables in the environment.
    pub fn start_with(&self, variables: &[(&str, &str)]) -> Daemon {
        let daemon = Daemon::spawn(self.command().envs(variables.iter().copied()));
        daemon.wait_for_log("ready");
        daemon
    }

    /// Starts the daemon, which must exit by itself: returns its exit code and standard error, with
    /// nothing logged below errors.
    pub fn refused(&self, variables: &[(&str, &str)]) -> (i32, String) {
        let mut command = self.command();
        command.env("INSPECTD__LOG__FILTER", "error");
        ends(command.envs(variables.iter().copied()))
    }
}

/// Runs a command that exits by itself: returns its exit code and standard error.
pub fn ends(command: &mut Command) -> (i32, String) {
    let output = command.output().expect("a started program");
    let code = output.status.code().expect("no signal");
    (code, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A program that is terminated after [`PATIENCE`], with the exit code 124.
pub fn bounded(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command
        .arg("--kill-after=5")
        .arg(PATIENCE.as_secs().to_string())
        .arg(program);
    command
}

/// A daemon that runs. It is killed when dropped.
pub struct Daemon {
    process: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if std::thread::panicking() {
            eprintln!("--- the daemon's log ---\n{}", self.log().join("\n"));
        }
    }
}

impl Daemon {
    /// Starts a process and reads its log.
    pub fn spawn(command: &mut Command) -> Self {
        let mut process = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("a started daemon");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        let shared = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                shared
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        Self {
            process,
            log,
            reader: Some(reader),
        }
    }

    /// All lines of the log so far.
    pub fn log(&self) -> Vec<String> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for a line that contains `text`, and returns it.
    pub fn wait_for_log(&self, text: &str) -> String {
        let mut found = None;
        wait(&format!("{text:?} in the log"), || {
            found = self.log().into_iter().find(|line| line.contains(text));
            found.is_some() || self.reader.as_ref().is_none_or(JoinHandle::is_finished)
        });
        found.unwrap_or_else(|| panic!("the daemon exited without {text:?}: {:#?}", self.log()))
    }

    /// Where `key` listens.
    pub fn address(&self, key: &str) -> String {
        let line = self.wait_for_log(&format!("\"message\":\"{key}\""));
        let line: serde_json::Value = serde_json::from_str(&line).expect("a JSON line");
        let address = line["address"].as_str().expect("an address");
        address.to_owned()
    }

    /// A connection.
    pub async fn channel(&self) -> Channel {
        let address = format!("http://{}", self.address("server.listen"));
        let endpoint = Channel::from_shared(address).expect("an address");
        endpoint.connect().await.expect("a connection")
    }

    /// A client of the verdicts.
    pub async fn inspection(&self) -> InspectionServiceClient<Channel> {
        InspectionServiceClient::new(self.channel().await)
            .max_decoding_message_size(256 << 20)
            .max_encoding_message_size(256 << 20)
    }

    /// A client of the line.
    pub async fn line(&self) -> LineServiceClient<Channel> {
        LineServiceClient::new(self.channel().await)
    }

    /// The status now.
    pub async fn status(&self) -> proto::Status {
        let mut line = self.line().await;
        let response = line.get_status(proto::GetStatusRequest {}).await;
        let response = response.expect("a status").into_inner();
        response.status.expect("a status")
    }

    /// All verdicts from now on.
    pub async fn verdicts(&self) -> Verdicts {
        self.filtered(proto::StreamVerdictsRequest::default()).await
    }

    /// Some verdicts from now on.
    pub async fn filtered(&self, request: proto::StreamVerdictsRequest) -> Verdicts {
        let stream = self.inspection().await.stream_verdicts(request).await;
        Verdicts(stream.expect("a stream").into_inner())
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.process.id().to_string()])
            .status();
        assert!(status.expect("kill").success());
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the process exits, at most [`PATIENCE`].
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut ended = None;
        wait("the daemon's end", || {
            ended = self.process.try_wait().expect("a child");
            ended.is_some()
        });
        ended.expect("it ended")
    }

    /// Sends SIGTERM, and asserts that the process exits with 0.
    pub fn stop(self) -> Vec<String> {
        self.signal("TERM");
        self.ends_well()
    }

    /// Waits until the process exits, asserts the exit code 0, and returns the whole log.
    pub fn ends_well(mut self) -> Vec<String> {
        let status = self.wait_for_end();
        assert_eq!(status.code(), Some(0), "{status}: {:#?}", self.log());
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the log's reader");
        }
        self.log()
    }
}

/// A stream of verdicts.
pub struct Verdicts(pub Streaming<proto::StreamVerdictsResponse>);

impl Verdicts {
    /// The next event, or the status that ended the stream.
    pub async fn event(&mut self) -> Result<Event, tonic::Status> {
        let message = tokio::time::timeout(PATIENCE, self.0.message()).await;
        let message = message.expect("an event in time")?;
        Ok(message
            .expect("a stream ends with a status")
            .event
            .expect("an event"))
    }

    /// The next verdict; heartbeats are skipped.
    pub async fn next(&mut self) -> proto::Verdict {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.event().await.expect("a running stream") {
                Event::Verdict(verdict) => return verdict,
                Event::Heartbeat(_) => assert!(Instant::now() < deadline, "no verdict in time"),
                Event::Gap(gap) => panic!("{gap:?}"),
            }
        }
    }

    /// The next verdict for which `wanted` holds.
    pub async fn until(&mut self, wanted: impl Fn(&proto::Verdict) -> bool) -> proto::Verdict {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let verdict = self.next().await;
            if wanted(&verdict) {
                return verdict;
            }
            assert!(
                Instant::now() < deadline,
                "not among the verdicts: {verdict:?}"
            );
        }
    }

    /// The next FAULT of this reason.
    pub async fn fault(&mut self, reason: proto::FaultReason) -> proto::Verdict {
        let of = |verdict: &proto::Verdict| verdict.fault.as_ref().map(proto::Fault::reason);
        self.until(|verdict| of(verdict) == Some(reason)).await
    }
}

/// Waits until `done`.
pub fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs the check of all cases at the same time, each on a thread and a runtime of its own: most of their
/// time is spent waiting for timeouts of the daemon.
pub fn check_concurrently<T: Send>(
    cases: impl IntoIterator<Item = T>,
    check: impl AsyncFn(T) + Sync,
) {
    std::thread::scope(|scope| {
        for case in cases {
            let check = &check;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1)
                    .enable_all()
                    .build();
                runtime.expect("a runtime").block_on(check(case));
            });
        }
    });
}

/// Writes a grey PNG of `side` x `side` pixels with a 4x4 spot of `spot` in its middle.
pub fn write_png(path: &Path, side: u32, grey: u8, spot: u8) {
    let middle = side / 2..side / 2 + 4;
    let picture = image::RgbImage::from_fn(side, side, |x, y| {
        let level = if middle.contains(&x) && middle.contains(&y) {
            spot
        } else {
            grey
        };
        image::Rgb([level; 3])
    });
    picture.save(path).expect("a written picture");
}
