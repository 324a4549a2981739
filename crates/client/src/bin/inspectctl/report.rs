//! `inspectctl report`: what the line did in a period, such as a shift.

mod text;

use std::io::Write;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::{Args, ValueEnum};
use inspectd_client::{Client, ReportQuery, report_csv};

use crate::failure::Failure;
use crate::json;
use crate::time_arg::TimeArg;

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Begin of the period: a date and time, or an age ("2h"). The start of the shift that its end is in if unset.
    #[arg(long, value_name = "TIME")]
    from: Option<TimeArg>,
    /// End of the period: a date and time, or an age. Now if unset.
    #[arg(long, value_name = "TIME")]
    to: Option<TimeArg>,
    /// The whole shift before the present one.
    #[arg(long, conflicts_with_all = ["from", "to", "shift"])]
    previous_shift: bool,
    /// Length of the period before its end, such as 8h.
    #[arg(long, value_name = "LENGTH", value_parser = length, conflicts_with = "from")]
    shift: Option<Duration>,
    /// Only verdicts of this camera or group; can be repeated.
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    /// A longer time without verdicts is a standstill. One minute if unset.
    #[arg(long, value_name = "LENGTH", value_parser = length)]
    standstill: Option<Duration>,
    /// The form of the report.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text for people.
    Text,
    /// A table with one number in each row.
    Csv,
    /// One JSON object.
    Json,
}

impl Arguments {
    fn query(&self, now: SystemTime) -> Result<ReportQuery, anyhow::Error> {
        let to_time = self.to.map(|to| to.timestamp(now));
        let from_time = match self.shift {
            None => self.from.map(|from| from.timestamp(now)),
            Some(shift) => {
                let end = to_time.map_or(Ok(now), SystemTime::try_from);
                let end = end.context("--to is not a time of this system")?;
                let begin = end.checked_sub(shift).unwrap_or(SystemTime::UNIX_EPOCH);
                Some(begin.max(SystemTime::UNIX_EPOCH).into())
            }
        };
        Ok(ReportQuery {
            from_time,
            to_time,
            ids: self.ids.clone(),
            standstill_after: self.standstill,
        })
    }
}

/// Parses a length of time, written as an age.
fn length(text: &str) -> Result<Duration, String> {
    match text.parse::<TimeArg>() {
        Ok(TimeArg::Ago(length)) if !length.is_zero() => Ok(length),
        Ok(TimeArg::Ago(_) | TimeArg::At(_)) | Err(_) => {
            Err("must be a length of time: 30s, 10m, 8h, 7d".to_owned())
        }
    }
}

/// Requests the report, and prints it.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    let mut query = arguments.query(SystemTime::now())?;
    if arguments.previous_shift {
        let status = client.status().await?;
        let shift = status.shift.context("the daemon does not know shifts")?;
        query.to_time = shift.start_time;
    }
    let report = client.report(&query).await?;
    let mut out = anstream::stdout();
    match arguments.format {
        Format::Text => write!(out, "{}", text::describe(&report))?,
        // Without the adapter for terminals, which could change texts of people.
        Format::Csv => std::io::stdout().write_all(report_csv(&report).as_bytes())?,
        Format::Json => json::write(&mut out, &json::Report::from(&report))?,
    }
    Ok(())
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

    fn query(line: &str) -> Option<ReportQuery> {
        let cli = Cli::try_parse_from(line.split(' ')).ok()?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        Some(cli.arguments.query(now).expect("times of this system"))
    }

    #[test]
    fn period_is_from_a_time_or_a_length_before_its_end() {
        let check = |line: &str, expected: (Option<i64>, Option<i64>)| {
            let query = query(line).expect("a command");
            let seconds = |time: Option<prost_types::Timestamp>| time.map(|time| time.seconds);
            let found = (seconds(query.from_time), seconds(query.to_time));
            assert_eq!(found, expected, "{line}");
        };
        check("report", (None, None));
        check("report --from 2h", (Some(992_800), None));
        check("report --from 2h --to 1h", (Some(992_800), Some(996_400)));
        check("report --shift 8h", (Some(971_200), None));
        check("report --shift 8h --to 1h", (Some(967_600), Some(996_400)));
        check(
            "report --shift 1m --to 1970-01-02T00:00:00Z",
            (Some(86_340), Some(86_400)),
        );
        check("report --shift 7000d", (Some(0), None));
    }

    #[test]
    fn other_options_are_in_the_query() {
        let found = query("report --id belt --id cell --standstill 5m --format csv");
        let found = found.expect("a command");
        assert_eq!(found.ids, ["belt", "cell"]);
        assert_eq!(found.standstill_after, Some(Duration::from_mins(5)));
        for line in [
            "report --shift 8h --from 2h",
            "report --shift 0h",
            "report --shift 2026-11-24T06:00:00Z",
            "report --standstill soon",
            "report --format xml",
        ] {
            assert_eq!(query(line), None, "{line}");
        }
    }
}
