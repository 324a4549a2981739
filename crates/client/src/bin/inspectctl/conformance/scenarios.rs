//! The scenarios: scripts of a stage, each for one rule of docs/conformance.md.

mod acknowledgements;
mod delivery;
mod losses;
mod reconnection;
mod runs;
mod silence;
mod triggers;

use std::pin::Pin;
use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;

use super::outcome::Outcome;
use super::stage::{Broken, PROMPTLY, Played, Stage, ensure};

/// How long a request that cannot succeed must not be repeated.
const FINAL: Duration = Duration::from_secs(3);

/// A running script.
type Playing<'a> = Pin<Box<dyn Future<Output = Played> + 'a>>;

/// A scenario.
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// The heading of its rule in docs/conformance.md.
    pub rule: &'static str,
    /// What the client must do, in a few words.
    pub about: &'static str,
    script: for<'a> fn(&'a mut Stage) -> Playing<'a>,
}

/// Makes the list of scenarios: the name, the heading of its rule, what the client must do, and the script.
macro_rules! scenarios {
    ($($name:literal, $rule:literal, $about:literal, $($script:ident)::+;)+) => {
        [$(Scenario {
            name: $name,
            rule: $rule,
            about: $about,
            script: |stage| Box::pin($($script)::+(stage)),
        },)+]
    };
}

/// All scenarios, in the order of docs/conformance.md.
pub const ALL: [Scenario; 26] = scenarios! {
    "delivery", "Delivery", "hand over each verdict once, in order", delivery::delivery;
    "unknown-values", "Delivery", "tolerate what a later daemon sends", delivery::unknown_values;
    "unjournalled", "Delivery", "hand over verdicts with the sequence 0", delivery::unjournalled;
    "heartbeats", "Silence", "keep a stream that has only heartbeats", silence::heartbeats;
    "silence", "Silence", "replace a stream that is silent", silence::silence;
    "interval", "Silence", "wait longer if heartbeats are rarer", silence::interval;
    "reset", "Reconnection", "resume after a connection that was reset", reconnection::reset;
    "closed", "Reconnection", "resume after a stream that ended with OK", reconnection::closed;
    "restart", "Reconnection", "resume after a restart of the daemon", reconnection::restart;
    "back-off", "Reconnection", "pause between requests that fail", reconnection::back_off;
    "refused", "Reconnection", "end with an error that cannot pass", reconnection::refused;
    "replaced", "Reconnection", "end after another stream of the consumer", reconnection::replaced;
    "gap", "Losses", "report lost and missed verdicts", losses::gap;
    "out-of-range", "Losses", "go on with the oldest verdict, and report the loss", losses::out_of_range;
    "out-of-range-consumer", "Losses", "the same as a consumer", losses::out_of_range_consumer;
    "epoch", "Runs and epochs", "go on in another epoch", runs::epoch;
    "no-journal", "Runs and epochs", "accept sequences of another run", runs::no_journal;
    "restarted-sequences", "Runs and epochs", "end when sequences begin again", runs::restarted_sequences;
    "acknowledge", "Acknowledgements", "acknowledge what was processed", acknowledgements::acknowledge;
    "resume", "Acknowledgements", "receive again what was not processed", acknowledgements::resume;
    "duplicates", "Acknowledgements", "hand over repeated verdicts once", acknowledgements::duplicates;
    "acknowledge-failure", "Acknowledgements", "repeat an acknowledgement that failed", acknowledgements::failure;
    "trigger", "Triggers", "trigger with a key", triggers::trigger;
    "trigger-deadline", "Triggers", "end a trigger at its deadline", triggers::deadline;
    "trigger-retry", "Triggers", "repeat a trigger with the same key", triggers::retry;
    "trigger-refused", "Triggers", "report a refusal of a trigger", triggers::refused;
};

/// The names of the scenarios, as values of an option.
pub fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(ALL.iter().map(|scenario| scenario.name))
}

impl Scenario {
    /// Plays the scenario to a program.
    ///
    /// # Errors
    /// When the program cannot be started, or no port is free.
    pub async fn play(
        &self,
        program: &[String],
        start_timeout: Duration,
    ) -> anyhow::Result<Outcome> {
        let begun = Instant::now();
        let mut stage = Stage::open(program, start_timeout)?;
        let played = (self.script)(&mut stage).await;
        let seconds = begun.elapsed().as_secs_f64();
        let events = stage.close().await;
        let failure = match played {
            Ok(()) => None,
            Err(Broken::Rule(rule)) => Some(rule),
            Err(Broken::Tool(error)) => return Err(error),
        };
        Ok(Outcome {
            name: self.name,
            rule: self.rule,
            failure,
            seconds,
            events,
        })
    }
}

/// The program reports this status after so many requests, sends no further one, and ends.
async fn fails(stage: &mut Stage, expected: &str, requests: usize) -> Played {
    let failed = |stage: &Stage| stage.failed.is_some();
    let rule = format!("{expected} was not reported");
    stage.until(&rule, PROMPTLY, failed).await?;
    stage.during(FINAL).await?;
    let code = stage.failed.clone().map(|(_, code)| code);
    ensure(code.as_deref() == Some(expected), || {
        format!("the program printed failed {}", code.unwrap_or_default())
    })?;
    let made = stage.requests.len();
    ensure(made == requests, || {
        format!("{made} requests, although number {requests} ended with {expected}")
    })?;
    stage.ended().await
}
