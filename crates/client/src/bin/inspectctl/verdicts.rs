//! `inspectctl verdicts`: the verdicts of the journal, page by page.

use std::io::Write;
use std::time::SystemTime;

use clap::Args;
use inspectd_client::proto::{Decision, Verdict};
use inspectd_client::{Client, VerdictQuery};

use crate::failure::Failure;
use crate::time_arg::TimeArg;
use crate::watch::DecisionArg;
use crate::{format, json, verdict_row};

/// Verdicts per page: those in memory at once.
const PAGE: u64 = 500;

/// Width of a time, in characters.
const TIME_WIDTH: usize = "2026-11-18T11:06:40Z".len();

/// Arguments of `verdicts`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only verdicts of this camera; can be repeated.
    #[arg(long = "camera", value_name = "ID")]
    cameras: Vec<String>,
    /// Only these decisions; can be repeated.
    #[arg(long = "decision", value_name = "DECISION")]
    decisions: Vec<DecisionArg>,
    /// Only verdicts of this part.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    part: String,
    /// Only verdicts of this recipe.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    recipe: String,
    /// Only verdicts with at least this score.
    #[arg(long, value_name = "SCORE")]
    min_score: Option<f32>,
    /// Only verdicts journalled at or after this time: a date and time, or an age ("2h").
    #[arg(long, value_name = "TIME")]
    from: Option<TimeArg>,
    /// Only verdicts journalled before this time: a date and time, or an age.
    #[arg(long, value_name = "TIME")]
    to: Option<TimeArg>,
    /// Show at most this number of verdicts.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Show all verdicts.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Show the oldest first, instead of the newest.
    #[arg(long)]
    oldest_first: bool,
    /// Print one JSON object per verdict, one per line.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn query(&self, now: SystemTime) -> VerdictQuery {
        let decisions = self.decisions.iter();
        VerdictQuery {
            camera_ids: self.cameras.clone(),
            decisions: decisions.copied().map(Decision::from).collect(),
            part_id: self.part.clone(),
            recipe_id: self.recipe.clone(),
            min_score: self.min_score,
            from_time: self.from.map(|from| from.timestamp(now)),
            to_time: self.to.map(|to| to.timestamp(now)),
            oldest_first: self.oldest_first,
            ..VerdictQuery::default()
        }
    }
}

/// Prints the verdicts, each page as it arrives.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    let mut pages = client.stored_verdicts(&arguments.query(SystemTime::now()));
    let mut remaining = if arguments.all {
        u64::MAX
    } else {
        arguments.limit
    };
    let mut out = anstream::stdout();
    if !arguments.json {
        writeln!(
            out,
            "{:<TIME_WIDTH$}  {}",
            "journalled",
            verdict_row::header()
        )?;
    }
    while remaining > 0
        && let Some(page) = pages.next_page(remaining.min(PAGE) as u32).await?
    {
        for verdict in &page {
            print(&mut out, verdict, arguments.json)?;
        }
        out.flush()?;
        remaining = remaining.saturating_sub(page.len() as u64);
    }
    Ok(())
}

fn print(out: &mut impl Write, verdict: &Verdict, json: bool) -> Result<(), Failure> {
    if json {
        return Ok(json::write(out, &json::Verdict::from(verdict))?);
    }
    let time = verdict.record_time.as_ref().map(format::second);
    let time = time.unwrap_or_default();
    Ok(writeln!(
        out,
        "{time:<TIME_WIDTH$}  {}",
        verdict_row::row(verdict)
    )?)
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
    fn filters_are_in_the_query() {
        let line = "verdicts --camera a --decision reject --part P-1 --from 10s --oldest-first";
        let cli = Cli::try_parse_from(line.split(' ')).expect("a command");
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(30);
        let query = cli.arguments.query(now);
        assert_eq!(
            (query.camera_ids, query.decisions, query.part_id),
            (
                vec!["a".to_owned()],
                vec![Decision::Reject],
                "P-1".to_owned()
            )
        );
        assert_eq!(query.from_time.map(|time| time.seconds), Some(20));
        assert_eq!(query.to_time, None);
        assert!(query.oldest_first);
    }

    #[test]
    fn row_starts_with_the_record_time() {
        let verdict = Verdict {
            sequence: 7,
            record_time: Some(prost_types::Timestamp {
                seconds: 1_795_000_000,
                nanos: 250_000_000,
            }),
            ..Verdict::default()
        };
        let mut out = Vec::new();
        print(&mut out, &verdict, false).expect("written");
        let text = String::from_utf8(out).expect("text");
        assert!(
            text.starts_with("2026-11-18T11:06:40Z         7  -  "),
            "{text}"
        );
    }
}
