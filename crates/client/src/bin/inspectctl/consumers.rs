//! `inspectctl consumers`: the consumers, and how far each one has acknowledged.

use std::io::Write;

use clap::{Args, Subcommand};
use comfy_table::Cell;
use inspectd_client::proto::Consumer;
use inspectd_client::{Client, ConsumerName};

use crate::failure::Failure;
use crate::table::{self, Column, styled};
use crate::{format, json};

/// Arguments of `consumers`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print one JSON object per consumer, one per line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all consumers; the default.
    List,
    /// Forget a consumer: the daemon no longer keeps verdicts for it.
    Forget {
        /// Name of the consumer.
        name: String,
    },
    /// Acknowledge all verdicts up to a sequence. An acknowledgement never goes back.
    Acknowledge {
        /// Name of the consumer. A new name creates a consumer.
        name: String,
        /// Sequence of the verdict.
        sequence: u64,
    },
}

/// Runs the action, and prints the consumers that it concerns.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    let consumers = match &arguments.action {
        None | Some(Action::List) => client.consumers().await?,
        Some(Action::Forget { name }) => {
            client.forget_consumer(&parse(name)?).await?;
            if !arguments.json {
                writeln!(anstream::stdout(), "{name} is forgotten")?;
            }
            return Ok(());
        }
        Some(Action::Acknowledge { name, sequence }) => {
            vec![client.acknowledge(&parse(name)?, *sequence).await?]
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

/// Parses a name when the command runs: an invalid one exits with 1, as one that the daemon refuses.
pub fn parse(name: &str) -> Result<ConsumerName, anyhow::Error> {
    Ok(name.parse::<ConsumerName>()?)
}

fn describe(consumers: &[Consumer]) -> String {
    const COLUMNS: [Column; 8] = [
        Column::text("consumer"),
        Column::number("acknowledged"),
        Column::text("at"),
        Column::number("pending"),
        Column::number("oldest waits"),
        Column::number("lost"),
        Column::text("state"),
        Column::text("client"),
    ];
    table::render(COLUMNS, consumers.iter().map(row).collect())
}

fn row(consumer: &Consumer) -> [Cell; 8] {
    let nothing = || "-".to_owned();
    let time = consumer.acknowledge_time.as_ref();
    let state = if consumer.connected {
        "connected"
    } else {
        "away"
    };
    [
        Cell::new(&consumer.name),
        Cell::new(consumer.acknowledged),
        Cell::new(time.map_or_else(nothing, format::second)),
        Cell::new(consumer.pending),
        Cell::new(consumer.lag.map_or_else(nothing, format::span)),
        match consumer.lost {
            0 => Cell::new(0),
            lost => styled(lost, format::warning_style()),
        },
        Cell::new(state),
        Cell::new(match consumer.client.as_str() {
            "" => "-",
            client => client,
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_consumer_has_a_row() {
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
                client: "line-3".into(),
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
            "consumer  acknowledged  at                    pending  oldest waits  lost  state      client\n\
             mes                120  2026-11-18T11:06:40Z       30     1 min 1 s     5  connected  line-3\n\
             archive            150  -                           0             -     0  away       -\n"
        );
    }
}
