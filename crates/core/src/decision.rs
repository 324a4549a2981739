//! Decisions, thresholds and defect regions.

use std::sync::Arc;

use serde::Serialize;

/// The decision about a frame or a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The part is good.
    Pass,
    /// The part is defective.
    Reject,
    /// The score is in the review band: a person decides.
    Review,
    /// The frame could not be judged. Never treat it as PASS.
    Fault,
}

impl Decision {
    /// All decisions.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Reject, Self::Review, Self::Fault];

    /// Returns the rank by severity, from the least to the most severe: PASS, REVIEW, FAULT, REJECT. The
    /// decision about a part is the most severe decision of its views.
    pub fn severity(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Review => 1,
            Self::Fault => 2,
            Self::Reject => 3,
        }
    }

    /// Returns the name: `pass`, `reject`, `review` or `fault`.
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
    /// The structural branch: the appearance is wrong.
    Structural,
    /// The logical branch: the arrangement is wrong.
    Logical,
}

impl AnomalyKind {
    /// Returns the branch with the larger share; structural if both are equal, or if the logical share is 0,
    /// as in a model without a logical map.
    pub fn of(structural: f32, logical: f32) -> Self {
        if logical > structural && logical != 0.0 {
            Self::Logical
        } else {
            Self::Structural
        }
    }
}

/// A defect region: a connected component of the combined map above the level. Lengths are fractions of
/// the frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Left edge of the bounding box.
    pub left: f32,
    /// Top edge of the bounding box.
    pub top: f32,
    /// Width of the bounding box.
    pub width: f32,
    /// Height of the bounding box.
    pub height: f32,
    /// Area, a fraction of the frame's area.
    pub area: f32,
    /// Largest value of the map in the region.
    pub peak: f32,
    /// Branch with the larger share of the peak.
    pub kind: AnomalyKind,
    /// Name of the recipe region that contains it; unset if it is in no recipe region. A defect that
    /// crosses the border of a recipe region is listed once for each side whose rule finds it.
    pub rule: Option<Arc<str>>,
}

/// Thresholds for the decision about a score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Thresholds {
    /// Scores above this value are REJECT.
    pub reject_above: f32,
    /// Lower end of the review band: scores from this value up to `reject_above` are REVIEW. Unset: no
    /// review band.
    pub review_from: Option<f32>,
}

impl Thresholds {
    /// Returns the decision about a finite score.
    pub fn decide(self, score: f32) -> Decision {
        if score > self.reject_above {
            Decision::Reject
        } else if self.review_from.is_some_and(|from| score >= from) {
            Decision::Review
        } else {
            Decision::Pass
        }
    }

    /// Returns the margin: the score minus the threshold. Negative below the threshold.
    pub fn margin(self, score: f32) -> f32 {
        score - self.reject_above
    }

    /// Returns the level above which regions are listed: the lowest score that is not PASS.
    pub fn level(self) -> f32 {
        self.review_from
            .map_or(self.reject_above, |from| from.min(self.reject_above))
    }
}
