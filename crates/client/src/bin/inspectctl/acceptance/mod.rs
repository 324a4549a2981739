//! `inspectctl acceptance`: studies the inspection as a measurement system, and writes a report for the customer's file.

mod identity;
mod images;
mod live;
mod outcome;
mod parts;
mod recorder;
mod state_file;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use inspectd_client::Client;
use inspectd_client::acceptance::{
    Criteria, Order, PartState, Plan, ReviewAs, Series, parts_needed,
};

use crate::failure::{Failure, note};

use recorder::Recorder;
use state_file::StateFile;

/// Shown below the help.
pub const AFTER_HELP: &str = "\
The folder of --images has the pictures of known parts in subfolders: good, and bad or any other name. A picture is a part;
a subfolder of these with several pictures of one part is one, too. Pictures of one good part for the type 1 study are in
reference (not moved) and reference-moved (put back each time). Without them, one picture is repeated, which shows only that
the computation is deterministic.

A study that was interrupted continues with the same command. OUT has measurements.jsonl (as recorded), acceptance.json and
acceptance.html.

Exit codes:
   0  accepted, or no criterion was stated
   1  not accepted, or an error
  64  wrong arguments
  69  no daemon answers";

/// Arguments of `acceptance`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder of pictures of known parts, which are sent to the daemon.
    #[arg(
        long,
        value_name = "FOLDER",
        required_unless_present = "live",
        conflicts_with = "live"
    )]
    images: Option<PathBuf>,
    /// Have a camera in mode requested inspect parts that a person puts in place.
    #[arg(long, requires_all = ["camera", "plan"])]
    live: bool,
    /// The camera; with --images, the one whose crop, rotation and thresholds apply.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    camera: String,
    /// Table of parts and their states: lines PART,good or PART,bad. With --images, PART is a picture or a folder of pictures
    /// within the folder.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Trigger at once, without questions, in the order of the table: for sources that repeat their parts.
    #[arg(long, requires = "live")]
    auto: bool,
    /// How many times each part is judged.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=1000))]
    repeat: u32,
    /// The part of the type 1 study, one of the table.
    #[arg(long, value_name = "PART", requires = "live")]
    reference: Option<String>,
    /// Measurements of that part without moving it; with --images, of the picture that is repeated.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    reference_repeat: u32,
    /// Measurements of that part, put back each time.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 0,
        requires = "live",
        value_parser = clap::value_parser!(u32).range(0..=10_000)
    )]
    moved_repeat: u32,
    /// Folder of the report.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Largest rate of bad parts that are passed, such as 0.02.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    max_miss_rate: Option<f64>,
    /// Largest rate of good parts that are rejected.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    max_false_reject_rate: Option<f64>,
    /// Smallest Cgk of the type 1 studies, such as 1.33.
    #[arg(long, value_name = "NUMBER", value_parser = positive)]
    min_cgk: Option<f64>,
    /// Confidence of intervals, and of the upper bounds that the criteria compare.
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, value_parser = confidence)]
    confidence: f64,
    /// How REVIEW counts.
    #[arg(long, value_name = "DECISION", value_enum, default_value_t = Review::Reject)]
    review: Review,
    /// Reference value of the type 1 study, such as the mean of an earlier study.
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    reference_score: Option<f64>,
    /// Who carries the study out.
    #[arg(
        long,
        value_name = "NAME",
        env = "USER",
        default_value = "",
        hide_default_value = true
    )]
    operator: String,
    /// What is inspected, for the heading of the report.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    subject: String,
    /// Determines the order of the parts. Random if unset.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

/// How REVIEW counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Review {
    /// As REJECT.
    Reject,
    /// As PASS.
    Pass,
}

fn number(text: &str, allowed: impl Fn(f64) -> bool, description: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| allowed(*number));
    number.ok_or_else(|| format!("must be {description}"))
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, |rate| (0.0..=1.0).contains(&rate), "0 to 1")
}

fn positive(text: &str) -> Result<f64, String> {
    number(
        text,
        |number| number > 0.0 && number.is_finite(),
        "greater than 0",
    )
}

fn confidence(text: &str) -> Result<f64, String> {
    number(
        text,
        |share| (0.5..=0.9999).contains(&share),
        "0.5 to 0.9999",
    )
}

impl Arguments {
    fn criteria(&self) -> Criteria {
        Criteria {
            max_miss_rate: self.max_miss_rate,
            max_false_reject_rate: self.max_false_reject_rate,
            min_cgk: self.min_cgk,
            confidence: self.confidence,
            review: match self.review {
                Review::Reject => ReviewAs::Reject,
                Review::Pass => ReviewAs::Pass,
            },
            reference_score: self.reference_score,
        }
    }

    /// The plan of a new study, with the given seed.
    fn study_plan(&self, seed: u64) -> Result<Plan, anyhow::Error> {
        let plan = match &self.images {
            Some(folder) => parts::of_folder(
                folder,
                self.plan.as_deref(),
                self.repeat,
                self.reference_repeat,
                seed,
            )?,
            None => self.live_plan(seed)?,
        };
        plan.check()?;
        let missing = |series| plan.repeats_one_picture(series);
        let studied = plan.reference.is_some() && !missing(Series::Reference);
        if self.min_cgk.is_some() && !studied && plan.moved.is_none() {
            bail!(
                "--min-cgk requires a type 1 study: pictures of one part in the subfolder reference or reference-moved, or --live \
                 with --reference"
            );
        }
        Ok(plan)
    }

    fn live_plan(&self, seed: u64) -> Result<Plan, anyhow::Error> {
        let table = self.plan.as_deref().context("--live requires --plan")?;
        let parts = parts::of_table(table)?;
        let reference = match &self.reference {
            None => None,
            Some(id) => {
                let found = parts.iter().find(|part| part.id == *id).cloned();
                let absent = || {
                    anyhow!(
                        "--reference {id}: must be one of the parts of {}",
                        table.display()
                    )
                };
                Some(found.ok_or_else(absent)?)
            }
        };
        let moved = reference.clone().filter(|_| self.moved_repeat > 0);
        Ok(Plan {
            parts,
            trials: self.repeat,
            reference_count: if reference.is_some() {
                self.reference_repeat
            } else {
                0
            },
            reference,
            moved,
            moved_count: self.moved_repeat,
            order: if self.auto {
                Order::Listed
            } else {
                Order::Random
            },
            seed,
        })
    }
}

/// Measures what is not measured yet, and writes the report.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let criteria = arguments.criteria();
    let now = SystemTime::now();
    let nanoseconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let plan = arguments.study_plan(arguments.seed.unwrap_or(nanoseconds as u64))?;
    warn_of_few_parts(&plan, &criteria);
    let id = format!("{nanoseconds:x}-{:x}", std::process::id());
    let header = identity::header(client, arguments, plan, id, now).await?;
    let file = StateFile::open(&arguments.out, header, arguments.seed.is_some())?;
    let mut recorder = Recorder::new(file);
    let done = match &arguments.images {
        Some(folder) => images::measure(client, folder, &mut recorder).await?,
        None => live::measure(client, &mut recorder, arguments.auto).await?,
    };
    if !done {
        let (measured, planned) = recorder.progress();
        return Err(anyhow!(
            "stopped: {measured} of {planned} measured; the same command continues"
        )
        .into());
    }
    outcome::write(recorder.study(), criteria, &arguments.out)
}

/// Says before the work when a criterion cannot hold with so few parts.
fn warn_of_few_parts(plan: &Plan, criteria: &Criteria) {
    let count =
        |state: PartState| plan.parts.iter().filter(|part| part.state == state).count() as u64;
    for (option, rate, state) in [
        ("--max-miss-rate", criteria.max_miss_rate, PartState::Bad),
        (
            "--max-false-reject-rate",
            criteria.max_false_reject_rate,
            PartState::Good,
        ),
    ] {
        let Some(rate) = rate else { continue };
        let needed = parts_needed(rate, criteria.confidence);
        let enough = needed.is_some_and(|needed| count(state) >= needed);
        if !enough {
            let needed =
                needed.map_or_else(|| "no number of".to_owned(), |needed| needed.to_string());
            note(&format!(
                "inspectctl: {option} {rate} cannot be shown with {} {} parts and {} confidence: {needed} parts without a wrong \
                 decision would show it",
                count(state),
                state.name(),
                criteria.confidence
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parsed(line: &str) -> Result<Arguments, String> {
        let words = std::iter::once("acceptance").chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        Ok(cli.arguments)
    }

    #[test]
    fn pictures_or_a_camera_are_studied() {
        for line in [
            "--images parts --out report",
            "--images parts --out report --camera left --max-miss-rate 0.02 --min-cgk 1.33 --review pass",
            "--live --camera left --plan parts.csv --out report --reference P1 --moved-repeat 25 --auto",
        ] {
            assert!(parsed(line).is_ok(), "{line}: {:?}", parsed(line));
        }
        for line in [
            "--out report",
            "--images parts",
            "--images parts --live --camera a --plan p --out report",
            "--live --camera left --out report",
            "--live --plan parts.csv --out report",
            "--images parts --out report --auto",
            "--images parts --out report --max-miss-rate 2",
            "--images parts --out report --confidence 95",
            "--images parts --out report --min-cgk 0",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn live_plan_has_the_parts_of_the_table_and_a_reference_among_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let table = folder.path().join("parts.csv");
        std::fs::write(&table, "part,state\nP1,good\nP2,bad\n").expect("written");
        let line = |more: &str| {
            format!(
                "--live --camera left --out report --plan {} {more}",
                table.display()
            )
        };
        let plan = |more: &str| parsed(&line(more)).expect("accepted").study_plan(3);
        let found = plan("--repeat 2 --reference P1 --reference-repeat 30").expect("a plan");
        assert_eq!(
            (found.parts.len(), found.trials, found.reference_count),
            (2, 2, 30)
        );
        assert_eq!((found.order, found.moved_count), (Order::Random, 0));
        assert_eq!(plan("--auto").expect("a plan").order, Order::Listed);
        let error = plan("--reference P9")
            .expect_err("not in the table")
            .to_string();
        assert!(
            error.starts_with("--reference P9: must be one of the parts of "),
            "{error}"
        );
        let error = plan("--min-cgk 1.33")
            .expect_err("no type 1 study")
            .to_string();
        assert!(
            error.starts_with("--min-cgk requires a type 1 study"),
            "{error}"
        );
    }
}
