//! The histogram of all scores.

use super::{JournalScores, Scores};

/// Number of bins of the histogram.
pub const BINS: usize = 40;

/// Share of the scores that are not REJECT within the histogram's range. Higher scores are in the last bin,
/// so that a single outlier does not determine the range.
const SHOWN: f64 = 0.99;

/// A bin of the histogram: numbers of scores by source.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Lower end, included.
    pub from: f64,
    /// Upper end, excluded.
    pub to: f64,
    /// Number of validation images.
    pub calibration: u64,
    /// Number of PASS.
    pub pass: u64,
    /// Number of REVIEW.
    pub review: u64,
    /// Number of REJECT.
    pub reject: u64,
    /// Number of verdicts whose part is labelled good.
    pub labelled_good: u64,
    /// Number of verdicts whose part is labelled defective.
    pub labelled_defective: u64,
}

/// The histogram of all scores, in bins of equal width. Scores beyond the ends are in the first and last bin.
pub fn histogram(scores: Scores<'_>, marks: &[f64]) -> Vec<Bin> {
    let none = JournalScores::default();
    let journal = scores.journal.unwrap_or(&none);
    let calibration = scores.calibration.unwrap_or_default();
    let parts = [
        calibration,
        journal.pass.as_slice(),
        journal.review.as_slice(),
        journal.reject.as_slice(),
        journal.labelled_good.as_slice(),
        journal.labelled_defective.as_slice(),
    ];
    // Defects may have many times the scores of good parts: the last bin may hold all REJECT.
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
    // A threshold far from all scores does not extend the range.
    let near = |mark: &&f64| (low - span..=most + 2.0 * span).contains(*mark);
    let near = marks.iter().filter(near);
    let furthest = near
        .clone()
        .copied()
        .fold(high.min(most + span / 4.0), f64::max);
    // Some range above the highest threshold.
    let top = furthest + span / 10.0;
    let bottom = near.copied().fold(low, f64::min);
    // All scores may be equal.
    let width = ((top - bottom) / BINS as f64).max(f64::from(f32::EPSILON) * top.abs().max(1.0));
    let mut bins: Vec<Bin> = (0..BINS)
        .map(|index| Bin {
            from: bottom + index as f64 * width,
            to: bottom + (index + 1) as f64 * width,
            ..Bin::default()
        })
        .collect();
    let counters: [fn(&mut Bin) -> &mut u64; 6] = [
        |bin| &mut bin.calibration,
        |bin| &mut bin.pass,
        |bin| &mut bin.review,
        |bin| &mut bin.reject,
        |bin| &mut bin.labelled_good,
        |bin| &mut bin.labelled_defective,
    ];
    for (scores, counter) in parts.into_iter().zip(counters) {
        for score in scores {
            // The cast clamps negative values to 0.
            let index = (((score - bottom) / width) as usize).min(BINS - 1);
            *counter(&mut bins[index]) += 1;
        }
    }
    bins
}
