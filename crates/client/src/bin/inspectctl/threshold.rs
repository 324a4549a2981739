//! `inspectctl threshold`: suggests the threshold that only a given share of good parts exceeds, and changes thresholds.

mod chart;
mod set;

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Cell;
use inspectd_client::Client;
use inspectd_client::proto::{
    FalseRejectEstimate, JournalScores, ScoreSource, SuggestThresholdRequest,
    SuggestThresholdResponse, ThresholdBasis, ThresholdSuggestion,
};

use crate::failure::Failure;
use crate::table::{self, Column, styled};
use crate::time_arg::TimeArg;
use crate::{format, image_file, json};

/// A million verdicts take minutes to read.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Arguments of `threshold`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Suggest a threshold from scores of good parts.
    Suggest(Suggest),
    /// Change a threshold in the file that sets it, and apply it.
    Set(set::Set),
}

/// Arguments of `threshold suggest`.
#[derive(Debug, Args)]
pub struct Suggest {
    /// Share of good parts that may be rejected, between 0 and 1.
    #[arg(long, value_name = "RATE")]
    false_reject_rate: f64,
    /// Source of the scores; each available source separately if unset.
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceArg>,
    /// Only verdicts of this camera, and its present threshold.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    camera: String,
    /// Suggest the threshold of this region of the recipe.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    region: String,
    /// Only verdicts journalled at or after this time: a date and time, or an age ("7d").
    #[arg(long, value_name = "TIME")]
    from: Option<TimeArg>,
    /// Only verdicts journalled before this time: a date and time, or an age.
    #[arg(long, value_name = "TIME")]
    to: Option<TimeArg>,
    /// Read at most this number of these verdicts, the newest.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Count REVIEW as good.
    #[arg(long)]
    include_review: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Also draw the scores and the thresholds to this SVG file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Source of the scores.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum SourceArg {
    /// Scores of the validation images of the loaded bundle.
    Calibration,
    /// Scores of stored verdicts.
    Journal,
    /// Both.
    Both,
}

impl Suggest {
    fn request(&self, now: SystemTime) -> SuggestThresholdRequest {
        let source = match self.source {
            None => ScoreSource::Unspecified,
            Some(SourceArg::Calibration) => ScoreSource::Calibration,
            Some(SourceArg::Journal) => ScoreSource::Journal,
            Some(SourceArg::Both) => ScoreSource::Both,
        };
        SuggestThresholdRequest {
            false_reject_rate: self.false_reject_rate,
            source: source.into(),
            camera_id: self.camera.clone(),
            region: self.region.clone(),
            from_time: self.from.map(|from| from.timestamp(now)),
            to_time: self.to.map(|to| to.timestamp(now)),
            limit: self.limit,
            include_review: self.include_review,
        }
    }
}

/// Runs the subcommand.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Suggest(arguments) => suggest(client, arguments).await,
        Action::Set(arguments) => set::run(client, arguments).await,
    }
}

/// Requests the suggestions, and shows them.
async fn suggest(client: &Client, arguments: &Suggest) -> Result<(), Failure> {
    let mut tuning = client.tuning();
    let call = tuning.suggest_threshold(arguments.request(SystemTime::now()));
    let response = client.answer_within(TIMEOUT, call).await?;
    if let Some(file) = &arguments.svg {
        image_file::write(file, chart::svg(&response).as_bytes())?;
    }
    let mut out = anstream::stdout();
    if arguments.json {
        return Ok(json::write(&mut out, &json::Suggested::from(&response))?);
    }
    Ok(write!(out, "{}", describe(&response))?)
}

fn describe(response: &SuggestThresholdResponse) -> String {
    const COLUMNS: [Column; 6] = [
        Column::text("from"),
        Column::number("threshold"),
        Column::text("95 % between"),
        Column::number("rejects"),
        Column::text("true rate, 95 %"),
        Column::text("at present"),
    ];
    let mut out = format!(
        "model     {}, present threshold {:.4}\n",
        format::model(response.model.as_ref()),
        response.present_threshold
    );
    if let Some(journal) = &response.journal {
        out += &describe_journal(journal);
    }
    let rows = response.suggestions.iter().enumerate();
    let rows: Vec<_> = rows
        .map(|(index, one)| row(one, index == response.chosen as usize))
        .collect();
    out.push('\n');
    out += &table::render(COLUMNS, rows);
    out.push('\n');
    out += &chart::text(response);
    out.push('\n');
    out + &advice(response)
}

fn describe_journal(journal: &JournalScores) -> String {
    let mut out = format!("journal   {}", format::count(journal.looked_at, "verdict"));
    if let Some(time) = &journal.oldest_time {
        let _ = write!(out, " since {}", format::second(time));
    }
    let _ = write!(
        out,
        ": {} pass, {} review, {} reject",
        journal.pass, journal.review, journal.reject
    );
    if journal.other_model > 0 {
        let _ = write!(out, ", {} of another model", journal.other_model);
    }
    if journal.without_score > 0 {
        let _ = write!(out, ", {} without a score", journal.without_score);
    }
    out + "\n"
}

/// The basis of a suggestion as a phrase.
fn basis(basis: ThresholdBasis) -> &'static str {
    match basis {
        ThresholdBasis::Calibration => "calibration",
        ThresholdBasis::JournalLower => "journal, if all unknown were bad",
        ThresholdBasis::JournalUpper => "journal, if all unknown were good",
        ThresholdBasis::Unspecified => "a source unknown to this version",
    }
}

fn row(suggestion: &ThresholdSuggestion, chosen: bool) -> [Cell; 6] {
    let found = suggestion.estimate.unwrap_or_default();
    let present = suggestion.present.unwrap_or_default();
    let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), |end| format!("{end:.4}"));
    let share =
        |estimate: &FalseRejectEstimate| format!("{} of {}", estimate.rejected, estimate.count);
    let threshold = format!("{:.4}", found.threshold);
    [
        Cell::new(basis(suggestion.basis())),
        if chosen {
            styled(threshold, anstyle::Style::new().bold())
        } else {
            Cell::new(threshold)
        },
        Cell::new(format!(
            "{} and {}",
            end(suggestion.threshold_low),
            end(suggestion.threshold_high)
        )),
        Cell::new(share(&found)),
        Cell::new(rates(&found)),
        Cell::new(format!("{}, {}", share(&present), rates(&present))),
    ]
}

/// The confidence interval of a rate: `0.01 to 1.38 %`.
fn rates(estimate: &FalseRejectEstimate) -> String {
    format!(
        "{} to {} %",
        percent(estimate.rate_low),
        percent(estimate.rate_high)
    )
}

/// A rate in percent, with more digits for a small one.
fn percent(rate: f64) -> String {
    let percent = 100.0 * rate;
    if percent > 0.0 && percent < 0.1 {
        format!("{percent:.4}")
    } else {
        format!("{percent:.2}")
    }
}

/// The suggested threshold, and its limits.
fn advice(response: &SuggestThresholdResponse) -> String {
    let warning = format::warning_style();
    let asked = percent(response.false_reject_rate);
    let Some(chosen) = response.suggestions.get(response.chosen as usize) else {
        return String::new();
    };
    let found = chosen.estimate.unwrap_or_default();
    let mut out = format!(
        "suggested: {:.4}, for a false-reject rate of {asked} %, from {}\n",
        found.threshold,
        basis(chosen.basis())
    );
    if found.count < chosen.needed_count {
        let _ = writeln!(
            out,
            "{warning}{} are too few for a rate of {asked} %, which requires {}{warning:#}",
            format::count(found.count, "score"),
            chosen.needed_count
        );
    }
    let journal = |one: &ThresholdSuggestion| one.basis() == ThresholdBasis::JournalLower;
    if response.suggestions.iter().any(journal) {
        out += "Scores of PASS end at the threshold that applied, and the true condition of a REJECT is unknown: \
                the right threshold is between the two from the journal.\n";
    }
    out
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::{Model, ScoreBin};

    use super::*;

    fn estimate(threshold: f64, rejected: u64, count: u64) -> FalseRejectEstimate {
        FalseRejectEstimate {
            threshold,
            rejected,
            count,
            rate_low: 0.0,
            rate_high: 0.0881,
        }
    }

    fn response() -> SuggestThresholdResponse {
        SuggestThresholdResponse {
            suggestions: vec![ThresholdSuggestion {
                basis: ThresholdBasis::Calibration.into(),
                estimate: Some(estimate(0.75, 0, 40)),
                threshold_low: Some(0.5),
                needed_count: 3688,
                present: Some(estimate(0.6, 1, 40)),
                ..ThresholdSuggestion::default()
            }],
            model: Some(Model {
                name: "demo".into(),
                version: "1".into(),
                sha256: "0123456789abcdef".into(),
                precision: "f32".to_owned(),
            }),
            present_threshold: 0.6,
            false_reject_rate: 0.001,
            histogram: vec![ScoreBin {
                from: 0.0,
                to: 1.0,
                calibration: 40,
                ..ScoreBin::default()
            }],
            ..SuggestThresholdResponse::default()
        }
    }

    #[test]
    fn too_few_scores_are_reported_with_the_required_number() {
        let shown = anstream::adapter::strip_str(&describe(&response())).to_string();
        for line in [
            "model     demo 1 (0123456789ab), present threshold 0.6000",
            "calibration     0.7500  0.5000 and ?  0 of 40  0.00 to 8.81 %   1 of 40, 0.00 to 8.81 %",
            "suggested: 0.7500, for a false-reject rate of 0.10 %, from calibration",
            "40 scores are too few for a rate of 0.10 %, which requires 3688",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
        }
        assert!(!shown.contains("is unknown"), "{shown}");
    }

    #[test]
    fn suggestion_from_the_journal_explains_its_bias() {
        let mut response = response();
        response.suggestions[0].basis = ThresholdBasis::JournalLower.into();
        response.journal = Some(JournalScores {
            looked_at: 50,
            pass: 40,
            reject: 9,
            other_model: 1,
            ..JournalScores::default()
        });
        let shown = anstream::adapter::strip_str(&describe(&response)).to_string();
        let line = "journal   50 verdicts: 40 pass, 0 review, 9 reject, 1 of another model";
        assert!(shown.contains(line), "{shown}");
        assert!(
            shown.contains("the true condition of a REJECT is unknown"),
            "{shown}"
        );
    }

    #[test]
    fn small_rates_have_more_digits() {
        assert_eq!(percent(0.001), "0.10");
        assert_eq!(percent(0.000_05), "0.0050");
        assert_eq!(percent(0.0), "0.00");
    }
}
