//! A daemon with a client of the edge agent, which is a Python program.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Daemon, PATIENCE, Site, wait};

/// The socket of the clients, in the folder of a site.
const SOCKET: &str = "lookout.sock";

/// Starts a daemon that serves clients of the edge agent.
pub fn start(site: &Site, variables: &[(&str, &str)]) -> Daemon {
    let socket = site.path(SOCKET).display().to_string();
    let mut all = vec![("INSPECTD__SERVER__LOOKOUT_SOCKET", &*socket)];
    all.extend(variables);
    site.start_with(&all)
}

/// The Python program.
pub struct Agent {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    _stubs: TempDir,
}

/// The program ends with its input, and removes its shared memory.
impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

impl Agent {
    /// Starts the program with these Python packages, for the daemon of this site.
    pub fn start(packages: &Path, site: &Site) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let stubs = tempfile::tempdir().expect("a folder");
        let mut process = Command::new("timeout")
            .args(["--kill-after=5", &(5 * PATIENCE.as_secs()).to_string()])
            .arg("python3")
            .arg(root.join("tests/daemon/lookout/client.py"))
            .arg(root.join("proto/lookout/edge-agent.proto"))
            .args([stubs.path(), &site.path(SOCKET)])
            .env("PYTHONPATH", packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a started program");
        Self {
            input: process.stdin.take(),
            output: BufReader::new(process.stdout.take().expect("a pipe")),
            process,
            _stubs: stubs,
        }
    }

    /// Makes a call, and returns its result, or the code and details of its error.
    pub fn call(&mut self, command: &Value) -> Value {
        let input = self.input.as_mut().expect("a pipe");
        writeln!(input, "{command}").expect("the program reads");
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .expect("the program writes");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{command}: {line:?}"))
    }

    /// Makes a call about a model.
    pub fn model(&mut self, call: &str, model: &str) -> Value {
        self.call(&json!({ "call": call, "model": model }))
    }

    /// The state of a model, and what it means.
    pub fn status(&mut self, model: &str) -> (String, String) {
        let described = self.model("describe", model);
        let text = |key: &str| described[key].as_str().unwrap_or_default().to_owned();
        (text("status"), text("message"))
    }

    /// Starts a model, and waits until it no longer is.
    pub fn started(&mut self, model: &str) -> (String, String) {
        assert_eq!(self.model("start", model), "STARTING", "{model}");
        let mut found = (String::new(), String::new());
        wait(&format!("the start of {model}"), || {
            found = self.status(model);
            found.0 != "STARTING"
        });
        found
    }

    /// Inspects an image, with what `more` has.
    pub fn detect(&mut self, model: &str, grey: u8, more: &Value) -> Value {
        self.call(&detection(model, grey, more))
    }

    /// Asserts that a call is refused with this code and these words.
    pub fn refuses(&mut self, command: &Value, code: &str, words: &str) {
        let refused = self.call(command);
        assert_eq!(refused["code"], code, "{command}: {refused}");
        let details = refused["details"].as_str().unwrap_or_default();
        assert!(details.contains(words), "{command}: {details:?}");
    }
}

/// A call that inspects an evenly grey image of 64 x 64 pixels, unless `more` says otherwise.
pub fn detection(model: &str, grey: u8, more: &Value) -> Value {
    let mut command =
        json!({ "call": "detect", "model": model, "grey": grey, "width": 64, "height": 64 });
    for (key, value) in more.as_object().into_iter().flatten() {
        command[key] = value.clone();
    }
    command
}

/// The Python packages that the program needs.
pub fn packages() -> Option<PathBuf> {
    inspectd_test_support::python_package("grpc")?;
    inspectd_test_support::python_package("grpc_tools")
}
