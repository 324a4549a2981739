//! Attribute agreement: whether repeated decisions agree with each other and with the known state of parts.
//!
//! AIAG MSA, 4th edition, chapter III, section C. The system is the only appraiser. Trials of one part are not independent of
//! each other: intervals and bounds of rates count parts, and a part counts as missed if one of its trials missed it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::interval::{clopper_pearson, upper_bound, wilson};
use super::plan::{PartState, Plan};
use super::record::{Decision, Measurement};

/// How REVIEW counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewAs {
    /// As REJECT: the part leaves the good ones.
    Reject,
    /// As PASS.
    Pass,
}

/// A number of parts among others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The parts.
    pub count: u64,
    /// Those among which they are.
    pub of: u64,
    /// Interval of the share (Clopper-Pearson).
    pub interval: [f64; 2],
}

/// A rate of wrong decisions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// Wrong decisions.
    pub events: u64,
    /// All decisions about parts of this state.
    pub decisions: u64,
    /// Wrong decisions as a share of all; none without decisions.
    pub rate: Option<f64>,
    /// Interval of that share (Wilson), as if the trials of a part were independent.
    pub rate_interval: [f64; 2],
    /// Parts with at least one wrong decision.
    pub parts: Share,
    /// One-sided upper bound of the share of such parts (Clopper-Pearson), which criteria compare.
    pub upper_bound: f64,
}

/// The decisions about one part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartResult {
    /// The part.
    pub part: String,
    /// Its state.
    pub state: PartState,
    /// Its decisions.
    pub decisions: Vec<Decision>,
    /// Decisions that count as REJECT.
    pub rejected: u64,
    /// Its scores.
    pub scores: Vec<f64>,
    /// The mean of its scores.
    pub mean: f64,
    /// The threshold of its last measurement, on the scale of the scores.
    pub threshold: f64,
    /// Whether all planned trials were measured.
    pub complete: bool,
}

/// The result of all parts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Decisions by state and result: of good parts, then of bad ones, each PASS then REJECT.
    pub table: [[u64; 2]; 2],
    /// Decisions that were REVIEW, of good and of bad parts.
    pub reviews: [u64; 2],
    /// Parts whose trials all agree with each other.
    pub within: Share,
    /// Parts whose trials all agree with the state of the part: the effectiveness.
    pub with_reference: Share,
    /// Fleiss' kappa of the trials; none if it is not defined, because all decisions are the same or there is one trial.
    pub fleiss_within: Option<f64>,
    /// Cohen's kappa of decisions and state; none if it is not defined.
    pub cohen_reference: Option<f64>,
    /// Bad parts that were passed.
    pub misses: Rate,
    /// Good parts that were rejected.
    pub false_rejects: Rate,
    /// The parts, as planned.
    pub parts: Vec<PartResult>,
}

/// The results of the parts that were measured, as planned. `scale` makes scores comparable.
pub(super) fn part_results<'a>(
    plan: &Plan,
    measurements: impl Iterator<Item = &'a Measurement>,
    review: ReviewAs,
    scale: impl Fn(&Measurement) -> [f64; 2],
) -> Vec<PartResult> {
    let mut by_part: BTreeMap<&str, Vec<&Measurement>> = BTreeMap::new();
    for measured in measurements {
        by_part.entry(&measured.part).or_default().push(measured);
    }
    let result = |part: &super::plan::Part| {
        let measured = by_part.get(part.id.as_str())?;
        let scaled: Vec<[f64; 2]> = measured.iter().map(|measured| scale(measured)).collect();
        let scores: Vec<f64> = scaled.iter().map(|[score, _]| *score).collect();
        let decisions: Vec<Decision> = measured.iter().map(|measured| measured.decision).collect();
        Some(PartResult {
            part: part.id.clone(),
            state: part.state,
            rejected: decisions
                .iter()
                .filter(|decision| is_reject(**decision, review))
                .count() as u64,
            mean: scores.iter().sum::<f64>() / scores.len() as f64,
            threshold: scaled.last()?[1],
            complete: decisions.len() == plan.trials as usize,
            decisions,
            scores,
        })
    };
    plan.parts.iter().filter_map(result).collect()
}

fn is_reject(decision: Decision, review: ReviewAs) -> bool {
    match decision {
        Decision::Pass => false,
        Decision::Reject => true,
        Decision::Review => review == ReviewAs::Reject,
    }
}

impl PartResult {
    fn trials(&self) -> u64 {
        self.decisions.len() as u64
    }

    /// Decisions that do not agree with the state.
    pub fn wrong(&self) -> u64 {
        match self.state {
            PartState::Good => self.rejected,
            PartState::Bad => self.trials() - self.rejected,
        }
    }

    /// Whether the decisions differ.
    pub fn mixed(&self) -> bool {
        self.rejected > 0 && self.rejected < self.trials()
    }
}

/// Compares the decisions of all parts; none without parts.
pub(super) fn agreement(parts: Vec<PartResult>, confidence: f64) -> Option<Agreement> {
    if parts.is_empty() {
        return None;
    }
    let mut table = [[0; 2]; 2];
    let mut reviews = [0; 2];
    for part in &parts {
        let row = usize::from(part.state == PartState::Bad);
        table[row][0] += part.trials() - part.rejected;
        table[row][1] += part.rejected;
        let review = part
            .decisions
            .iter()
            .filter(|decision| **decision == Decision::Review);
        reviews[row] += review.count() as u64;
    }
    let of = parts.len() as u64;
    let share = |count: usize| share(count as u64, of, confidence);
    let counts: Vec<Vec<u64>> = parts
        .iter()
        .map(|part| vec![part.trials() - part.rejected, part.rejected])
        .collect();
    Some(Agreement {
        table,
        reviews,
        within: share(parts.iter().filter(|part| !part.mixed()).count()),
        with_reference: share(parts.iter().filter(|part| part.wrong() == 0).count()),
        fleiss_within: fleiss_kappa(&counts),
        cohen_reference: cohen_kappa(&table),
        misses: rate(&parts, PartState::Bad, confidence),
        false_rejects: rate(&parts, PartState::Good, confidence),
        parts,
    })
}

fn share(count: u64, of: u64, confidence: f64) -> Share {
    Share {
        count,
        of,
        interval: clopper_pearson(count, of, confidence),
    }
}

fn rate(parts: &[PartResult], state: PartState, confidence: f64) -> Rate {
    let of_state = || parts.iter().filter(|part| part.state == state);
    let events = of_state().map(PartResult::wrong).sum();
    let decisions = of_state().map(PartResult::trials).sum();
    let affected = of_state().filter(|part| part.wrong() > 0).count() as u64;
    let count = of_state().count() as u64;
    Rate {
        events,
        decisions,
        rate: (decisions > 0).then(|| events as f64 / decisions as f64),
        rate_interval: wilson(events, decisions, confidence),
        parts: share(affected, count, confidence),
        upper_bound: upper_bound(affected, count, confidence),
    }
}

/// Cohen's kappa of a table of two classifications into the same categories (Cohen 1960); none if chance alone makes them
/// agree always.
pub(super) fn cohen_kappa<const N: usize>(table: &[[u64; N]; N]) -> Option<f64> {
    let all: u64 = table.iter().flatten().sum();
    if all == 0 {
        return None;
    }
    let all = all as f64;
    let row = |index: usize| table[index].iter().sum::<u64>() as f64 / all;
    let column = |index: usize| table.iter().map(|row| row[index]).sum::<u64>() as f64 / all;
    let observed: f64 = (0..N).map(|index| table[index][index] as f64 / all).sum();
    let expected: f64 = (0..N).map(|index| row(index) * column(index)).sum();
    kappa(observed, expected)
}

/// Fleiss' kappa of subjects that several raters have put into categories (Fleiss 1971): for each subject, how many chose each
/// category. Subjects with fewer than two ratings are left out; none if nothing is left, or chance alone makes raters agree
/// always.
pub(super) fn fleiss_kappa(subjects: &[Vec<u64>]) -> Option<f64> {
    let ratings = |subject: &Vec<u64>| subject.iter().sum::<u64>() as f64;
    let subjects: Vec<&Vec<u64>> = subjects
        .iter()
        .filter(|subject| ratings(subject) > 1.0)
        .collect();
    let categories = subjects.first()?.len();
    let all: f64 = subjects.iter().map(|subject| ratings(subject)).sum();
    let agreement = |subject: &&Vec<u64>| {
        let ratings = ratings(subject);
        let pairs: f64 = subject
            .iter()
            .map(|&count| count as f64 * (count as f64 - 1.0))
            .sum();
        pairs / (ratings * (ratings - 1.0))
    };
    let observed = subjects.iter().map(agreement).sum::<f64>() / subjects.len() as f64;
    let share = |category: usize| {
        subjects
            .iter()
            .map(|subject| subject[category] as f64)
            .sum::<f64>()
            / all
    };
    let expected = (0..categories)
        .map(|category| share(category).powi(2))
        .sum();
    kappa(observed, expected)
}

fn kappa(observed: f64, expected: f64) -> Option<f64> {
    (expected < 1.0 - 1e-12).then(|| (observed - expected) / (1.0 - expected))
}
