//! A daemon with simulated cameras, the Modbus server, and a simulated PLC in Python: three processes on loopback.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use inspectd_client::proto::ActivateRecipeRequest;
use inspectd_client::{Client, Verdict, VerdictQuery};
use inspectd_test_support::{missing, project_root, python_package};
use parking_lot::Mutex;
use serde::Deserialize;
use tempfile::TempDir;

/// The maximum wait for anything, longer than it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// The program of the daemon: the one that `INSPECTD_PROGRAM` names, or the one in the folder of `inspectd-plc`.
pub fn daemon_program() -> Option<PathBuf> {
    let program = std::env::var_os("INSPECTD_PROGRAM").map(PathBuf::from);
    let program = program.unwrap_or_else(|| {
        Path::new(env!("CARGO_BIN_EXE_inspectd-plc")).with_file_name("inspectd")
    });
    if program.is_file() {
        return Some(program);
    }
    missing(
        &format!("the program {}", program.display()),
        "run `cargo build --workspace`, or set INSPECTD_PROGRAM",
    )
}

/// The folder of Python packages with pymodbus: `PYMODBUS_FOLDER`, or the one of the set-up.
pub fn pymodbus() -> Option<PathBuf> {
    match std::env::var_os("PYMODBUS_FOLDER") {
        Some(folder) => Some(folder.into()),
        None => python_package("pymodbus"),
    }
}

/// An entry of the ledger of the PLC.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub unit: u8,
    pub part: String,
    pub decision: i32,
    pub fault_code: u16,
    pub sequence: u64,
    pub ok: bool,
}

/// A line of the simulated PLC.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Do(String),
    Ledger(Vec<Entry>),
}

/// Daemon and Modbus server with their configurations, in a temporary folder.
pub struct Plant {
    folder: TempDir,
    daemon_program: PathBuf,
    daemon: Option<Process>,
    server: Option<Process>,
    /// The port of the server, which stays the same after a restart.
    pub port: u16,
}

impl Plant {
    /// Starts daemon and server. `None`: a prerequisite is missing, and such tests are skipped.
    pub fn start() -> Option<Self> {
        inspectd_test_support::onnx_runtime()?;
        let mut plant = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            daemon_program: daemon_program()?,
            daemon: None,
            server: None,
            port: 0,
        };
        plant.write("inspectd.toml", &daemon_configuration());
        fs::create_dir(plant.path("recipes")).expect("a folder");
        plant.write("recipes/juice.toml", &recipe(""));
        plant.write("recipes/water.toml", &recipe("threshold = 0.000001\n"));
        plant.write("recipes/broken.toml", "product = 3\n");
        plant.write_server_configuration();
        plant.start_daemon();
        plant.start_server();
        plant.port = plant.server_address().port();
        plant.write_server_configuration();
        Some(plant)
    }

    /// A path within the folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a written file");
    }

    fn write_server_configuration(&self) {
        let socket = self.path("inspectd.sock").display().to_string();
        let text = include_str!("plc.toml")
            .replace("127.0.0.1:0", &format!("127.0.0.1:{}", self.port))
            .replace("SOCKET", &socket);
        self.write("plc.toml", &text);
    }

    /// A command of the Modbus server, with the configuration.
    pub fn server_command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd-plc"));
        command.arg("--config").arg(self.path("plc.toml"));
        command
    }

    fn start_server(&mut self) {
        let server = Process::spawn(&mut self.server_command());
        server.wait_for_log("\"ready\"");
        self.server = Some(server);
    }

    fn server_address(&self) -> std::net::SocketAddr {
        let server = self.server.as_ref().expect("a running server");
        let line = server.wait_for_log("\"modbus.listen\"");
        let line: serde_json::Value = serde_json::from_str(&line).expect("a JSON line");
        let address = line["address"].as_str().expect("an address");
        address.parse().expect("an address")
    }

    fn start_daemon(&mut self) {
        let mut command = Command::new(&self.daemon_program);
        command
            .arg("--config")
            .arg(self.path("inspectd.toml"))
            .env("INSPECTD__SERVER__UNIX_SOCKET", self.path("inspectd.sock"))
            .env("INSPECTD__ENGINE__THREADS", "1");
        let daemon = Process::spawn(&mut command);
        daemon.wait_for_log("\"ready\"");
        self.daemon = Some(daemon);
    }

    /// A client of the daemon.
    pub fn client(&self) -> Client {
        let endpoint = format!("unix:{}", self.path("inspectd.sock").display());
        let endpoint = endpoint.parse().expect("a complete address");
        Client::builder(endpoint).build().expect("no credentials")
    }

    /// Runs a scenario of the simulated PLC, and returns its ledger. Between, it asks for faults.
    pub fn scenario(&mut self, name: &str, packages: &Path) -> Vec<Entry> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/modbus");
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", "900", "python3", "-B"])
            .arg(folder.join("scenarios.py"))
            .args([name, &self.port.to_string()])
            .env("PYTHONPATH", python_path(packages, &folder));
        let mut plc = Plc::spawn(&mut command);
        while let Some(line) = plc.line() {
            match line {
                Line::Do(action) => {
                    self.act(&action);
                    plc.answer();
                }
                Line::Ledger(ledger) => {
                    plc.finish();
                    return ledger;
                }
            }
        }
        plc.finish();
        panic!("the PLC ended without a ledger");
    }

    fn act(&mut self, action: &str) {
        match action {
            "kill daemon" => self.daemon.take().expect("a daemon").kill(),
            "start daemon" => self.start_daemon(),
            "freeze daemon" => self.daemon.as_ref().expect("a daemon").signal("STOP"),
            "thaw daemon" => self.daemon.as_ref().expect("a daemon").signal("CONT"),
            "kill server" => self.server.take().expect("a server").kill(),
            "stop server" => self.stop_server(),
            "start server" => self.start_server(),
            "activate water" => block_on(async {
                let client = self.client();
                let request = ActivateRecipeRequest {
                    id: "water".to_owned(),
                };
                let mut recipes = client.recipes();
                client
                    .answer(recipes.activate_recipe(request))
                    .await
                    .expect("a recipe");
            }),
            other => panic!("{other}"),
        }
    }

    /// Stops the server by SIGTERM; it must exit with 0.
    pub fn stop_server(&mut self) {
        let mut server = self.server.take().expect("a running server");
        server.signal("TERM");
        let status = server.wait();
        assert_eq!(status, Some(0), "{:#?}", server.log());
    }

    /// All verdicts of a camera in the journal, oldest first. Without a camera: all.
    pub fn journal(&self, camera: &str) -> Vec<Verdict> {
        block_on(async {
            let mut pages = self.client().stored_verdicts(&VerdictQuery {
                camera_ids: (!camera.is_empty())
                    .then(|| camera.to_owned())
                    .into_iter()
                    .collect(),
                oldest_first: true,
                ..VerdictQuery::default()
            });
            let mut verdicts = Vec::new();
            while let Some(page) = pages.next_page(1000).await.expect("a page") {
                verdicts.extend(page);
            }
            verdicts
        })
    }

    /// The last sequence that a consumer acknowledged.
    pub fn acknowledged(&self, consumer: &str) -> u64 {
        let consumers = block_on(async { self.client().consumers().await });
        let consumers = consumers.expect("the consumers");
        let found = consumers.iter().find(|known| known.name == consumer);
        found.map_or(0, |consumer| consumer.acknowledged)
    }

    /// Waits until a consumer has acknowledged this sequence.
    pub fn wait_for_acknowledgement(&self, consumer: &str, sequence: u64) {
        let end = Instant::now() + PATIENCE;
        loop {
            let acknowledged = self.acknowledged(consumer);
            assert!(acknowledged <= sequence, "{acknowledged} {sequence}");
            if acknowledged == sequence {
                return;
            }
            assert!(Instant::now() < end, "{acknowledged} instead of {sequence}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Runs a future on a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(future)
}

fn python_path(packages: &Path, folder: &Path) -> OsString {
    std::env::join_paths([packages, folder]).expect("paths without a separator")
}

fn demo_bundle() -> String {
    let bundle = project_root().join("models/demo");
    let bundle = bundle.canonicalize().expect("the demo bundle");
    bundle.display().to_string()
}

fn daemon_configuration() -> String {
    include_str!("inspectd.toml").replace("BUNDLE", &demo_bundle())
}

fn recipe(rest: &str) -> String {
    let bundle = demo_bundle();
    format!("product = \"Parts\"\nversion = \"1\"\nbundle = \"{bundle}\"\n{rest}")
}

/// A process that logs to standard error. It is killed when dropped.
pub struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if std::thread::panicking() {
            eprintln!("--- log ---\n{}", self.log().join("\n"));
        }
    }
}

impl Process {
    pub fn spawn(command: &mut Command) -> Self {
        let child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn();
        let mut child = child.expect("a started program");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let shared = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                shared.lock().push(line);
            }
        });
        Self {
            child,
            log,
            reader: Some(reader),
        }
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().clone()
    }

    /// Waits for a line that contains `text`.
    pub fn wait_for_log(&self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.log().into_iter().find(|line| line.contains(text)) {
                return line;
            }
            let ended = self.reader.as_ref().is_none_or(JoinHandle::is_finished);
            assert!(
                !ended && Instant::now() < end,
                "no {text}: {:#?}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.expect("kill").success());
    }

    /// Kills the process at once.
    fn kill(mut self) {
        self.child.kill().expect("a running process");
        self.child.wait().expect("a child");
    }

    /// Waits for the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(Instant::now() < end, "still running: {:#?}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The simulated PLC.
struct Plc {
    child: Child,
    requests: BufReader<ChildStdout>,
    answers: ChildStdin,
}

impl Plc {
    fn spawn(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("a started program");
        Self {
            requests: BufReader::new(child.stdout.take().expect("a pipe")),
            answers: child.stdin.take().expect("a pipe"),
            child,
        }
    }

    /// The next line, or nothing at the end.
    fn line(&mut self) -> Option<Line> {
        let mut line = String::new();
        self.requests.read_line(&mut line).expect("a readable pipe");
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect("a JSON line"))
    }

    fn answer(&mut self) {
        writeln!(self.answers, "done").expect("a writable pipe");
    }

    /// Asserts that the program ended well.
    fn finish(mut self) {
        let mut errors = String::new();
        let mut pipe = self.child.stderr.take().expect("a pipe");
        pipe.read_to_string(&mut errors).expect("text");
        let status = self.child.wait().expect("a child");
        assert!(status.success(), "the PLC failed: {status}\n{errors}");
    }
}
