//! Daemon, server and clients of a test: folders, processes and their logs.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use inspectd_test_support::{project_root, python_package};
use tempfile::TempDir;

/// The maximum wait for anything, longer than it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// The password of all users.
pub const PASSWORD: &str = "correct horse";

/// A folder with the files of a test.
pub struct Site {
    folder: TempDir,
}

impl Site {
    /// Creates the folder.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// A path within the folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a written file");
    }

    /// Starts a daemon with two cameras: `top` inspects on request, `belt` inspects every part. Its port stays the same.
    pub fn start_daemon(&self, port: u16) -> Process {
        let bundle = project_root().join("models/demo").display().to_string();
        let camera = "source = \"simulator\"\nwidth = 256\nheight = 256\nprerender = 20\ndefect_rate = 0.3\n";
        self.write(
            "inspectd.toml",
            &format!(
                "[server]\nlisten = \"127.0.0.1:{port}\"\nmetrics_listen = \"off\"\nheartbeat_interval_s = 0.5\n\
                 [model]\nbundle = {bundle:?}\n[log]\nformat = \"json\"\n[journal]\nfolder = \"journal\"\n\
                 [recipes]\nfolder = \"recipes\"\n\
                 [cameras.top]\n{camera}mode = \"requested\"\nfps = 20\n\
                 [cameras.belt]\n{camera}mode = \"triggered\"\nfps = 4\npart_counter = true\n"
            ),
        );
        for (name, threshold) in [("strict", 0.1), ("lenient", 0.99), ("spare", 0.5)] {
            self.write(
                &format!("recipes/{name}.toml"),
                &format!("product = \"Part\"\nversion = \"1\"\nbundle = {bundle:?}\nthreshold = {threshold}\n"),
            );
        }
        let mut command = Command::new(inspectd());
        command
            .arg("--config")
            .arg(self.path("inspectd.toml"))
            .env("INSPECTD__LIFE__WATCH_FILES", "false")
            .env("INSPECTD__ENGINE__THREADS", "1");
        let daemon = Process::spawn(&mut command);
        daemon.wait_for_log("\"message\":\"ready\"");
        daemon
    }

    /// Writes the configuration of the server. `extra` has further tables, `server` further keys of `[server]`.
    pub fn configure(&self, daemon_port: u16, server: &str, extra: &str) {
        let users = ["viewer", "operator", "engineer"].map(|role| {
            let hash = hash_password(PASSWORD);
            format!("[users.{role}]\nrole = \"{role}\"\npassword_hash = {hash:?}\n")
        });
        self.write(
            "opcua.toml",
            &format!(
                "[server]\nendpoint = \"opc.tcp://127.0.0.1:0\"\nbox = \"box-7\"\n{server}\n\
                 [pki]\nfolder = \"pki\"\n[daemon]\nserver = \"http://127.0.0.1:{daemon_port}\"\n\
                 [log]\nformat = \"json\"\nfilter = \"warn,inspectd_opcua=debug\"\n\
                 [systems.top]\ncamera = \"top\"\n[systems.belt]\ncamera = \"belt\"\n{}{extra}",
                users.concat()
            ),
        );
    }

    /// Starts the server.
    pub fn start_server(&self) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd-opcua"));
        command.arg("--config").arg(self.path("opcua.toml"));
        let server = Process::spawn(&mut command);
        server.wait_for_log("\"message\":\"server.endpoint\"");
        server
    }

    /// Runs a command of the program. Returns its exit code and its output.
    pub fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd-opcua"));
        command
            .arg("--config")
            .arg(self.path("opcua.toml"))
            .args(arguments);
        let output = command.output().expect("a started program");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (output.status.code().expect("no signal"), text)
    }

    /// A command that runs the script of the independent client.
    pub fn script(&self, arguments: &[&str]) -> Option<Command> {
        let packages = match std::env::var_os("INSPECTD_ASYNCUA") {
            Some(folder) => PathBuf::from(folder),
            None => python_package("asyncua")?,
        };
        let script = project_root().join("crates/opcua/tests/opcua/client.py");
        let mut command = Command::new("python3");
        command
            .arg(script)
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PYTHONPATH", packages);
        Some(command)
    }
}

/// The hash of a password, as the program prints it.
pub fn hash_password(password: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_inspectd-opcua"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a started program");
    let mut input = child.stdin.take().expect("a pipe");
    writeln!(input, "{password}").expect("a written line");
    drop(input);
    let output = child.wait_with_output().expect("an exit");
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim()
        .to_owned()
}

/// The program `inspectd`: that of `INSPECTD_PROGRAM`, or the one that Cargo built to the folder of this test.
fn inspectd() -> PathBuf {
    if let Some(program) = std::env::var_os("INSPECTD_PROGRAM") {
        return program.into();
    }
    let program = Path::new(env!("CARGO_BIN_EXE_inspectd-opcua")).with_file_name("inspectd");
    assert!(
        program.exists(),
        "{} does not exist: run `cargo build --workspace` (`make test` does)",
        program.display()
    );
    program
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// A process that runs. It is killed when dropped.
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
            let log = self.log();
            let last = log.len().saturating_sub(60);
            eprintln!(
                "--- the last lines of a log ---\n{}",
                log[last..].join("\n")
            );
        }
    }
}

impl Process {
    /// Starts a process and reads its log.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("a started program");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
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
            child,
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
        found.unwrap_or_else(|| panic!("the process ended without {text:?}: {:#?}", self.log()))
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        let line = self.wait_for_log("\"message\":\"server.endpoint\"");
        let line: serde_json::Value = serde_json::from_str(&line).expect("a JSON line");
        let address = line["address"].as_str().expect("an address");
        address.parse().expect("an address")
    }

    /// The memory in use, in MiB.
    pub fn memory_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.expect("VmRSS").trim().trim_end_matches(" kB");
        kib.parse::<u64>().expect("a number") >> 10
    }

    /// Whether the process runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Sends SIGTERM, and returns the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status();
        assert!(status.expect("kill").success());
        let mut ended = None;
        wait("the end of the process", || {
            ended = self.child.try_wait().expect("a child");
            ended.is_some()
        });
        ended.and_then(|status| status.code())
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
