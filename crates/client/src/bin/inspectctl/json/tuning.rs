//! Suggested thresholds, and the changes of a replay.

use inspectd_client::proto;
use serde::Serialize;

use super::{Model, RecipeTag, time};
use crate::format;

/// The fields of [`proto::SuggestThresholdResponse`].
#[derive(Serialize)]
pub struct Suggested<'a> {
    suggestions: Vec<Suggestion>,
    chosen: u32,
    model: Option<Model<'a>>,
    present_threshold: f32,
    false_reject_rate: f64,
    journal: Option<JournalScores>,
    histogram: Vec<Bin>,
}

#[derive(Serialize)]
struct Suggestion {
    basis: String,
    method: String,
    estimate: Option<Estimate>,
    threshold_low: Option<f64>,
    threshold_high: Option<f64>,
    needed_count: u64,
    present: Option<Estimate>,
}

#[derive(Serialize)]
struct Estimate {
    threshold: f64,
    rejected: u64,
    count: u64,
    rate_low: f64,
    rate_high: f64,
}

#[derive(Serialize)]
struct JournalScores {
    looked_at: u64,
    pass: u64,
    review: u64,
    reject: u64,
    other_model: u64,
    without_score: u64,
    oldest_time: Option<String>,
}

#[derive(Serialize)]
struct Bin {
    from: f64,
    to: f64,
    calibration: u64,
    pass: u64,
    review: u64,
    reject: u64,
}

impl<'a> From<&'a proto::SuggestThresholdResponse> for Suggested<'a> {
    fn from(response: &'a proto::SuggestThresholdResponse) -> Self {
        Self {
            suggestions: response.suggestions.iter().map(Suggestion::from).collect(),
            chosen: response.chosen,
            model: response.model.as_ref().map(Model::from),
            present_threshold: response.present_threshold,
            false_reject_rate: response.false_reject_rate,
            journal: response.journal.as_ref().map(JournalScores::from),
            histogram: response.histogram.iter().map(Bin::from).collect(),
        }
    }
}

impl From<&proto::ThresholdSuggestion> for Suggestion {
    fn from(suggestion: &proto::ThresholdSuggestion) -> Self {
        Self {
            basis: format::basis(suggestion.basis()),
            method: format::method(suggestion.method()),
            estimate: suggestion.estimate.as_ref().map(Estimate::from),
            threshold_low: suggestion.threshold_low,
            threshold_high: suggestion.threshold_high,
            needed_count: suggestion.needed_count,
            present: suggestion.present.as_ref().map(Estimate::from),
        }
    }
}

impl From<&proto::FalseRejectEstimate> for Estimate {
    fn from(estimate: &proto::FalseRejectEstimate) -> Self {
        Self {
            threshold: estimate.threshold,
            rejected: estimate.rejected,
            count: estimate.count,
            rate_low: estimate.rate_low,
            rate_high: estimate.rate_high,
        }
    }
}

impl From<&proto::JournalScores> for JournalScores {
    fn from(scores: &proto::JournalScores) -> Self {
        Self {
            looked_at: scores.looked_at,
            pass: scores.pass,
            review: scores.review,
            reject: scores.reject,
            other_model: scores.other_model,
            without_score: scores.without_score,
            oldest_time: time(scores.oldest_time.as_ref()),
        }
    }
}

impl From<&proto::ScoreBin> for Bin {
    fn from(bin: &proto::ScoreBin) -> Self {
        Self {
            from: bin.from,
            to: bin.to,
            calibration: bin.calibration,
            pass: bin.pass,
            review: bin.review,
            reject: bin.reject,
        }
    }
}

/// One line of `replay --json`.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayEvent<'a> {
    /// A verdict whose decision would change.
    Change(Change<'a>),
    /// The last line.
    Summary(ReplaySummary<'a>),
}

/// The fields of [`proto::ReplayChange`].
#[derive(Serialize)]
pub struct Change<'a> {
    sequence: u64,
    camera_id: &'a str,
    part_id: &'a str,
    record_time: Option<String>,
    old_decision: String,
    new_decision: String,
    old_score: Option<f32>,
    new_score: Option<f32>,
    new_threshold: Option<f32>,
    region: &'a str,
}

/// The fields of [`proto::ReplaySummary`].
#[derive(Serialize)]
pub struct ReplaySummary<'a> {
    verdicts: u64,
    by_map: u64,
    by_score: u64,
    frames: Vec<Cell>,
    parts: Vec<Cell>,
    skipped: Vec<Skipped>,
    recipe: Option<RecipeTag<'a>>,
    model: Option<Model<'a>>,
}

#[derive(Serialize)]
struct Cell {
    old_decision: String,
    new_decision: String,
    count: u64,
}

#[derive(Serialize)]
struct Skipped {
    obstacle: String,
    count: u64,
}

impl<'a> From<&'a proto::ReplayChange> for Change<'a> {
    fn from(change: &'a proto::ReplayChange) -> Self {
        Self {
            sequence: change.sequence,
            camera_id: &change.camera_id,
            part_id: &change.part_id,
            record_time: time(change.record_time.as_ref()),
            old_decision: format::decision(change.old_decision()),
            new_decision: format::decision(change.new_decision()),
            old_score: change.old_score,
            new_score: change.new_score,
            new_threshold: change.new_threshold,
            region: &change.region,
        }
    }
}

impl<'a> From<&'a proto::ReplaySummary> for ReplaySummary<'a> {
    fn from(summary: &'a proto::ReplaySummary) -> Self {
        let skipped = summary.skipped.iter();
        Self {
            verdicts: summary.verdicts,
            by_map: summary.by_map,
            by_score: summary.by_score,
            frames: summary.frames.iter().map(Cell::from).collect(),
            parts: summary.parts.iter().map(Cell::from).collect(),
            skipped: skipped
                .map(|skipped| Skipped {
                    obstacle: format::obstacle(skipped.obstacle()),
                    count: skipped.count,
                })
                .collect(),
            recipe: summary.recipe.as_ref().map(RecipeTag::from),
            model: summary.model.as_ref().map(Model::from),
        }
    }
}

impl From<&proto::ReplayCell> for Cell {
    fn from(cell: &proto::ReplayCell) -> Self {
        Self {
            old_decision: format::decision(cell.old_decision()),
            new_decision: format::decision(cell.new_decision()),
            count: cell.count,
        }
    }
}
