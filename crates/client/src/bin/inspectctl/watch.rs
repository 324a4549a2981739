//! `inspectctl watch`: verdicts as they come. `follow` waits, `View` shows.

mod acknowledger;
mod output;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use clap::{Args, ValueEnum};
use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::{Decision, StreamVerdictsRequest};
use tokio::signal::unix::{SignalKind, signal};

use self::output::View;
use crate::connection::{ANSWER_TIMEOUT, Daemon};
use crate::failure::{Failure, note};
use crate::time_arg::When;

pub use self::acknowledger::acknowledge;

/// The first pause before a lost stream is asked for again; each failure doubles it ...
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// ... up to this one.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// Of `watch`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only this camera's verdicts; may be given again for more.
    #[arg(long = "camera", value_name = "ID")]
    cameras: Vec<String>,
    /// Only these decisions; may be given again for more.
    #[arg(long = "decision", value_name = "DECISION")]
    decisions: Vec<Choice>,
    /// Begin with this sequence of the journal; 0 is the oldest that is kept.
    #[arg(long, value_name = "N", conflicts_with_all = ["from_time", "consumer"])]
    from_sequence: Option<u64>,
    /// Begin with the first verdict of the journal since this time, or since so long ago ("10m").
    #[arg(long, value_name = "TIME", conflicts_with = "consumer")]
    from_time: Option<When>,
    /// Begin after what this consumer has acknowledged, and acknowledge what is shown.
    #[arg(long, value_name = "NAME")]
    consumer: Option<String>,
    /// One JSON object a line, {"verdict": ...} or {"gap": ...}, fields named as in the proto files.
    #[arg(long)]
    json: bool,
    /// End after so many verdicts.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// At the end, sum up decisions, rate, latencies and, where the truth is known, mistakes.
    #[arg(long)]
    summary: bool,
    /// Keep a PNG of the last rejected part here: the frame, and the frame with heat over it.
    #[arg(long, value_name = "FILE")]
    last_reject: Option<PathBuf>,
    /// Wait for a daemon that is away, rather than end with 69.
    #[arg(long)]
    reconnect: bool,
}

/// A decision to filter by.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Choice {
    /// The part is good.
    Pass,
    /// The part is not good.
    Reject,
    /// A person should look.
    Review,
    /// No judgement could be made.
    Fault,
}

impl Choice {
    /// In the words of the contract.
    pub fn decision(self) -> Decision {
        match self {
            Self::Pass => Decision::Pass,
            Self::Reject => Decision::Reject,
            Self::Review => Decision::Review,
            Self::Fault => Decision::Fault,
        }
    }
}

impl Arguments {
    /// The next stream, if everything up to `shown` has been shown (0: nothing was).
    fn request(&self, shown: u64, now: SystemTime) -> StreamVerdictsRequest {
        let decisions = self.decisions.iter();
        StreamVerdictsRequest {
            camera_ids: self.cameras.clone(),
            decisions: decisions.map(|choice| choice.decision().into()).collect(),
            start: self.start(shown, now),
        }
    }
}

impl Arguments {
    fn start(&self, shown: u64, now: SystemTime) -> Option<Start> {
        // The daemon knows where a consumer is.
        if let Some(consumer) = &self.consumer {
            return Some(Start::Consumer(consumer.clone()));
        }
        let journalled = self.from_sequence.is_some() || self.from_time.is_some();
        if journalled && shown > 0 {
            return Some(Start::FromSequence(shown + 1));
        }
        let time = self
            .from_time
            .map(|from| Start::FromTime(from.timestamp(now)));
        self.from_sequence.map(Start::FromSequence).or(time)
    }
}

/// Shows verdicts until there are enough, the stream ends, or a signal comes; then sums up.
pub async fn run(daemon: &Daemon, arguments: Arguments) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut view = View::new(daemon, &arguments, anstream::stdout());
    let end = tokio::select! {
        end = follow(daemon, &arguments, &mut view) => end,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    if matches!(end, Err(Failure::Output(_))) {
        return end;
    }
    let finished = view.finish().await;
    end.and(finished)
}

/// Streams, anew after each loss if that is asked for.
async fn follow(
    daemon: &Daemon,
    arguments: &Arguments,
    view: &mut View<impl Write>,
) -> Result<(), Failure> {
    let mut pause = RETRY_AFTER;
    loop {
        let failure = match stream(daemon, arguments, view, &mut pause).await {
            Err(failure) if arguments.reconnect && failure.may_pass() => failure,
            end => return end,
        };
        note(&format!(
            "inspectctl: {failure}; again in {} ms",
            pause.as_millis()
        ));
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(RETRY_AFTER_MAX);
    }
}

/// One stream, until there are enough verdicts or it ends.
async fn stream(
    daemon: &Daemon,
    arguments: &Arguments,
    view: &mut View<impl Write>,
    pause: &mut Duration,
) -> Result<(), Failure> {
    let mut inspection = daemon.inspection();
    let call = inspection.stream_verdicts(arguments.request(view.shown(), SystemTime::now()));
    let mut events = daemon.answer(ANSWER_TIMEOUT, call).await?;
    while let Some(response) = events.message().await.map_err(Failure::of_stream)? {
        *pause = RETRY_AFTER;
        if let Some(event) = response.event
            && view.apply(&event, Instant::now())?
        {
            return Ok(());
        }
    }
    Err(Failure::Lost("the daemon closed it".to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn a_stream_begins_where_it_is_told_and_goes_on_after_what_was_shown() {
        let check = |line: &str, shown, expected: Option<Start>| {
            let line = ["watch"].into_iter().chain(line.split_whitespace());
            let arguments = Cli::try_parse_from(line).expect("a command").arguments;
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
            assert_eq!(arguments.request(shown, now).start, expected);
        };
        let time = |seconds| {
            Some(Start::FromTime(prost_types::Timestamp {
                seconds,
                nanos: 0,
            }))
        };
        check("", 0, None);
        check("", 7, None);
        check("--from-sequence 0", 0, Some(Start::FromSequence(0)));
        check("--from-sequence 3", 7, Some(Start::FromSequence(8)));
        check("--from-time 10m", 0, time(400));
        check("--from-time 1970-01-01T00:00:02Z", 0, time(2));
        check("--from-time 10m", 7, Some(Start::FromSequence(8)));
        check("--consumer mes", 7, Some(Start::Consumer("mes".into())));
    }
}
