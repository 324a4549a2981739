//! Maps and rules to a decision. Pure.

mod judge;

use std::sync::Arc;

use serde::Serialize;
use thiserror::Error;

use crate::maps::Score;

pub use judge::{FrameMaps, judge, rejudge};

/// What is decided about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The part is good.
    Pass,
    /// The part is not good.
    Reject,
    /// A person should look.
    Review,
    /// No judgement could be made. Never to be read as good.
    Fault,
}

impl Decision {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Reject, Self::Review, Self::Fault];

    /// `pass`, `reject`, `review` or `fault`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Reject => "reject",
            Self::Review => "review",
            Self::Fault => "fault",
        }
    }
}

/// The branch of the model that an anomaly comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnomalyKind {
    /// Something looks wrong.
    Structural,
    /// Something is in the wrong place.
    Logical,
}

impl AnomalyKind {
    /// The one with the larger share.
    pub fn of(structural: f32, logical: f32) -> Self {
        if logical > structural {
            Self::Logical
        } else {
            Self::Structural
        }
    }
}

/// A connected part of the frame whose map is above the threshold; lengths are fractions of the frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// First column.
    pub left: f32,
    /// First row.
    pub top: f32,
    /// Width of the box around it.
    pub width: f32,
    /// Height of the box around it.
    pub height: f32,
    /// Its area, as a fraction of the frame's.
    pub area: f32,
    /// The map's largest value in it.
    pub peak: f32,
    /// The branch that the peak comes from.
    pub kind: AnomalyKind,
    /// The name of the recipe's region that it lies in; unset if in none. A defect that crosses a
    /// border is listed on either side of it, as far as each side's rule finds one.
    pub rule: Option<Arc<str>>,
}

/// What a score is held against.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Thresholds {
    /// Scores above it are REJECT.
    pub reject_above: f32,
    /// Scores from here on, up to the threshold, are REVIEW.
    pub review_from: Option<f32>,
}

impl Thresholds {
    /// The decision about a score that is a number.
    pub fn decide(self, score: f32) -> Decision {
        if score > self.reject_above {
            Decision::Reject
        } else if self.review_from.is_some_and(|from| score >= from) {
            Decision::Review
        } else {
            Decision::Pass
        }
    }

    /// By how much a score is above the threshold; below 0 if it is not.
    pub fn margin(self, score: f32) -> f32 {
        score - self.reject_above
    }

    /// What a region is above: the lowest score that is not PASS.
    fn level(self) -> f32 {
        self.review_from
            .map_or(self.reject_above, |from| from.min(self.reject_above))
    }
}

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
