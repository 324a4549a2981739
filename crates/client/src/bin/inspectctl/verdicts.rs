//! `inspectctl verdicts`: what the journal holds, page by page.

use std::io::Write;
use std::time::SystemTime;

use clap::Args;
use inspectd_client::proto::{ListVerdictsRequest, SortOrder, Verdict};

use crate::connection::{ANSWER_TIMEOUT, Daemon};
use crate::failure::Failure;
use crate::time_arg::When;
use crate::watch::Choice;
use crate::{format, json, verdict_row};

/// Verdicts that are asked for, and held, at a time.
const PAGE: u64 = 500;

/// How wide a time is.
const TIME_WIDTH: usize = "2026-11-18T11:06:40Z".len();

/// Of `verdicts`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only this camera's verdicts; may be given again for more.
    #[arg(long = "camera", value_name = "ID")]
    cameras: Vec<String>,
    /// Only these decisions; may be given again for more.
    #[arg(long = "decision", value_name = "DECISION")]
    decisions: Vec<Choice>,
    /// Only this part's verdicts.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    part: String,
    /// Only verdicts journalled at or after this time, or since so long ago ("2h").
    #[arg(long, value_name = "TIME")]
    from: Option<When>,
    /// Only verdicts journalled before this time, or longer ago than that.
    #[arg(long, value_name = "TIME")]
    to: Option<When>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// As many as there are.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// The oldest first, rather than the newest.
    #[arg(long)]
    oldest_first: bool,
    /// One JSON object a verdict, a line each.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// The first page.
    fn request(&self, now: SystemTime) -> ListVerdictsRequest {
        let decisions = self.decisions.iter();
        let order = if self.oldest_first {
            SortOrder::OldestFirst
        } else {
            SortOrder::NewestFirst
        };
        ListVerdictsRequest {
            camera_ids: self.cameras.clone(),
            decisions: decisions.map(|choice| choice.decision().into()).collect(),
            part_id: self.part.clone(),
            from_time: self.from.map(|from| from.timestamp(now)),
            to_time: self.to.map(|to| to.timestamp(now)),
            order: order.into(),
            ..ListVerdictsRequest::default()
        }
    }
}

/// Prints them, each page as it comes.
pub async fn run(daemon: &Daemon, arguments: &Arguments) -> Result<(), Failure> {
    let mut inspection = daemon.inspection();
    let mut request = arguments.request(SystemTime::now());
    let mut left = if arguments.all {
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
            verdict_row::heading()
        )?;
    }
    while left > 0 {
        request.page_size = left.min(PAGE) as u32;
        let call = inspection.list_verdicts(request.clone());
        let page = daemon.answer(ANSWER_TIMEOUT, call).await?;
        for verdict in &page.verdicts {
            print(&mut out, verdict, arguments.json)?;
        }
        out.flush()?;
        left = left.saturating_sub(page.verdicts.len() as u64);
        // No page is empty but the last one: each brings this nearer to its end.
        if page.next_page_token.is_empty() || page.verdicts.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
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
        verdict_row::describe(verdict)
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
    fn filters_become_a_request() {
        let line = "verdicts --camera a --decision reject --part P-1 --from 10s --oldest-first";
        let cli = Cli::try_parse_from(line.split(' ')).expect("a command");
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(30);
        let request = cli.arguments.request(now);
        assert_eq!(
            (request.camera_ids, request.decisions, request.part_id),
            (vec!["a".to_owned()], vec![2], "P-1".to_owned())
        );
        assert_eq!(request.from_time.map(|time| time.seconds), Some(20));
        assert_eq!(request.to_time, None);
        assert_eq!(request.order, i32::from(SortOrder::OldestFirst));
    }

    #[test]
    fn a_line_begins_with_when_it_was_journalled() {
        let verdict = Verdict {
            sequence: 7,
            record_time: Some(prost_types::Timestamp {
                seconds: 1_795_000_000,
                nanos: 250_000_000,
            }),
            ..Verdict::default()
        };
        let mut out = Vec::new();
        print(&mut out, &verdict, false).expect("memory takes it");
        let text = String::from_utf8(out).expect("text");
        assert!(
            text.starts_with("2026-11-18T11:06:40Z         7  -  "),
            "{text}"
        );
    }
}
