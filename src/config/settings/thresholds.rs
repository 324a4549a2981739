//! The section of decisions, and the thresholds of the line and of a camera.

use serde::Serialize;

use inspectd_core::decision::Thresholds;

use crate::config::group::{group_for, section};
use crate::config::key::{Key, Unit};
use crate::config::kind::Kind;

section! {
    /// Decisions from scores.
    pub struct Verdict = "verdict" {
        /// Thresholds of cameras without thresholds of their own. Unset keys come from the bundle.
        #[serde(flatten)]
        thresholds: Overrides => GeneralThresholds,

        /// Smaller regions are not listed. They still count for the decision.
        region_min_area: f32 = Key::preset("region_min_area", Kind::Number(0.0, 1.0), "0")
            .unit(Unit::Plain("fraction of the frame"))
            .live(),

        /// Maximum number of listed regions, largest peak first.
        region_limit: usize = Key::preset("region_limit", Kind::Whole(0, 1024), "32").live(),
    }
}

/// Thresholds that override more general ones where they are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Overrides {
    /// Scores above it are REJECT.
    pub threshold: Option<f32>,
    /// Scores from here up to the threshold are REVIEW.
    pub review_from: Option<f32>,
}

impl Overrides {
    /// Returns these thresholds, then those of `general`, then the threshold of the bundle. Without
    /// `review_from` the review band is empty. A review band that starts above the threshold is empty.
    pub fn resolve(self, general: Self, bundle: f32) -> Thresholds {
        Thresholds {
            reject_above: self.threshold.or(general.threshold).unwrap_or(bundle),
            review_from: self.review_from.or(general.review_from),
        }
    }
}

/// Keys of `[verdict]`.
struct GeneralThresholds;

group_for! {
    GeneralThresholds: Overrides {
        /// Scores above it are REJECT. Unset: the threshold of the bundle.
        threshold = Key::unset("threshold", Kind::Finite).live(),

        /// Scores from here up to the threshold are REVIEW. Unset: no REVIEW. At most `threshold` if both are
        /// set.
        review_from = Key::unset("review_from", Kind::Finite).live(),
    }
}

/// Keys of `[cameras.ID]`.
pub(super) struct CameraThresholds;

group_for! {
    CameraThresholds: Overrides {
        /// Threshold of this camera, see `[verdict]`. Unset: the one of `[verdict]`.
        threshold = Key::unset("threshold", Kind::Finite).live(),

        /// Start of this camera's review band, see `[verdict]`. Unset: the one of `[verdict]`.
        review_from = Key::unset("review_from", Kind::Finite).live(),
    }
}
