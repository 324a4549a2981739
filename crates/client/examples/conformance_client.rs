//! The program of docs/conformance.md around this library: it prints what the client hands to its user.
//!
//! ```sh
//! cargo build -p inspectd-client --bins --examples
//! target/debug/inspectctl conformance -- target/debug/examples/conformance_client {address}
//! ```

use std::io::{Write, stdin, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use inspectd_client::{
    Acknowledger, Client, Code, Decision, Error, Event, Start, Subscription, Trigger,
    TriggerTarget, Verdict, VerdictStream,
};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [address, task @ ..] = &arguments[..] else {
        bail!("arguments: ADDRESS TASK...; see docs/conformance.md");
    };
    let client = Client::builder(format!("http://{address}").parse()?).build()?;
    let (start, silence_ms) = match *task {
        ["consume", consumer, silence] => (Start::Consumer(consumer.parse()?), silence),
        ["follow", sequence, silence] => (Start::Sequence(sequence.parse()?), silence),
        ["live", silence] => (Start::Live, silence),
        ["trigger", camera, part, deadline] => {
            return trigger(&client, camera, part, deadline).await;
        }
        _ => bail!("unknown task: {}", task.join(" ")),
    };
    let silence = Duration::from_millis(silence_ms.parse()?);
    Reader::new(client, start, silence).run().await
}

/// Reads a stream, and prints what its user receives.
struct Reader {
    client: Client,
    start: Start,
    silence: Duration,
    acknowledger: Option<Acknowledger>,
    stream: VerdictStream,
    /// Everything up to this sequence was handed to the user, or reported as lost.
    passed: u64,
    epoch: u64,
}

impl Reader {
    fn new(client: Client, start: Start, silence: Duration) -> Self {
        let acknowledger = match &start {
            Start::Consumer(name) => Some(client.acknowledger(name.clone())),
            _ => None,
        };
        Self {
            stream: client.subscribe(subscription(start.clone(), silence)),
            acknowledger,
            client,
            start,
            silence,
            passed: 0,
            epoch: 0,
        }
    }

    async fn run(mut self) -> Result<ExitCode> {
        loop {
            match self.stream.next().await {
                Some(Ok(event)) => {
                    if !self.take(event)? {
                        return self.finish().await;
                    }
                }
                Some(Err(error)) => {
                    if !self.is_passed_over(&error).await? {
                        return failed(code(&error));
                    }
                }
                None => bail!("the stream ended without an error"),
            }
        }
    }

    /// Prints an event. Returns whether the program goes on.
    fn take(&mut self, event: Event) -> Result<bool> {
        match event {
            Event::Verdict(verdict) => return self.hand_over(&verdict),
            Event::Gap {
                lost: Some(lost), ..
            } => {
                self.passed = self.passed.max(*lost.end());
                print(&format!("loss {} {}", lost.start(), lost.end()))?;
            }
            Event::Gap { missed, lost: None } => print(&format!("missed {missed}"))?,
            Event::Heartbeat(heartbeat) => self.epoch = heartbeat.epoch,
            _ => {}
        }
        Ok(true)
    }

    /// Hands a verdict to the user, and acknowledges it once the user has processed it. Returns whether the program goes on.
    fn hand_over(&mut self, verdict: &Verdict) -> Result<bool> {
        let sequence = verdict.sequence;
        // Another subscription of a consumer starts with what was received and not acknowledged yet.
        let journalled = sequence > 0 && self.start != Start::Live;
        if journalled && sequence <= self.passed {
            return Ok(true);
        }
        let decision = decision(verdict);
        print(&format!("verdict {} {sequence} {decision}", self.epoch))?;
        if stdin().read_line(&mut String::new())? == 0 {
            return Ok(false);
        }
        if journalled {
            self.passed = sequence;
            if let Some(acknowledger) = &self.acknowledger {
                acknowledger.acknowledge(sequence);
            }
        }
        Ok(true)
    }

    /// Goes on after an error, if that is possible: with the oldest verdict if the next one is not kept.
    async fn is_passed_over(&mut self, error: &Error) -> Result<bool> {
        let Error::Refused(refusal) = error else {
            return Ok(false);
        };
        let info = refusal.details.error_info();
        let oldest = info.and_then(|info| info.metadata.get("oldest_sequence"));
        let (Code::OutOfRange, Some(oldest)) = (refusal.code, oldest) else {
            return Ok(false);
        };
        let oldest: u64 = oldest.parse().context("oldest_sequence")?;
        let from = match self.start {
            Start::Sequence(sequence) => sequence.max(self.passed + 1),
            _ if self.passed > 0 => self.passed + 1,
            _ => 0,
        };
        let last = oldest.saturating_sub(1);
        if from > last {
            // The position is behind the newest verdict, not before the oldest one.
            return Ok(false);
        }
        if let Start::Consumer(name) = &self.start {
            match self.client.acknowledge(name, last).await {
                Err(error) if !error.is_transient() => return Ok(false),
                _ => {}
            }
        }
        self.passed = last;
        print(&format!("loss {from} {last}"))?;
        self.subscribe_again();
        Ok(true)
    }

    /// Opens another stream, after what was passed.
    fn subscribe_again(&mut self) {
        let start = match &self.start {
            Start::Sequence(_) if self.passed > 0 => Start::Sequence(self.passed + 1),
            start => start.clone(),
        };
        self.stream = self.client.subscribe(subscription(start, self.silence));
    }

    /// Sends the pending acknowledgement.
    async fn finish(self) -> Result<ExitCode> {
        if let Some(acknowledger) = self.acknowledger {
            acknowledger.finish().await?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A subscription with this limit of silence.
fn subscription(start: Start, silence: Duration) -> Subscription {
    Subscription {
        silence: Some(silence),
        ..Subscription::from(start)
    }
}

/// Triggers the inspection of a part. The part is the key: it is inspected once.
async fn trigger(client: &Client, camera: &str, part: &str, deadline_ms: &str) -> Result<ExitCode> {
    let deadline = Duration::from_millis(deadline_ms.parse()?);
    let trigger = Trigger {
        part_id: part.to_owned(),
        wait: Some(deadline),
        ..Trigger::new(TriggerTarget::Camera(camera.to_owned()))
    };
    let begun = Instant::now();
    let call = client.trigger_with_retry(&trigger, part, deadline);
    match tokio::time::timeout(deadline, call).await {
        Ok(Ok(answer)) => {
            let verdict = answer.verdict.context("no verdict is possible")?;
            let decision = decision(&verdict);
            print(&format!("triggered {} {decision}", verdict.sequence))?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Err(error)) if begun.elapsed() < deadline => failed(code(&error)),
        Ok(Err(_)) | Err(_) => failed(Code::DeadlineExceeded),
    }
}

fn failed(code: Code) -> Result<ExitCode> {
    print(&format!("failed {}", name(code)))?;
    Ok(ExitCode::FAILURE)
}

fn print(line: &str) -> Result<()> {
    let mut out = stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// A decision that this version does not know is not a PASS.
fn decision(verdict: &Verdict) -> &'static str {
    match Decision::try_from(verdict.decision) {
        Ok(Decision::Pass) => "PASS",
        Ok(Decision::Reject) => "REJECT",
        Ok(Decision::Review) => "REVIEW",
        Ok(Decision::Fault) => "FAULT",
        Ok(Decision::Unspecified) | Err(_) => "UNKNOWN",
    }
}

fn code(error: &Error) -> Code {
    match error {
        Error::Refused(refusal) => refusal.code,
        Error::Unreachable { .. } | Error::Lost { .. } => Code::Unavailable,
        Error::SequencesRestarted { .. } => Code::DataLoss,
        _ => Code::Internal,
    }
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
