//! Judgement: from maps and rules to a decision. Pure.

mod judge;
mod segmentation;

use std::sync::Arc;

use thiserror::Error;

use crate::decision::{AnomalyKind, Decision, Region, Thresholds};
use crate::maps::Score;

pub use crate::rules::NothingInspected;
pub use judge::{FrameMaps, check_inspected, judge, rejudge};
pub use segmentation::{AnomalyClass, JudgedMaps, PixelRun, Segmentation};

/// Score and decision of one area of the frame.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionScore {
    /// Name of the recipe region; unset for the rest of the frame.
    pub name: Option<Arc<str>>,
    /// Largest value in the area, or with a minimum area the highest level at which a defect has that area.
    /// Unset if masks and other regions cover the whole area, or if it is smaller than the minimum area.
    pub score: Option<f32>,
    /// Thresholds for the score.
    pub thresholds: Thresholds,
    /// Decision about this area only.
    pub decision: Decision,
}

/// The judgement of a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// PASS, REJECT or REVIEW.
    pub decision: Decision,
    /// Score of the area that decided, with the shares of both branches. Among the areas with the most
    /// severe decision, the one with the largest margin decides. All fields are 0 if no area has a score.
    pub score: Score,
    /// Thresholds of that area: the score is above the threshold exactly if the decision is REJECT.
    pub thresholds: Thresholds,
    /// Name of the recipe region that decided; unset if the rest of the frame decided.
    pub decided_by: Option<Arc<str>>,
    /// Largest score of all areas, independent of their thresholds: for comparing frames with each other,
    /// not with a threshold. 0 if no area has a score.
    pub highest: f32,
    /// Score and decision of each area: the recipe regions in their order, then the rest.
    pub rules: Vec<RegionScore>,
    /// Branch with the larger share of the score.
    pub dominant: AnomalyKind,
    /// Defect regions, largest peak first; empty for PASS.
    pub regions: Vec<Region>,
}

impl Judgement {
    /// Returns the margin: the score minus the threshold. Negative below the threshold.
    pub fn margin(&self) -> f32 {
        self.thresholds.margin(self.score.score)
    }
}

/// Why a frame cannot be judged. It is a FAULT, never a PASS.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum JudgeError {
    /// The maps contain a non-finite value.
    #[error("the model's maps contain a non-finite value")]
    NotFinite,
    /// A part of the frame that should be inspected has no score.
    #[error(transparent)]
    NothingInspected(#[from] NothingInspected),
}

#[cfg(test)]
mod tests;
