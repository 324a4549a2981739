//! `inspectctl consumers`: who acknowledges verdicts, and how far each one is.

use std::io::Write;

use clap::{Args, Subcommand};
use inspectd_client::proto::{Consumer, ForgetConsumerRequest, ListConsumersRequest};

use crate::connection::{ANSWER_TIMEOUT, Daemon};
use crate::failure::Failure;
use crate::table::{self, Cell};
use crate::{format, json, watch};

/// Of `consumers`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// One JSON object a consumer, a line each.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show them all; so does no action.
    List,
    /// Forget one: nothing waits for it any more.
    Forget {
        /// Its name.
        name: String,
    },
    /// Note that one has all verdicts up to a sequence. An acknowledgement never goes back.
    Acknowledge {
        /// Its name; a new name is a new consumer.
        name: String,
        /// The verdict's sequence.
        sequence: u64,
    },
}

/// Does what is asked, and prints what there is then.
pub async fn run(daemon: &Daemon, arguments: &Arguments) -> Result<(), Failure> {
    let mut inspection = daemon.inspection();
    let consumers = match &arguments.action {
        None | Some(Action::List) => {
            let call = inspection.list_consumers(ListConsumersRequest {});
            daemon.answer(ANSWER_TIMEOUT, call).await?.consumers
        }
        Some(Action::Forget { name }) => {
            let consumer = name.clone();
            let call = inspection.forget_consumer(ForgetConsumerRequest { consumer });
            daemon.answer(ANSWER_TIMEOUT, call).await?;
            if !arguments.json {
                writeln!(anstream::stdout(), "{name} is forgotten")?;
            }
            return Ok(());
        }
        Some(Action::Acknowledge { name, sequence }) => {
            vec![watch::acknowledge(daemon, name, *sequence).await?]
        }
    };
    let mut out = anstream::stdout();
    if !arguments.json {
        return Ok(write!(out, "{}", describe(&consumers))?);
    }
    for consumer in &consumers {
        json::write(&mut out, &json::Consumer::from(consumer))?;
    }
    Ok(())
}

fn describe(consumers: &[Consumer]) -> String {
    const HEADINGS: [&str; 7] = [
        "consumer",
        "acknowledged",
        "at",
        "pending",
        "oldest waits",
        "lost",
        "state",
    ];
    let rows: Vec<_> = consumers.iter().map(row).collect();
    table::render(HEADINGS, &rows)
}

fn row(consumer: &Consumer) -> [Cell; 7] {
    let count = |count: u64| Cell::number(count.to_string());
    let nothing = || "-".to_owned();
    let lost = match consumer.lost {
        0 => count(0),
        lost => count(lost).styled(format::warning_style()),
    };
    let time = consumer.acknowledge_time.as_ref();
    let state = if consumer.connected {
        "connected"
    } else {
        "away"
    };
    [
        Cell::text(&consumer.name),
        count(consumer.acknowledged),
        Cell::text(time.map_or_else(nothing, format::second)),
        count(consumer.pending),
        Cell::number(consumer.lag.map_or_else(nothing, format::span)),
        lost,
        Cell::text(state),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_consumer_is_a_row() {
        let consumers = [
            Consumer {
                name: "mes".into(),
                acknowledged: 120,
                acknowledge_time: Some(prost_types::Timestamp {
                    seconds: 1_795_000_000,
                    nanos: 1,
                }),
                pending: 30,
                lag: Some(prost_types::Duration {
                    seconds: 61,
                    nanos: 0,
                }),
                lost: 5,
                connected: true,
            },
            Consumer {
                name: "archive".into(),
                acknowledged: 150,
                ..Consumer::default()
            },
        ];
        let shown = anstream::adapter::strip_str(&describe(&consumers)).to_string();
        assert_eq!(
            shown,
            "consumer  acknowledged  at                    pending  oldest waits  lost  state\n\
             mes                120  2026-11-18T11:06:40Z       30     1 min 1 s     5  connected\n\
             archive            150  -                           0             -     0  away\n"
        );
    }
}
