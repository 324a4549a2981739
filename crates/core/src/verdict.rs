//! Maps and rules to a decision. Pure.

mod judge;

use std::sync::Arc;

use thiserror::Error;

use crate::decision::{AnomalyKind, Decision, Region, Thresholds};
use crate::maps::Score;

pub use judge::{FrameMaps, judge, rejudge};

/// What one part of the frame was found to be.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionScore {
    /// The name of the recipe's region; unset for what is in none.
    pub name: Option<Arc<str>>,
    /// The largest value in it, or the highest level that a defect of the least area reaches. Unset if
    /// nothing in it counts: masks and other regions cover all of it, or it is smaller than the least
    /// area.
    pub score: Option<f32>,
    /// What the score was held against.
    pub thresholds: Thresholds,
    /// What it alone would make of the frame.
    pub decision: Decision,
}

/// A frame that was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// PASS, REJECT or REVIEW.
    pub decision: Decision,
    /// The score that decided, and its parts: of all parts of the frame the one that is furthest above
    /// its threshold or least below it, among those that made the decision. All 0 if nothing in the
    /// frame counts.
    pub score: Score,
    /// What that score was held against: it is above the threshold exactly if the decision is REJECT.
    pub thresholds: Thresholds,
    /// The name of the recipe's region that decided; unset if it was the rest of the frame.
    pub decided_by: Option<Arc<str>>,
    /// The largest score of all parts of the frame, whatever they were held against: to compare frames
    /// with each other rather than with a threshold. 0 if nothing in the frame counts.
    pub highest: f32,
    /// What each part of the frame was found to be: the recipe's regions in their order, then the rest.
    pub rules: Vec<RegionScore>,
    /// The branch with the larger share of the score.
    pub dominant: AnomalyKind,
    /// The defects, largest peak first; none for PASS.
    pub regions: Vec<Region>,
}

impl Judgement {
    /// By how much the score is above the threshold; below 0 if it is not.
    pub fn margin(&self) -> f32 {
        self.thresholds.margin(self.score.score)
    }
}

/// The maps hold a value that is no number: there is nothing to judge by.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the model's maps have a value that is no number")]
pub struct NotFinite;

#[cfg(test)]
mod tests;
