//! A client with a fault, to show that each scenario of `inspectctl conformance` can fail. It uses the generated calls
//! only. The argument `none` is a client without a fault.
//!
//! ```sh
//! cargo build -p inspectd-client --bins --examples
//! target/debug/inspectctl conformance -- target/debug/examples/faulty_client repeats {address}
//! ```

use std::collections::BTreeMap;
use std::io::{Write, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    AcknowledgeVerdictsRequest, Decision, Gap, GapReason, StreamVerdictsRequest,
    TriggerInspectionRequest, Verdict,
};
use inspectd_client::{Code, Status};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

/// Pauses before another attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Pause of a client without back-off.
const NO_PAUSE: Duration = Duration::from_millis(5);

/// What is wrong with the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// Nothing.
    None,
    /// FAULT is printed as PASS.
    #[value(name = "fault-is-pass")]
    WrongPass,
    /// A decision that is not known is printed as PASS.
    UnknownIsPass,
    /// A second verdict with the sequence 0 counts as a repetition.
    ZeroIsRepeated,
    /// Only verdicts show that a stream is alive.
    HeartbeatsIgnored,
    /// The interval that heartbeats state does not matter.
    IntervalIgnored,
    /// A stream may be silent for ever.
    NoSilenceLimit,
    /// Another stream starts where the first one did.
    FromTheBeginning,
    /// A stream that ends with OK is the end.
    OkIsTheEnd,
    /// A lost connection is the end.
    NoReconnection,
    /// No pauses between attempts.
    NoBackOff,
    /// Every error is taken for one that may pass.
    RetriesRefusals,
    /// Lost verdicts are not reported.
    GapIgnored,
    /// `OUT_OF_RANGE` is the end.
    OutOfRangeIsTheEnd,
    /// Verdicts that are not kept are skipped without a report.
    SilentLoss,
    /// Another epoch is read from its first verdict.
    EpochResets,
    /// A verdict of another run with a sequence that was received counts as a repetition.
    RunIgnored,
    /// A sequence is never accepted twice, also without a journal.
    SequencesAreUnique,
    /// Acknowledges what was received.
    AcknowledgesEarly,
    /// Streams with the next verdict instead of the consumer's.
    ForgetsConsumer,
    /// Hands over again what the daemon repeats.
    Repeats,
    /// Does not repeat an acknowledgement that failed.
    AcknowledgesOnce,
    /// Triggers without an idempotency key.
    NoKey,
    /// Waits without a limit.
    NoDeadline,
    /// Each attempt has a key of its own.
    NewKey,
    /// Repeats a trigger that was refused.
    RetriesTriggers,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [fault, address, task @ ..] = &arguments[..] else {
        bail!("arguments: FAULT ADDRESS TASK...; see docs/conformance.md");
    };
    let fault = Fault::from_str(fault, false).map_err(anyhow::Error::msg)?;
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    let calls = InspectionServiceClient::new(channel);
    let (first, silence) = match *task {
        ["consume", consumer, silence] => (Some(Start::Consumer(consumer.to_owned())), silence),
        ["follow", sequence, silence] => (Some(Start::FromSequence(sequence.parse()?)), silence),
        ["live", silence] => (None, silence),
        ["trigger", camera, part, deadline] => {
            let deadline = Duration::from_millis(deadline.parse()?);
            return trigger(calls, fault, camera, part, deadline).await;
        }
        _ => bail!("unknown task: {}", task.join(" ")),
    };
    let silence = match fault {
        Fault::NoSilenceLimit => Duration::from_hours(1),
        _ => Duration::from_millis(silence.parse()?),
    };
    Reader::new(calls, fault, first, silence).run().await
}

type Calls = InspectionServiceClient<Channel>;

struct Reader {
    calls: Calls,
    fault: Fault,
    first: Option<Start>,
    silence: Duration,
    acknowledge: Option<watch::Sender<u64>>,
    passed: u64,
    /// The run and the sequence of each verdict that was received.
    received: BTreeMap<u64, String>,
    zero: bool,
    epoch: u64,
    failures: u32,
}

/// What follows an event or a stream.
enum Then {
    GoOn,
    Reopen,
    Exit(ExitCode),
}

impl Reader {
    fn new(calls: Calls, fault: Fault, first: Option<Start>, silence: Duration) -> Self {
        let acknowledge = match &first {
            Some(Start::Consumer(name)) => {
                let (newest, changes) = watch::channel(0);
                tokio::spawn(acknowledge(calls.clone(), fault, name.clone(), changes));
                Some(newest)
            }
            _ => None,
        };
        Self {
            calls,
            fault,
            first,
            silence,
            acknowledge,
            passed: 0,
            received: BTreeMap::new(),
            zero: false,
            epoch: 0,
            failures: 0,
        }
    }

    async fn run(mut self) -> Result<ExitCode> {
        loop {
            let ended = match self.calls.stream_verdicts(self.request()).await {
                Ok(stream) => self.read(stream.into_inner()).await?,
                Err(status) => Err(status),
            };
            let then = match ended {
                Ok(then) => then,
                Err(status) => self.after(&status).await?,
            };
            if let Then::Exit(code) = then {
                return Ok(code);
            }
            sleep(pause(self.fault, self.failures)).await;
            self.failures += 1;
        }
    }

    fn request(&self) -> StreamVerdictsRequest {
        let start = match &self.first {
            _ if self.fault == Fault::ForgetsConsumer => None,
            Some(Start::FromSequence(_))
                if self.passed > 0 && self.fault != Fault::FromTheBeginning =>
            {
                Some(Start::FromSequence(self.passed + 1))
            }
            first => first.clone(),
        };
        StreamVerdictsRequest {
            start,
            ..StreamVerdictsRequest::default()
        }
    }

    /// Reads a stream up to its end: what follows, or its status.
    async fn read(
        &mut self,
        mut stream: Streaming<inspectd_client::proto::StreamVerdictsResponse>,
    ) -> Result<Result<Then, Status>> {
        let mut alive = Instant::now();
        let mut silence = self.silence;
        loop {
            let limit = silence.saturating_sub(alive.elapsed());
            let message = match timeout(limit, stream.message()).await {
                Ok(Err(status)) => return Ok(Err(status)),
                Ok(Ok(None)) if self.fault == Fault::OkIsTheEnd => {
                    return Ok(Ok(Then::Exit(ExitCode::SUCCESS)));
                }
                Err(_) | Ok(Ok(None)) => return Ok(Ok(Then::Reopen)),
                Ok(Ok(Some(message))) => message,
            };
            self.failures = 0;
            let then = match message.event {
                Some(Event::Heartbeat(heartbeat)) => {
                    let other = self.epoch != 0 && heartbeat.epoch != self.epoch;
                    self.epoch = heartbeat.epoch;
                    let stated = heartbeat.interval.map(Duration::try_from);
                    if let Some(Ok(interval)) = stated
                        && self.fault != Fault::IntervalIgnored
                    {
                        silence = self.silence.max(3 * interval);
                    }
                    if self.fault != Fault::HeartbeatsIgnored {
                        alive = Instant::now();
                    }
                    if other && self.fault == Fault::EpochResets {
                        self.passed = 0;
                        Then::Reopen
                    } else {
                        Then::GoOn
                    }
                }
                Some(Event::Verdict(verdict)) => {
                    let then = self.hand_over(&verdict)?;
                    alive = Instant::now();
                    then
                }
                Some(Event::Gap(gap)) => {
                    alive = Instant::now();
                    self.gap(&gap)?;
                    Then::GoOn
                }
                None => Then::GoOn,
            };
            if !matches!(then, Then::GoOn) {
                return Ok(Ok(then));
            }
        }
    }

    fn hand_over(&mut self, verdict: &Verdict) -> Result<Then> {
        let sequence = verdict.sequence;
        let live = self.first.is_none() && self.fault != Fault::SequencesAreUnique;
        let repeats = matches!(self.fault, Fault::Repeats | Fault::FromTheBeginning);
        if sequence > 0 && sequence <= self.passed && !live && !repeats {
            // Without a journal, each run counts from 1.
            let run = self
                .received
                .get(&sequence)
                .filter(|_| self.first.is_some());
            if run.is_some_and(|run| *run != verdict.run_id) && self.fault != Fault::RunIgnored {
                print("failed DATA_LOSS")?;
                return Ok(Then::Exit(ExitCode::FAILURE));
            }
            return Ok(Then::GoOn);
        }
        self.received.insert(sequence, verdict.run_id.clone());
        if sequence == 0
            && std::mem::replace(&mut self.zero, true)
            && self.fault == Fault::ZeroIsRepeated
        {
            return Ok(Then::GoOn);
        }
        if self.fault == Fault::AcknowledgesEarly {
            self.processed(sequence);
        }
        print(&format!(
            "verdict {} {sequence} {}",
            self.epoch,
            self.decision(verdict)
        ))?;
        if stdin().read_line(&mut String::new())? == 0 {
            return Ok(Then::Exit(ExitCode::SUCCESS));
        }
        self.processed(sequence);
        Ok(Then::GoOn)
    }

    fn processed(&mut self, sequence: u64) {
        self.passed = self.passed.max(sequence);
        if let Some(newest) = &self.acknowledge {
            newest.send_if_modified(|newest| {
                let later = sequence > *newest;
                *newest = sequence.max(*newest);
                later
            });
        }
    }

    fn decision(&self, verdict: &Verdict) -> &'static str {
        match Decision::try_from(verdict.decision) {
            Ok(Decision::Pass) => "PASS",
            Ok(Decision::Reject) => "REJECT",
            Ok(Decision::Review) => "REVIEW",
            Ok(Decision::Fault) if self.fault == Fault::WrongPass => "PASS",
            Ok(Decision::Fault) => "FAULT",
            _ if self.fault == Fault::UnknownIsPass => "PASS",
            Ok(Decision::Unspecified) | Err(_) => "UNKNOWN",
        }
    }

    fn gap(&mut self, gap: &Gap) -> Result<()> {
        if gap.reason() != GapReason::Lost {
            return print(&format!("missed {}", gap.missed));
        }
        self.passed = self.passed.max(gap.last_sequence);
        if self.fault == Fault::GapIgnored {
            return Ok(());
        }
        print(&format!(
            "loss {} {}",
            gap.first_sequence, gap.last_sequence
        ))
    }

    /// What follows the status that ended a stream.
    async fn after(&mut self, status: &Status) -> Result<Then> {
        let details = status.get_error_details();
        let oldest = details
            .error_info()
            .and_then(|info| info.metadata.get("oldest_sequence"));
        match (status.code(), oldest) {
            (Code::OutOfRange, Some(oldest)) if self.fault != Fault::OutOfRangeIsTheEnd => {
                let last = oldest.parse::<u64>()? - 1;
                let from = match self.first {
                    Some(Start::FromSequence(first)) => first.max(self.passed + 1),
                    _ => 0,
                };
                self.passed = last;
                if self.fault != Fault::SilentLoss {
                    print(&format!("loss {from} {last}"))?;
                }
                if let Some(Start::Consumer(consumer)) = &self.first {
                    let request = AcknowledgeVerdictsRequest {
                        consumer: consumer.clone(),
                        sequence: last,
                    };
                    self.calls.acknowledge_verdicts(request).await?;
                }
                Ok(Then::Reopen)
            }
            (code, _) if may_pass(code) && self.fault != Fault::NoReconnection => Ok(Then::Reopen),
            _ if self.fault == Fault::RetriesRefusals => Ok(Then::Reopen),
            (code, _) => {
                print(&format!("failed {}", name(code)))?;
                Ok(Then::Exit(ExitCode::FAILURE))
            }
        }
    }
}

/// Sends the newest sequence, and repeats it until it is recorded.
async fn acknowledge(
    mut calls: Calls,
    fault: Fault,
    consumer: String,
    mut changes: watch::Receiver<u64>,
) {
    while changes.changed().await.is_ok() {
        let mut failures = 0;
        loop {
            let request = AcknowledgeVerdictsRequest {
                consumer: consumer.clone(),
                sequence: *changes.borrow_and_update(),
            };
            if calls.acknowledge_verdicts(request).await.is_ok() || fault == Fault::AcknowledgesOnce
            {
                break;
            }
            sleep(pause(fault, failures)).await;
            failures += 1;
        }
    }
}

async fn trigger(
    mut calls: Calls,
    fault: Fault,
    camera: &str,
    part: &str,
    deadline: Duration,
) -> Result<ExitCode> {
    let limit = match fault {
        Fault::NoDeadline => Duration::from_hours(1),
        _ => deadline,
    };
    let attempts = async {
        for attempt in 0_u32.. {
            let request = TriggerInspectionRequest {
                target: Some(Target::CameraId(camera.to_owned())),
                part_id: part.to_owned(),
                idempotency_key: match fault {
                    Fault::NoKey => String::new(),
                    Fault::NewKey => format!("{part}-{attempt}"),
                    _ => part.to_owned(),
                },
                wait: true,
                ..TriggerInspectionRequest::default()
            };
            match calls.trigger_inspection(request).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) if may_pass(status.code()) || fault == Fault::RetriesTriggers => {
                    sleep(pause(fault, attempt)).await;
                }
                Err(status) => return Err(status),
            }
        }
        Err(Status::unavailable("no attempt is left"))
    };
    let code = match timeout(limit, attempts).await {
        Ok(Ok(answer)) => {
            let verdict = answer.verdict.context("a verdict")?;
            let decision = verdict.decision().as_str_name().replace("DECISION_", "");
            print(&format!("triggered {} {decision}", verdict.sequence))?;
            return Ok(ExitCode::SUCCESS);
        }
        Ok(Err(status)) => status.code(),
        Err(_) => Code::DeadlineExceeded,
    };
    print(&format!("failed {}", name(code)))?;
    Ok(ExitCode::FAILURE)
}

/// Whether an error may pass by itself. `UNKNOWN` and `INTERNAL` are those of a connection that was reset.
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::ResourceExhausted
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
    )
}

fn pause(fault: Fault, failures: u32) -> Duration {
    if fault == Fault::NoBackOff {
        return NO_PAUSE;
    }
    let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE)
}

fn print(line: &str) -> Result<()> {
    let mut out = stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// The name in the notation of gRPC, such as `PERMISSION_DENIED`.
fn name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
