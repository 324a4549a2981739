//! The program under test: a process, its lines, and what it reads.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::call::{Event, Events};

/// Replaced by the address of the server.
pub const ADDRESS: &str = "{address}";

/// What the program reads once its user has processed a verdict.
const PROCESSED: &[u8] = b"processed\n";

/// How long the program may take to end after its input has ended.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// A running program. It is killed, with the processes that it started, when it is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    input: Option<ChildStdin>,
    group: Option<Pid>,
}

impl Program {
    /// Starts the program with `words` as further arguments. Its lines go to `events` with `number`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        command: &[String],
        address: SocketAddr,
        words: Vec<String>,
        events: &Events,
        number: u32,
    ) -> Result<Self> {
        let replaced = command
            .iter()
            .map(|word| word.replace(ADDRESS, &address.to_string()));
        let mut words = replaced.chain(words);
        let program = words.next().context("no program is given")?;
        let mut command = std::process::Command::new(&program);
        command
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A program that is started by another one, such as a shell, is killed with it.
            .process_group(0);
        let mut child = Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{program} cannot be started"))?;
        if let Some(output) = child.stdout.take() {
            let events = events.clone();
            tokio::spawn(async move {
                read(output, |line| events.report(Event::Line(number, line))).await;
                events.report(Event::Ended(number));
            });
        }
        if let Some(errors) = child.stderr.take() {
            let events = events.clone();
            tokio::spawn(read(errors, move |line| {
                events.report(Event::Diagnostic(line));
            }));
        }
        Ok(Self {
            input: child.stdin.take(),
            group: child.id().and_then(|id| Pid::from_raw(id as i32)),
            child,
        })
    }

    /// Reports that the user has processed a verdict. A program that has ended does not read it.
    pub async fn processed(&mut self) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(PROCESSED).await;
            let _ = input.flush().await;
        }
    }

    /// Kills the program with all processes that it started, and waits for its end.
    pub async fn kill(&mut self) {
        self.kill_group();
        let _ = self.child.wait().await;
    }

    /// Ends its standard input, and waits for its end, which is forced after a while.
    pub async fn end(&mut self) {
        self.input = None;
        self.status().await;
        self.kill().await;
    }

    /// The status with which it ended within a while; its input stays open.
    pub async fn status(&mut self) -> Option<ExitStatus> {
        let ended = timeout(END_TIMEOUT, self.child.wait()).await;
        ended.ok().and_then(Result::ok)
    }

    /// Once only: the number of a group that has ended may become that of another one.
    fn kill_group(&mut self) {
        if let Some(group) = self.group.take() {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill_group();
    }
}

async fn read(from: impl AsyncRead + Unpin, report: impl Fn(String)) {
    let mut lines = BufReader::new(from).lines();
    // A line that is not UTF-8 ends the output: what follows cannot be understood.
    while let Ok(Some(line)) = lines.next_line().await {
        report(line);
    }
}
