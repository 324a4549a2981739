//! `inspectctl` as operators use it: the real program with the real daemon.

mod audit;
mod cameras;
mod images;
mod journal;
mod models;
mod reload;
mod status;
mod usage;
mod watch;

use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::{Daemon, bounded, wait};

/// The program, with the daemon's address in its environment.
pub fn inspectctl(daemon: &Daemon) -> Command {
    let mut command = bounded(crate::harness::inspectctl());
    let server = format!("http://{}", daemon.address("server.listen"));
    command.env("INSPECTD_SERVER", server);
    command
}

/// Runs a command that must exit with `code`.
pub fn run(command: &mut Command, code: i32) -> Finished {
    let finished = Finished(command.output().expect("a started program"));
    assert_eq!(
        finished.0.status.code(),
        Some(code),
        "{command:?}: {finished:?}"
    );
    finished
}

/// Runs a line of arguments that must exit with 0. Returns its standard output.
pub fn done(daemon: &Daemon, line: &str) -> String {
    run(inspectctl(daemon).args(line.split(' ')), 0).stdout()
}

/// A command that has exited.
#[derive(Debug)]
pub struct Finished(Output);

impl Finished {
    /// Its standard output.
    pub fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).expect("UTF-8")
    }

    /// Its standard error.
    pub fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).expect("UTF-8")
    }
}

/// Parses one JSON object per line.
pub fn json_lines(text: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

/// The sequence of a recent REJECT.
fn reject(daemon: &Daemon) -> u64 {
    let line = done(daemon, "watch --decision reject --limit 1 --json");
    let sequence = json_lines(&line)[0]["verdict"]["sequence"].as_u64();
    sequence.expect("a sequence")
}

/// Waits until this number of streams is open.
fn wait_for_streams(daemon: &Daemon, count: u64) {
    wait("streams", || {
        let status = json_lines(&done(daemon, "status --json"));
        status[0]["streams"] == count
    });
}
