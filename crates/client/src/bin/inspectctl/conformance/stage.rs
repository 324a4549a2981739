//! The stage of a scenario: the played daemon, the program under test, and everything that was seen. It checks the rules that
//! hold in all scenarios; a script decides what happens, and checks the rest.

mod calls;
mod lines;
mod streams;

use std::collections::BTreeSet;
use std::time::Duration;

use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::{
    GetStatusResponse, ListConsumersResponse, TriggerInspectionRequest, TriggerInspectionResponse,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tonic::Code;

use self::streams::OpenStream;
use super::behaviour::Behaviour;
use super::call::{Event, Events, Reply};
use super::journal::Journal;
use super::port::Port;
use super::program::Program;
use super::server;
use super::task::Task;
use super::user::User;

/// How long the client has for something that needs no pause.
pub const PROMPTLY: Duration = Duration::from_secs(5);

/// The longest pause before another attempt.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Added to each upper limit: this machine may be busy.
pub const TOLERANCE: Duration = Duration::from_secs(1);

/// How often streams are looked at.
const TICK: Duration = Duration::from_millis(100);

/// What happened, at most this many lines.
const LOG_LIMIT: usize = 1000;

/// Why a scenario ends before its end.
#[derive(Debug)]
pub enum Broken {
    /// A rule was broken.
    Rule(String),
    /// The program cannot be started, or the server not be opened.
    Tool(anyhow::Error),
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::Tool(error.into())
    }
}

/// The result of a step.
pub type Played<T = ()> = Result<T, Broken>;

/// Breaks a rule.
pub fn broken<T>(rule: impl Into<String>) -> Played<T> {
    Err(Broken::Rule(rule.into()))
}

/// Breaks a rule unless `holds`.
pub fn ensure(holds: bool, rule: impl FnOnce() -> String) -> Played {
    if holds { Ok(()) } else { broken(rule()) }
}

/// A request for a stream.
#[derive(Clone, Debug)]
pub struct StreamRequest {
    /// When it came.
    pub at: Instant,
    /// Where it starts.
    pub start: Option<Start>,
}

/// A request for an inspection.
#[derive(Debug)]
pub struct TriggerCall {
    /// The request.
    pub request: TriggerInspectionRequest,
    /// Its answer is held back.
    held: Option<Reply<TriggerInspectionResponse>>,
}

impl TriggerCall {
    /// Whether the client has ended the call, or it was answered.
    pub fn is_over(&self) -> bool {
        self.held.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

/// The stage.
#[derive(Debug)]
pub struct Stage {
    command: Vec<String>,
    start_timeout: Duration,
    begun: Instant,
    events: Events,
    received: mpsc::UnboundedReceiver<(Instant, Event)>,
    port: Port,
    task: Task,
    program: Option<Program>,
    /// Number of programs that were started.
    programs: u32,
    /// Whether the output of the program has ended.
    ended: bool,
    streams: Vec<OpenStream>,
    next_tick: Instant,
    log: Vec<String>,
    last_diagnostic: String,
    /// The journal of the played daemon.
    pub journal: Journal,
    /// How the played daemon answers.
    pub behaviour: Behaviour,
    /// What the user has to receive.
    pub user: User,
    /// Verdicts that the user has processed, in all programs.
    pub processed: BTreeSet<u64>,
    /// Requests for streams.
    pub requests: Vec<StreamRequest>,
    /// Acknowledgements, also those that were refused.
    pub acknowledgements: Vec<(Instant, u64)>,
    /// Requests for inspections.
    pub triggers: Vec<TriggerCall>,
    /// Results of triggers that the program printed.
    pub triggered: Vec<(u64, String)>,
    /// The code with which the program gave up.
    pub failed: Option<(Instant, String)>,
}

impl Stage {
    /// Opens the server.
    ///
    /// # Errors
    /// When no port is free.
    pub fn open(command: &[String], start_timeout: Duration) -> std::io::Result<Self> {
        let (events, received) = Events::channel();
        let port = Port::open(server::routes(&events))?;
        let begun = Instant::now();
        Ok(Self {
            command: command.to_vec(),
            start_timeout,
            begun,
            events,
            received,
            port,
            task: Task::Live,
            program: None,
            programs: 0,
            ended: false,
            streams: Vec::new(),
            next_tick: begun,
            log: Vec::new(),
            last_diagnostic: String::new(),
            journal: Journal::default(),
            behaviour: Behaviour::default(),
            user: User::default(),
            processed: BTreeSet::new(),
            requests: Vec::new(),
            acknowledgements: Vec::new(),
            triggers: Vec::new(),
            triggered: Vec::new(),
            failed: None,
        })
    }

    /// Starts the program with a task.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self, task: Task) -> Played {
        let (address, number) = (self.port.address(), self.programs);
        self.note(format!("start: {}", task.words().join(" ")));
        let program = Program::start(&self.command, address, task.words(), &self.events, number);
        self.program = Some(program.map_err(Broken::Tool)?);
        self.programs += 1;
        self.ended = false;
        self.task = task;
        self.user = User::default();
        self.failed = None;
        Ok(())
    }

    /// The longest time from the start of the program to its first request.
    pub fn start_timeout(&self) -> Duration {
        self.start_timeout
    }

    /// Starts the program with a task of a stream, and waits for its first request.
    ///
    /// # Errors
    /// When it cannot be started, or makes no request in time.
    pub async fn start_stream(&mut self, task: Task) -> Played {
        self.start(task)?;
        let (before, limit) = (self.requests.len(), self.start_timeout);
        self.until(
            "the program made no StreamVerdicts request",
            limit,
            |stage| stage.requests.len() > before,
        )
        .await
    }

    /// Kills the program.
    pub async fn kill(&mut self) {
        self.note("the program is killed".to_owned());
        if let Some(program) = &mut self.program {
            program.kill().await;
        }
        self.program = None;
    }

    /// Ends the program, and returns what happened.
    pub async fn close(mut self) -> Vec<String> {
        if let Some(program) = &mut self.program {
            program.end().await;
        }
        self.log
    }

    /// Waits until the program has ended by itself.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ended(&mut self) -> Played {
        let status = match &mut self.program {
            Some(program) => program.status().await,
            None => None,
        };
        ensure(status.is_some(), || "the program did not end".to_owned())
    }

    /// Waits until `done`. `otherwise` is the rule that is broken if it is not in time.
    ///
    /// # Errors
    /// The rule, or another one that is broken meanwhile.
    pub async fn until(
        &mut self,
        otherwise: &str,
        limit: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Played {
        let end = Instant::now() + limit + TOLERANCE;
        loop {
            if done(self) {
                return Ok(());
            }
            if self.ended {
                return broken(self.unexpected_end(otherwise));
            }
            if Instant::now() >= end {
                return broken(format!("{otherwise} within {} s", limit.as_secs_f32()));
            }
            self.step(end).await?;
        }
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// A rule that is broken meanwhile.
    pub async fn during(&mut self, duration: Duration) -> Played {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.step(end).await?;
        }
        Ok(())
    }

    /// Waits until everything that was sent was handed to the user and processed, and for what may come twice.
    ///
    /// # Errors
    /// When something is missing, or a rule is broken.
    pub async fn delivered(&mut self) -> Played {
        let up_to_date = self
            .until("not delivered", PROMPTLY, |stage| {
                stage.user.is_up_to_date()
            })
            .await;
        match (up_to_date, self.user.missing()) {
            (Err(Broken::Rule(reason)), Some(missing)) if reason.starts_with("not delivered") => {
                broken(format!("{missing} within {} s", PROMPTLY.as_secs()))
            }
            (result, _) => result,
        }
    }

    /// Waits until a sequence is acknowledged.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn acknowledged(&mut self, sequence: u64, limit: Duration) -> Played {
        let otherwise = format!("sequence {sequence} was processed and not acknowledged");
        let done = |stage: &Self| stage.journal.acknowledged == Some(sequence);
        self.until(&otherwise, limit, done).await
    }

    /// Waits for another request for a stream than the first `known` ones.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn requested_again(&mut self, known: usize, limit: Duration) -> Played {
        let otherwise = "the client did not open the stream again";
        let done = |stage: &Self| stage.requests.len() > known;
        self.until(otherwise, limit, done).await
    }

    /// Resets all connections.
    ///
    /// # Errors
    /// When the port cannot be opened again.
    pub async fn reset(&mut self) -> Played {
        self.note("all connections are reset".to_owned());
        Ok(self.port.reset().await?)
    }

    /// Stops the daemon: ends all streams with `UNAVAILABLE`, closes its port for `pause`, and starts another run.
    ///
    /// # Errors
    /// When the port cannot be opened again, or a rule is broken meanwhile.
    pub async fn restart(&mut self, pause: Duration) -> Played {
        self.end_streams(Some(&tonic::Status::new(
            Code::Unavailable,
            "the daemon is stopping",
        )));
        self.during(TICK).await?;
        self.note("the port is closed".to_owned());
        self.port.close().await?;
        self.during(pause).await?;
        self.journal.restart();
        self.port.reopen()?;
        self.note("the port is open again, with another run".to_owned());
        Ok(())
    }

    /// Notes what happened.
    pub fn note(&mut self, mut text: String) {
        if self.log.len() < LOG_LIMIT {
            let seconds = self.begun.elapsed().as_secs_f64();
            text.insert_str(0, &format!("{seconds:7.3} "));
            self.log.push(text);
        }
    }

    /// Takes the next event, or looks after the streams.
    async fn step(&mut self, end: Instant) -> Played {
        let wake = self.next_tick.min(end);
        if let Ok(Some((at, event))) = timeout_at(wake, self.received.recv()).await {
            self.apply(at, event).await?;
        }
        if Instant::now() >= self.next_tick {
            self.next_tick = Instant::now() + TICK;
            self.send_heartbeats();
        }
        Ok(())
    }

    async fn apply(&mut self, at: Instant, event: Event) -> Played {
        match event {
            Event::Stream(request, reply) => self.stream_called(at, &request, reply),
            Event::Acknowledge(request, reply) => self.acknowledge_called(at, &request, reply),
            Event::Trigger(request, reply) => {
                self.trigger_called(request, reply);
                Ok(())
            }
            Event::Consumers(reply) => {
                let consumers = vec![self.journal.consumer()];
                let answer = ListConsumersResponse { consumers };
                let _ = reply.send(Ok(answer));
                Ok(())
            }
            Event::Status(reply) => {
                let status = Some(self.journal.status());
                let answer = GetStatusResponse { status };
                let _ = reply.send(Ok(answer));
                Ok(())
            }
            Event::Line(number, line) if number + 1 == self.programs => {
                self.line_printed(at, &line).await
            }
            Event::Ended(number) if number + 1 == self.programs => {
                self.note("the output of the program has ended".to_owned());
                self.ended = true;
                Ok(())
            }
            // Of a program that was killed.
            Event::Line(..) | Event::Ended(_) => Ok(()),
            Event::Diagnostic(line) => {
                self.note(format!("standard error: {line}"));
                self.last_diagnostic = line;
                Ok(())
            }
        }
    }

    fn unexpected_end(&self, otherwise: &str) -> String {
        let said = match (&self.failed, self.last_diagnostic.as_str()) {
            (Some((_, code)), _) => format!("; it printed: failed {code}"),
            (None, "") => String::new(),
            (None, line) => format!("; its last line on standard error: {line}"),
        };
        format!("the program ended too early ({otherwise}){said}")
    }
}
