//! Which images a report shows: few, chosen by a rule and not by how well they look.

use crate::evaluate::GOOD;
use crate::evaluate::result::Evaluation;

/// Types with an example of their own.
const TYPES: usize = 12;
/// False false_alarms, and misses.
const WORST: usize = 4;
/// Images with their features.
const FEATURES: usize = 3;

/// Images by their place in the dataset.
pub(super) struct SampleSelection {
    /// A good image and one of each type: those of the median score of their kind.
    pub(super) examples: Vec<usize>,
    /// The good images of the highest scores.
    pub(super) false_alarms: Vec<usize>,
    /// The anomalous images of the lowest scores.
    pub(super) misses: Vec<usize>,
    /// The examples whose features are shown.
    pub(super) features: Vec<usize>,
}

impl SampleSelection {
    pub(super) fn of(evaluation: &Evaluation) -> Self {
        let kinds = evaluation.kinds().take(TYPES + 1);
        let examples: Vec<usize> = kinds
            .filter_map(|kind| {
                let ranked = evaluation.ranked(kind);
                ranked.get(ranked.len() / 2).copied()
            })
            .collect();
        let mut false_alarms = evaluation.ranked(GOOD);
        false_alarms.truncate(WORST);
        Self {
            features: examples.iter().copied().take(FEATURES).collect(),
            examples,
            false_alarms,
            misses: lowest(evaluation),
        }
    }
}

fn lowest(evaluation: &Evaluation) -> Vec<usize> {
    let score = |index: usize| evaluation.scores[index].score;
    let mut anomalous: Vec<usize> = evaluation
        .types
        .keys()
        .flat_map(|kind| evaluation.ranked(kind))
        .collect();
    anomalous.sort_by(|&a, &b| score(a).total_cmp(&score(b)));
    anomalous.truncate(WORST);
    anomalous
}
