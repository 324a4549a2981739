//! The programs of the clients, which `scripts/clients.sh` builds, and a consumer that a test drives line by line.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::LazyLock;

use inspectd_test_support::missing;

use crate::harness::bounded;

/// The exit code of `scripts/clients.sh` when a program is not installed.
const MISSING_PROGRAM: i32 = 69;

/// The root of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A client in another language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Cpp,
    Node,
}

/// Builds the client once. Fails the test if that is not possible.
#[track_caller]
pub fn built(language: Language) -> Option<()> {
    static CPP: LazyLock<Output> = LazyLock::new(|| build("cpp"));
    static NODE: LazyLock<Output> = LazyLock::new(|| build("node"));
    let output = match language {
        Language::Cpp => &CPP,
        Language::Node => &NODE,
    };
    let text = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Some(()),
        Some(MISSING_PROGRAM) => missing(text.trim(), "run `scripts/setup.sh clients`"),
        _ => panic!("scripts/clients.sh: {text}"),
    }
}

fn build(client: &str) -> Output {
    let script = root().join("scripts/clients.sh");
    let output = Command::new(script).arg(client).output();
    output.expect("the script runs")
}

/// Runs a command: returns its exit code and all its output.
pub fn run(command: &mut Command) -> (i32, String) {
    let output = command.output().expect("a started program");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.code().expect("no signal"), text)
}

impl Language {
    /// An example of the client, terminated after a while.
    pub fn program(self, name: &str) -> Command {
        let clients = root().join("target/clients");
        match self {
            Self::Cpp => bounded(clients.join("cpp/build").join(name)),
            Self::Node => {
                let mut command = bounded("node");
                command.arg(clients.join(format!("node/examples/{name}.mjs")));
                command
            }
        }
    }

    /// Starts a consumer of the daemon at an address.
    pub fn consume(self, address: &str, consumer: &str, silence_ms: &str) -> Consumer {
        let mut command = self.program("conformance");
        Consumer::start(command.args([address, "consume", consumer, silence_ms]))
    }
}

/// A program as `docs/conformance.md` describes it, with the task `consume`.
pub struct Consumer {
    process: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Consumer {
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("a started program");
        let output = process.stdout.take().expect("a pipe");
        Self {
            input: process.stdin.take().expect("a pipe"),
            lines: BufReader::new(output).lines(),
            process,
        }
    }

    /// The next line. It comes in time: the program is terminated otherwise.
    pub fn line(&mut self) -> String {
        let line = self.lines.next().expect("the program ended");
        line.expect("UTF-8")
    }

    /// The next verdict: its epoch, sequence and decision.
    pub fn verdict(&mut self) -> (u64, u64, String) {
        let line = self.line();
        let words: Vec<&str> = line.split(' ').collect();
        let ["verdict", epoch, sequence, decision] = words[..] else {
            panic!("not a verdict: {line}")
        };
        let number = |text: &str| text.parse().expect("a number");
        (number(epoch), number(sequence), decision.to_owned())
    }

    /// Reports that the last verdict is processed.
    pub fn processed(&mut self) {
        self.input
            .write_all(b"processed\n")
            .expect("a running program");
    }

    /// Reads and processes verdicts of the first epoch: returns their sequences and decisions.
    pub fn process(&mut self, verdicts: usize) -> Vec<(u64, String)> {
        let read = |_| {
            let (epoch, sequence, decision) = self.verdict();
            assert_eq!(epoch, 1, "of {sequence}");
            self.processed();
            (sequence, decision)
        };
        (0..verdicts).map(read).collect()
    }

    /// Ends the input, and waits until the program has ended.
    pub fn end(mut self) {
        drop(self.input);
        let status = self.process.wait().expect("a child");
        assert_eq!(status.code(), Some(0), "{status}");
    }
}
