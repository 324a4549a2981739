//! Maps and thresholds to a decision. Pure.

use serde::Serialize;

/// What a score is held against.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Thresholds {
    /// Scores above it are REJECT.
    pub reject_above: f32,
    /// Scores from here on, up to the threshold, are REVIEW.
    pub review_from: Option<f32>,
}
