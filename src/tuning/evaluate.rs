//! What other thresholds of a region would have decided about stored verdicts.
//!
//! A frame is decided by its worst region. The score of a region decides about it, also with a minimum area, because
//! that is part of the score. So the decision with another threshold is exact; the other regions keep their stored
//! decisions.

use std::time::SystemTime;

use inspectd_core::decision::{Decision, Thresholds};
use inspectd_core::record::{Outcome, Verdict};

use super::interval;
use super::suggest::histogram::{BINS, histogram};
use super::suggest::{Bin, JournalScores, Scores, score_of};
use crate::journal::LabelKind;

/// Number of thresholds in each bin of the histogram.
const STEPS: usize = 5;

/// Maximum number of groups of the trend.
const GROUPS: usize = 120;

/// Minimum number of verdicts of a group of the trend: quantiles of fewer say little.
const SMALLEST_GROUP: usize = 10;

/// Share of scores below the lower, and above the upper line of the trend.
const TAIL: f64 = 0.05;

/// A stored score of the region.
#[derive(Clone, Debug, PartialEq)]
struct Scored {
    sequence: u64,
    recorded: SystemTime,
    score: f32,
    /// The stored decision of the region.
    decision: Decision,
    /// The worst stored decision of the other regions.
    others: Decision,
    label: Option<LabelKind>,
}

impl Scored {
    /// The decision about the frame if the region had `decision`.
    fn frame(&self, decision: Decision) -> Decision {
        worst([decision, self.others])
    }
}

fn worst(decisions: impl IntoIterator<Item = Decision>) -> Decision {
    let worst = decisions.into_iter().max_by_key(|one| one.severity());
    worst.unwrap_or(Decision::Pass)
}

/// Stored scores of a region.
#[derive(Clone, Debug, Default)]
pub struct StoredScores {
    scored: Vec<Scored>,
    /// Earlier ones, which count only by their label.
    earlier: Vec<Scored>,
    /// Number of verdicts of other models.
    pub other_model: u64,
    /// Number of verdicts without a score of the region.
    pub without_score: u64,
}

impl StoredScores {
    /// Adds the score of a verdict in a region (`None`: outside all regions), if it has one and the verdict is of the
    /// model whose graph has this hash. Verdicts may be added in any order.
    pub fn add(
        &mut self,
        verdict: &Verdict,
        label: Option<LabelKind>,
        model: &str,
        region: Option<&str>,
    ) {
        if verdict.subject.stamp.model.sha256 != model {
            self.other_model += 1;
            return;
        }
        match scored(verdict, label, region) {
            Some(scored) => self.scored.push(scored),
            None => self.without_score += 1,
        }
    }

    /// Adds a labelled verdict that is older than those to evaluate: only its label counts.
    pub fn add_earlier(
        &mut self,
        verdict: &Verdict,
        label: LabelKind,
        model: &str,
        region: Option<&str>,
    ) {
        if verdict.subject.stamp.model.sha256 == model {
            self.earlier.extend(scored(verdict, Some(label), region));
        }
    }

    fn labelled(&self) -> impl Iterator<Item = (&Scored, LabelKind)> {
        let all = self.scored.iter().chain(&self.earlier);
        all.filter_map(|one| Some((one, one.label?)))
    }

    /// Number of scores of a stored decision of the region.
    pub fn count(&self, decision: Decision) -> u64 {
        let of = self.scored.iter().filter(|one| one.decision == decision);
        of.count() as u64
    }

    fn by_decision(&self) -> JournalScores {
        let mut scores = JournalScores::default();
        for one in &self.scored {
            scores.of(one.decision).push(f64::from(one.score));
        }
        for (one, label) in self.labelled() {
            match label {
                LabelKind::Good => scores.labelled_good.push(f64::from(one.score)),
                LabelKind::Defective => scores.labelled_defective.push(f64::from(one.score)),
                LabelKind::Unsure => {}
            }
        }
        scores
    }
}

/// The score of a region of a verdict, if it has one.
fn scored(verdict: &Verdict, label: Option<LabelKind>, region: Option<&str>) -> Option<Scored> {
    let Outcome::Judged(judgement) = &verdict.outcome else {
        return None;
    };
    let (score, decision) = score_of(verdict, region)?;
    let others = judgement.rules.iter();
    let others = others.filter(|rule| rule.name.as_deref() != region);
    Some(Scored {
        sequence: verdict.sequence,
        recorded: verdict.recorded,
        score,
        decision,
        others: worst(others.map(|rule| rule.decision)),
        label,
    })
}

/// A share of verdicts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Number that counts.
    pub count: usize,
    /// Number of all.
    pub total: usize,
    /// Interval of the true share with 95 % confidence.
    pub interval: (f64, f64),
}

impl Share {
    fn new(count: usize, total: usize) -> Self {
        Self {
            count,
            total,
            interval: interval::of_rate(count, total),
        }
    }
}

/// What a threshold would have decided.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdOutcome {
    /// The threshold.
    pub threshold: f64,
    /// Frames that would be PASS.
    pub pass: u64,
    /// Frames that would be REVIEW.
    pub review: u64,
    /// Frames that would be REJECT.
    pub reject: u64,
    /// Of these, frames that were not REJECT.
    pub newly_rejected: u64,
    /// Frames that were REJECT and would not be.
    pub no_longer_rejected: u64,
    /// Frames that are labelled good and would be REJECT.
    pub false_rejects: Share,
    /// Frames that are labelled defective and would be PASS.
    pub misses: Share,
    /// Validation images above the threshold; unset without their scores.
    pub calibration: Option<Share>,
}

/// Scores of successive verdicts.
#[derive(Clone, Debug, PartialEq)]
pub struct TrendGroup {
    /// When the first was journalled.
    pub from: SystemTime,
    /// When the last was journalled.
    pub to: SystemTime,
    /// The sequence of the last.
    pub last_sequence: u64,
    /// Number of verdicts.
    pub count: usize,
    /// The score that 5 % are below.
    pub low: f32,
    /// The median.
    pub median: f32,
    /// The score that 5 % are above.
    pub high: f32,
    /// The highest score.
    pub highest: f32,
}

/// The evaluation of thresholds.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Histogram of all scores.
    pub histogram: Vec<Bin>,
    /// Scores in the order of sequences.
    pub trend: Vec<TrendGroup>,
    /// By threshold, ascending.
    pub outcomes: Vec<ThresholdOutcome>,
}

/// Evaluates thresholds across the histogram of the scores, the present one and `further` ones. `calibration` are the
/// scores of validation images, ascending.
pub fn evaluate(
    stored: &StoredScores,
    calibration: Option<&[f64]>,
    present: Thresholds,
    further: &[f64],
) -> Evaluation {
    let by_decision = stored.by_decision();
    let scores = Scores {
        calibration,
        journal: Some(&by_decision),
    };
    let mut thresholds = vec![f64::from(present.reject_above)];
    thresholds.extend(further);
    let mut marks = thresholds.clone();
    marks.extend(reach(&by_decision));
    let histogram = histogram(scores, &marks);
    thresholds.extend(across(&histogram));
    thresholds.sort_unstable_by(f64::total_cmp);
    thresholds.dedup();
    let outcome = |threshold| outcome(stored, calibration, present, threshold);
    Evaluation {
        outcomes: thresholds.into_iter().map(outcome).collect(),
        trend: trend(&stored.scored),
        histogram,
    }
}

/// Scores that the histogram reaches unless they are far from all others, so that thresholds above REJECT are evaluated:
/// the median of REJECT, and the highest score of a part that is labelled good.
fn reach(scores: &JournalScores) -> impl Iterator<Item = f64> {
    let mut reject = scores.reject.clone();
    reject.sort_unstable_by(f64::total_cmp);
    let median = reject.get(reject.len() / 2).copied();
    let good = scores.labelled_good.iter().copied();
    median.into_iter().chain(good.max_by(f64::total_cmp))
}

/// Thresholds at equal distances across the histogram.
fn across(histogram: &[Bin]) -> Vec<f64> {
    let (Some(first), Some(last)) = (histogram.first(), histogram.last()) else {
        return Vec::new();
    };
    let count = BINS * STEPS;
    let step = (last.to - first.from) / count as f64;
    // Enough decimals to tell neighbours from each other: a person reads and writes these numbers.
    let scale = 10_f64.powf(2.0 - step.log10().floor());
    (0..=count)
        .map(|index| first.from + index as f64 * step)
        .map(|threshold| (threshold * scale).round() / scale)
        .collect()
}

fn outcome(
    stored: &StoredScores,
    calibration: Option<&[f64]>,
    present: Thresholds,
    threshold: f64,
) -> ThresholdOutcome {
    // What is saved is single precision.
    let thresholds = Thresholds {
        reject_above: threshold as f32,
        ..present
    };
    let mut counts = [0; Decision::ALL.len()];
    let (mut newly_rejected, mut no_longer_rejected) = (0, 0);
    let (mut good, mut false_rejects, mut defective, mut misses) = (0, 0, 0, 0);
    for one in &stored.scored {
        let new = one.frame(thresholds.decide(one.score));
        let is_reject = new == Decision::Reject;
        let was_reject = one.frame(one.decision) == Decision::Reject;
        counts[usize::from(new.severity())] += 1;
        newly_rejected += u64::from(is_reject && !was_reject);
        no_longer_rejected += u64::from(was_reject && !is_reject);
    }
    for (one, label) in stored.labelled() {
        let new = one.frame(thresholds.decide(one.score));
        match label {
            LabelKind::Good => {
                good += 1;
                false_rejects += usize::from(new == Decision::Reject);
            }
            LabelKind::Defective => {
                defective += 1;
                misses += usize::from(new == Decision::Pass);
            }
            LabelKind::Unsure => {}
        }
    }
    let count = |decision: Decision| counts[usize::from(decision.severity())];
    let calibration = calibration.map(|sorted| {
        let limit = f64::from(thresholds.reject_above);
        let above = sorted.len() - sorted.partition_point(|score| *score <= limit);
        Share::new(above, sorted.len())
    });
    ThresholdOutcome {
        threshold,
        pass: count(Decision::Pass),
        review: count(Decision::Review),
        reject: count(Decision::Reject),
        newly_rejected,
        no_longer_rejected,
        false_rejects: Share::new(false_rejects, good),
        misses: Share::new(misses, defective),
        calibration,
    }
}

/// Groups of about equal numbers of successive verdicts.
fn trend(scored: &[Scored]) -> Vec<TrendGroup> {
    let mut ordered: Vec<&Scored> = scored.iter().collect();
    ordered.sort_unstable_by_key(|one| one.sequence);
    let size = ordered.len().div_ceil(GROUPS).max(SMALLEST_GROUP);
    let group = |group: &[&Scored]| {
        let (first, last) = (group.first()?, group.last()?);
        let mut scores: Vec<f32> = group.iter().map(|one| one.score).collect();
        scores.sort_unstable_by(f32::total_cmp);
        let at = |share: f64| scores[((scores.len() - 1) as f64 * share).round() as usize];
        Some(TrendGroup {
            from: first.recorded,
            to: last.recorded,
            last_sequence: last.sequence,
            count: scores.len(),
            low: at(TAIL),
            median: at(0.5),
            high: at(1.0 - TAIL),
            highest: at(1.0),
        })
    };
    ordered.chunks(size).filter_map(group).collect()
}

#[cfg(test)]
mod tests;
