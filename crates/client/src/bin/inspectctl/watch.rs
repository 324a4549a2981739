//! `inspectctl watch`: verdicts as they are made.

mod output;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use clap::{Args, ValueEnum};
use inspectd_client::proto::Decision;
use inspectd_client::{Backoff, Client, Event, Start, Subscription, VerdictStream};
use tokio::signal::unix::{SignalKind, signal};

use self::output::WatchOutput;
use crate::consumers;
use crate::failure::{Failure, note};
use crate::time_arg::TimeArg;

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only verdicts of this camera; can be repeated.
    #[arg(long = "camera", value_name = "ID")]
    cameras: Vec<String>,
    /// Only these decisions; can be repeated.
    #[arg(long = "decision", value_name = "DECISION")]
    decisions: Vec<DecisionArg>,
    /// Start with this sequence of the journal; 0 is the oldest that is kept.
    #[arg(long, value_name = "N", conflicts_with_all = ["from_time", "consumer"])]
    from_sequence: Option<u64>,
    /// Start with the first verdict journalled since this time: a date and time, or an age ("10m").
    #[arg(long, value_name = "TIME", conflicts_with = "consumer")]
    from_time: Option<TimeArg>,
    /// Start after the last verdict that this consumer acknowledged, and acknowledge what is shown.
    #[arg(long, value_name = "NAME")]
    consumer: Option<String>,
    /// Print one JSON object per line, {"verdict": ...} or {"gap": ...}, fields named as in the proto files.
    #[arg(long)]
    json: bool,
    /// Exit after this number of verdicts.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Print at most this number of PASS verdicts per second, for fast lines; others, the limit and the summary are not affected.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pass_rate: Option<u32>,
    /// At the end, print counts of decisions, the rate, latencies and, for parts of known condition, errors.
    #[arg(long)]
    summary: bool,
    /// Keep a PNG of the last rejected part in this file: the frame, and the frame with its heatmap.
    #[arg(long, value_name = "FILE")]
    last_reject: Option<PathBuf>,
    /// Wait for a daemon that is away, instead of exiting with 69.
    #[arg(long)]
    reconnect: bool,
}

/// A decision to filter by.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum DecisionArg {
    /// The part is good.
    Pass,
    /// The part is not good.
    Reject,
    /// A person should inspect the part.
    Review,
    /// The frame could not be judged.
    Fault,
}

impl From<DecisionArg> for Decision {
    fn from(argument: DecisionArg) -> Self {
        match argument {
            DecisionArg::Pass => Self::Pass,
            DecisionArg::Reject => Self::Reject,
            DecisionArg::Review => Self::Review,
            DecisionArg::Fault => Self::Fault,
        }
    }
}

impl Arguments {
    fn subscription(&self, now: SystemTime) -> Result<Subscription, anyhow::Error> {
        let decisions = self.decisions.iter();
        Ok(Subscription {
            camera_ids: self.cameras.clone(),
            decisions: decisions.copied().map(Decision::from).collect(),
            reconnect: self.reconnect.then(Backoff::default),
            ..Subscription::from(self.start(now)?)
        })
    }

    fn start(&self, now: SystemTime) -> Result<Start, anyhow::Error> {
        if let Some(consumer) = &self.consumer {
            return Ok(Start::Consumer(consumers::parse(consumer)?));
        }
        let sequence = self.from_sequence.map(Start::Sequence);
        let time = self.from_time;
        let time = time.map(|time| Start::Time(time.timestamp(now)));
        Ok(sequence.or(time).unwrap_or(Start::Live))
    }
}

/// Shows verdicts until the limit is reached, the stream ends, or a signal arrives; then prints the summary.
pub async fn run(client: &Client, arguments: Arguments) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut stream = client.subscribe(arguments.subscription(SystemTime::now())?);
    let mut output = WatchOutput::new(client, &arguments, anstream::stdout())?;
    let end = tokio::select! {
        end = show(&mut stream, &mut output) => end,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    if matches!(end, Err(Failure::Output(_))) {
        return end;
    }
    let finished = output.finish().await;
    end.and(finished)
}

/// Shows events until the limit is reached or the stream ends.
async fn show(
    stream: &mut VerdictStream,
    output: &mut WatchOutput<impl Write>,
) -> Result<(), Failure> {
    while let Some(event) = stream.next().await {
        match event? {
            Event::Disconnected { error, retry_in } => note(&format!(
                "inspectctl: {}; retrying in {} ms",
                Failure::from(error),
                retry_in.as_millis()
            )),
            event if output.show(&event, Instant::now())? => break,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;
    use inspectd_client::Timestamp;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn start_options_select_the_start_of_the_stream() {
        let check = |line: &str, expected: Option<Start>| {
            let line = ["watch"].into_iter().chain(line.split_whitespace());
            let arguments = Cli::try_parse_from(line).expect("a command").arguments;
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
            assert_eq!(arguments.start(now).ok(), expected);
        };
        let time = |seconds| Some(Start::Time(Timestamp { seconds, nanos: 0 }));
        check("", Some(Start::Live));
        check("--from-sequence 0", Some(Start::Sequence(0)));
        check("--from-sequence 3", Some(Start::Sequence(3)));
        check("--from-time 10m", time(400));
        check("--from-time 1970-01-01T00:00:02Z", time(2));
        let consumer = "mes".parse().expect("a name");
        check("--consumer mes", Some(Start::Consumer(consumer)));
        check("--consumer MES", None);
    }
}
