//! Decisions, the thresholds that they follow from, and the regions that they are about.

use std::sync::Arc;

use serde::Serialize;

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

    /// Rank by severity, from the least to the most severe: PASS, REVIEW, FAULT, REJECT. The decision
    /// about a part is the most severe of its views.
    pub fn severity(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Review => 1,
            Self::Fault => 2,
            Self::Reject => 3,
        }
    }

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
    pub fn level(self) -> f32 {
        self.review_from
            .map_or(self.reject_above, |from| from.min(self.reject_above))
    }
}
