//! Suggests a threshold that rejects a given share of good parts.
//!
//! The validation scores of the bundle are of good parts. PASS verdicts of the journal are too, but their
//! scores end at the threshold of their time, and the condition of rejected parts is unknown. The journal
//! therefore gives two thresholds: a lower bound, as if all parts of unknown condition were bad, and an upper
//! bound, as if all were good.

pub(super) mod histogram;

use thiserror::Error;

use super::interval;
pub use histogram::Bin;
use histogram::histogram;
use inspectd_core::decision::Decision;
use inspectd_core::record::{Outcome, Verdict};
use inspectd_core::score::{ScoreDistribution, ThresholdMethod, suggest_threshold};

/// Scores of the journal, by decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JournalScores {
    /// Scores of PASS.
    pub pass: Vec<f64>,
    /// Scores of REVIEW.
    pub review: Vec<f64>,
    /// Scores of REJECT.
    pub reject: Vec<f64>,
    /// Scores of parts that are labelled good; they are also in one of the lists above.
    pub labelled_good: Vec<f64>,
    /// Scores of parts that are labelled defective; they are also in one of the lists above.
    pub labelled_defective: Vec<f64>,
    /// Number of verdicts of other models.
    pub other_model: u64,
    /// Number of verdicts without a score of the region.
    pub without_score: u64,
}

impl JournalScores {
    /// Adds the score of a verdict in a region (`None`: outside all regions), if there is one and the verdict is
    /// of the model whose graph has this hash.
    pub fn add(&mut self, verdict: &Verdict, model: &str, region: Option<&str>) {
        if verdict.subject.stamp.model.sha256 != model {
            self.other_model += 1;
            return;
        }
        match score_of(verdict, region) {
            Some((score, decision)) => self.of(decision).push(f64::from(score)),
            None => self.without_score += 1,
        }
    }

    /// The scores of a decision.
    pub(super) fn of(&mut self, decision: Decision) -> &mut Vec<f64> {
        match decision {
            Decision::Pass => &mut self.pass,
            Decision::Review => &mut self.review,
            Decision::Reject | Decision::Fault => &mut self.reject,
        }
    }
}

/// The score of a verdict in a region, and the decision of this region.
pub(super) fn score_of(verdict: &Verdict, region: Option<&str>) -> Option<(f32, Decision)> {
    let Outcome::Judged(judgement) = &verdict.outcome else {
        return None;
    };
    let mut rules = judgement.rules.iter();
    let part = rules.find(|rule| rule.name.as_deref() == region);
    let found = part.and_then(|part| Some((part.score?, part.decision)));
    found.filter(|(score, _)| score.is_finite())
}

/// A request for a suggestion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// The share of good parts that may be above the threshold.
    pub false_reject_rate: f64,
    /// Whether REVIEW counts as good; otherwise its condition is unknown.
    pub include_review: bool,
    /// The current threshold.
    pub present: f64,
}

/// The scores that a suggestion is computed from.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    /// Scores of validation images.
    pub calibration: Option<&'a [f64]>,
    /// Scores of verdicts.
    pub journal: Option<&'a JournalScores>,
}

/// The scores that a suggestion is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Validation images.
    Calibration,
    /// The journal, as if all parts of unknown condition were bad.
    JournalLower,
    /// The journal, as if all parts of unknown condition were good.
    JournalUpper,
}

/// Effect of a threshold on a set of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The threshold.
    pub threshold: f64,
    /// Number of scores above it.
    pub rejected: usize,
    /// Number of scores.
    pub count: usize,
    /// Interval of the reject rate with 95 % confidence.
    pub rate: (f64, f64),
}

impl Estimate {
    /// Computes the effect of a threshold on ascending scores.
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

/// A suggested threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// The scores that it is based on.
    pub basis: Basis,
    /// Method of the computation.
    pub method: ThresholdMethod,
    /// The threshold and its effect.
    pub estimate: Estimate,
    /// Interval of the threshold with 95 % confidence; `None` for a bound that needs more scores.
    pub threshold: (Option<f64>, Option<f64>),
    /// Number of scores that the upper bound needs.
    pub needed: u64,
    /// Effect of the current threshold.
    pub present: Estimate,
}

impl Suggestion {
    /// Whether there are enough scores for the requested rate.
    pub fn enough(&self) -> bool {
        self.estimate.count as u64 >= self.needed
    }
}

/// The suggestions and their scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// One for each basis with enough scores; at least one.
    pub suggestions: Vec<Suggestion>,
    /// Index of the recommended suggestion.
    pub chosen: usize,
    /// Histogram of all scores.
    pub histogram: Vec<Bin>,
}

/// Why a threshold cannot be suggested.
#[derive(Debug, Error, PartialEq)]
pub enum SuggestError {
    /// The rate is not valid.
    #[error("{0} must lie between 0 and 1, both excluded")]
    Rate(f64),
    /// There are too few scores.
    #[error("there are fewer than two scores of good parts")]
    NoScores,
}

/// Suggests thresholds.
///
/// # Errors
/// When the rate is not valid, or there are too few scores.
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

/// The suggestion of one basis; `None` if there are too few scores.
fn from(basis: Basis, scores: Vec<f64>, question: Question) -> Option<Suggestion> {
    let rate = question.false_reject_rate;
    let scores = ScoreDistribution::new(scores).ok()?;
    // The rate is valid and all scores are finite, so that the only error is too few scores.
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

/// The index of the recommended suggestion: calibration if it has enough scores, because it is complete;
/// otherwise the journal's lower bound if it has enough; otherwise the one with most scores. The upper bound
/// is recommended only if there is no other, because it counts defects as good parts.
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

#[cfg(test)]
mod tests;
