//! Selection of the images in a report. A fixed rule selects them, so that good results are not preferred.

use crate::evaluate::GOOD;
use crate::evaluate::result::Evaluation;

/// Maximum number of anomaly types with an example.
const TYPES: usize = 12;
/// Number of false alarms and of misses.
const WORST: usize = 4;
/// Number of images with features.
const FEATURES: usize = 3;

/// Indices of the selected images in the dataset.
pub(super) struct SampleSelection {
    /// One good image and one image of each type: those with the median score of their type.
    pub(super) examples: Vec<usize>,
    /// Good images with the highest scores.
    pub(super) false_alarms: Vec<usize>,
    /// Anomalous images with the lowest scores.
    pub(super) misses: Vec<usize>,
    /// Examples whose features are shown.
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
