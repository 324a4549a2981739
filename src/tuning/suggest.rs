//! Which threshold rejects only a given share of good parts?
//!
//! The bundle's validation scores are of good parts. The journal's PASS are, too, but they are cut off at
//! the threshold of their time, and what a REJECT was, nobody knows. So the journal gives two answers: one
//! as if every part of unknown condition had been bad, which is too low, and one as if all had been good,
//! which is too high. Between them is the truth.

use thiserror::Error;

use super::interval;
use inspectd_core::decision::Decision;
use inspectd_core::record::{Outcome, Verdict};
use inspectd_core::score::{ScoreDistribution, ThresholdMethod, suggest_threshold};

/// Bins of a histogram.
const BINS: usize = 40;

/// The histogram shows so much of the scores that are not REJECT; what is beyond is in its last bin, lest
/// one odd score leave no room for the rest.
const SHOWN: f64 = 0.99;

/// The journal's scores, by what was decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JournalScores {
    /// PASS.
    pub pass: Vec<f64>,
    /// REVIEW.
    pub review: Vec<f64>,
    /// REJECT.
    pub reject: Vec<f64>,
    /// Verdicts of other models.
    pub other_model: u64,
    /// Verdicts without a score of the region.
    pub without_score: u64,
}

impl JournalScores {
    /// Adds a verdict's score in a region (in none: what is in no region), if it has one and it is of the
    /// model whose graph has this hash.
    pub fn add(&mut self, verdict: &Verdict, model: &str, region: Option<&str>) {
        if verdict.subject.stamp.model.sha256 != model {
            self.other_model += 1;
            return;
        }
        let Some((score, decision)) = score_of(verdict, region) else {
            self.without_score += 1;
            return;
        };
        let scores = match decision {
            Decision::Pass => &mut self.pass,
            Decision::Review => &mut self.review,
            Decision::Reject | Decision::Fault => &mut self.reject,
        };
        scores.push(f64::from(score));
    }
}

/// A verdict's score in a region, and what it alone made of the frame.
fn score_of(verdict: &Verdict, region: Option<&str>) -> Option<(f32, Decision)> {
    let Outcome::Judged(judgement) = &verdict.outcome else {
        return None;
    };
    let mut rules = judgement.rules.iter();
    let part = rules.find(|rule| rule.name.as_deref() == region);
    let found = part.and_then(|part| Some((part.score?, part.decision)));
    found.filter(|(score, _)| score.is_finite())
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// The share of good parts that may be above the threshold.
    pub false_reject_rate: f64,
    /// Whether REVIEW counts as good rather than as unknown.
    pub include_review: bool,
    /// The threshold that holds now.
    pub present: f64,
}

/// The scores to answer from.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    /// Of validation images.
    pub calibration: Option<&'a [f64]>,
    /// Of verdicts.
    pub journal: Option<&'a JournalScores>,
}

/// What a suggestion rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Validation images.
    Calibration,
    /// The journal, as if all of unknown condition had been bad.
    JournalLower,
    /// The journal, as if all of unknown condition had been good.
    JournalUpper,
}

/// What a threshold does among scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The threshold.
    pub threshold: f64,
    /// Scores above it.
    pub rejected: usize,
    /// Scores.
    pub count: usize,
    /// The rates that are possible with 95 % confidence.
    pub rate: (f64, f64),
}

impl Estimate {
    /// Of a threshold among ascending scores.
    fn new(threshold: f64, sorted: &[f64]) -> Self {
        let count = sorted.len();
        let rejected = count - sorted.partition_point(|&score| score <= threshold);
        Self {
            threshold,
            rejected,
            count,
            rate: interval::of_rate(rejected, count),
        }
    }
}

/// A threshold, and what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// What it rests on.
    pub basis: Basis,
    /// How it was found.
    pub method: ThresholdMethod,
    /// The threshold.
    pub estimate: Estimate,
    /// The thresholds that are possible with 95 % confidence.
    pub threshold: (Option<f64>, Option<f64>),
    /// So many scores it takes before the highest one is an upper bound.
    pub needed: u64,
    /// What the present threshold does.
    pub present: Estimate,
}

impl Suggestion {
    /// Whether there are enough scores to show the rate that was asked for.
    pub fn enough(&self) -> bool {
        self.estimate.count as u64 >= self.needed
    }
}

/// Scores of an interval, by where they come from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// From this score on.
    pub from: f64,
    /// Up to this one.
    pub to: f64,
    /// Validation images.
    pub calibration: u64,
    /// PASS.
    pub pass: u64,
    /// REVIEW.
    pub review: u64,
    /// REJECT.
    pub reject: u64,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// By basis; at least one.
    pub suggestions: Vec<Suggestion>,
    /// The place of the one to take.
    pub chosen: usize,
    /// All scores.
    pub histogram: Vec<Bin>,
}

/// Why there is no answer.
#[derive(Debug, Error, PartialEq)]
pub enum SuggestError {
    /// The rate.
    #[error("{0} must lie between 0 and 1, both excluded")]
    Rate(f64),
    /// Nothing to go by.
    #[error("there are fewer than two scores of good parts to go by")]
    NoScores,
}

/// Suggests thresholds.
///
/// # Errors
/// When the rate is none, or there are no scores.
pub fn suggest(scores: Scores<'_>, question: Question) -> Result<Answer, SuggestError> {
    let rate = question.false_reject_rate;
    if !(rate > 0.0 && rate < 1.0) {
        return Err(SuggestError::Rate(rate));
    }
    let mut suggestions = Vec::new();
    let mut add = |basis, scores: Vec<f64>| suggestions.extend(from(basis, scores, question));
    if let Some(calibration) = scores.calibration {
        add(Basis::Calibration, calibration.to_vec());
    }
    if let Some(journal) = scores.journal {
        let mut good = journal.pass.clone();
        if question.include_review {
            good.extend(&journal.review);
        }
        add(Basis::JournalLower, good);
        let all = [&journal.pass, &journal.review, &journal.reject];
        add(
            Basis::JournalUpper,
            all.into_iter().flatten().copied().collect(),
        );
    }
    let chosen = choose(&suggestions).ok_or(SuggestError::NoScores)?;
    let mut marks: Vec<f64> = suggestions
        .iter()
        .map(|suggestion| suggestion.estimate.threshold)
        .collect();
    marks.push(question.present);
    let histogram = histogram(scores, &marks);
    Ok(Answer {
        suggestions,
        chosen,
        histogram,
    })
}

/// A suggestion, if there are scores enough for any.
fn from(basis: Basis, scores: Vec<f64>, question: Question) -> Option<Suggestion> {
    let rate = question.false_reject_rate;
    let scores = ScoreDistribution::new(scores).ok()?;
    // The rate was looked at, and each score is finite: there may be too few.
    let found = suggest_threshold(&scores, rate).ok()?;
    let sorted = scores.scores();
    Some(Suggestion {
        basis,
        method: found.method,
        estimate: Estimate::new(found.threshold, sorted),
        threshold: interval::of_quantile(sorted, rate),
        needed: interval::needed(rate),
        present: Estimate::new(question.present, sorted),
    })
}

/// Calibration if it has enough scores, for nothing is missing from them; else the journal's lower bound
/// if that has; else the one with the most scores that is not the upper bound. The upper bound takes
/// defects for good parts: nobody should let it be the threshold unseen.
fn choose(suggestions: &[Suggestion]) -> Option<usize> {
    let mut candidates = suggestions.iter().enumerate();
    let first = candidates.find(|(_, one)| one.basis != Basis::JournalUpper && one.enough());
    let most = || {
        let key = |(_, one): &(usize, &Suggestion)| {
            (one.basis != Basis::JournalUpper, one.estimate.count)
        };
        suggestions.iter().enumerate().max_by_key(key)
    };
    first.or_else(most).map(|(index, _)| index)
}

/// All scores in bins of one width. What is beyond the ends is in the first and the last one.
fn histogram(scores: Scores<'_>, marks: &[f64]) -> Vec<Bin> {
    let none = JournalScores::default();
    let journal = scores.journal.unwrap_or(&none);
    let calibration = scores.calibration.unwrap_or_default();
    let parts = [
        calibration,
        journal.pass.as_slice(),
        journal.review.as_slice(),
        journal.reject.as_slice(),
    ];
    // Defects may score many times as high as good parts do: of REJECT alone the last bin is enough.
    let mut shown = parts[..3].concat();
    if shown.is_empty() {
        shown.extend(&journal.reject);
    }
    shown.sort_unstable_by(f64::total_cmp);
    let (Some(&low), Some(&high)) = (shown.first(), shown.last()) else {
        return Vec::new();
    };
    let most = shown[((shown.len() - 1) as f64 * SHOWN).ceil() as usize];
    let span = most - low;
    // A threshold far away from all of them is not worth an empty picture.
    let near = |mark: &&f64| (low - span..=most + 2.0 * span).contains(*mark);
    let near = marks.iter().filter(near);
    let furthest = near
        .clone()
        .copied()
        .fold(high.min(most + span / 4.0), f64::max);
    // Beside the last threshold there is room for what is above it.
    let top = furthest + span / 10.0;
    let bottom = near.copied().fold(low, f64::min);
    // All scores may be one and the same.
    let width = ((top - bottom) / BINS as f64).max(f64::from(f32::EPSILON) * top.abs().max(1.0));
    let mut bins: Vec<Bin> = (0..BINS)
        .map(|index| Bin {
            from: bottom + index as f64 * width,
            to: bottom + (index + 1) as f64 * width,
            ..Bin::default()
        })
        .collect();
    let counters: [fn(&mut Bin) -> &mut u64; 4] = [
        |bin| &mut bin.calibration,
        |bin| &mut bin.pass,
        |bin| &mut bin.review,
        |bin| &mut bin.reject,
    ];
    for (scores, counter) in parts.into_iter().zip(counters) {
        for score in scores {
            // The cast clamps at 0.
            let index = (((score - bottom) / width) as usize).min(BINS - 1);
            *counter(&mut bins[index]) += 1;
        }
    }
    bins
}

#[cfg(test)]
mod tests;
