//! Maps and thresholds to a decision. Pure.

use serde::Serialize;
use thiserror::Error;

use crate::maps::{MapCalibration, Score, combine, image_score};
use crate::regions::{Cells, RegionRules, regions};

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
#[derive(Clone, Copy, Debug, PartialEq)]
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

    /// What a region is above: the lowest score that is not PASS.
    fn level(self) -> f32 {
        self.review_from
            .map_or(self.reject_above, |from| from.min(self.reject_above))
    }
}

/// A frame that was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// PASS, REJECT or REVIEW.
    pub decision: Decision,
    /// The score and its parts.
    pub score: Score,
    /// What it was held against.
    pub thresholds: Thresholds,
    /// The branch with the larger share of the score.
    pub dominant: AnomalyKind,
    /// The defects, largest peak first; none for PASS.
    pub regions: Vec<Region>,
}

/// The maps hold a value that is no number: there is nothing to judge by.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the model's maps have a value that is no number")]
pub struct NotFinite;

/// One frame's maps, square and of one size, and the frame's own size in pixels.
#[derive(Clone, Copy, Debug)]
pub struct FrameMaps<'a> {
    /// `A_s`, row-major.
    pub structural: &'a [f32],
    /// `A_g`, row-major.
    pub logical: &'a [f32],
    /// Cells a side.
    pub side: usize,
    /// The inspected frame's width, pixels.
    pub width: u32,
    /// The inspected frame's height, pixels.
    pub height: u32,
}

/// Judges a frame by its maps.
///
/// # Errors
/// When a value is no number: a FAULT, never a PASS.
///
/// # Panics
/// When a map is not square or a size is zero.
pub fn judge(
    maps: FrameMaps<'_>,
    calibration: &MapCalibration,
    thresholds: Thresholds,
    rules: RegionRules,
) -> Result<Judgement, NotFinite> {
    let FrameMaps {
        structural,
        logical,
        side,
        width,
        height,
    } = maps;
    let score = image_score(structural, logical, side, calibration, width, height);
    if !score.score.is_finite() {
        return Err(NotFinite);
    }
    let decision = thresholds.decide(score.score);
    let regions = match decision {
        Decision::Pass => Vec::new(),
        _ => regions(
            Cells {
                combined: &combine(structural, logical, calibration),
                structural: &calibration.structural_share(structural),
                width: side,
            },
            thresholds.level(),
            rules,
        ),
    };
    Ok(Judgement {
        decision,
        score,
        thresholds,
        dominant: AnomalyKind::of(score.structural, score.logical),
        regions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::Quantiles;

    const RULES: RegionRules = RegionRules {
        min_area: 0.0,
        limit: 8,
    };

    fn calibration() -> MapCalibration {
        let unit = Quantiles::try_new(0.0, 0.1).expect("ordered");
        MapCalibration {
            structural: unit,
            logical: unit,
            weights: [1.0, 1.0],
        }
    }

    fn judged(structural: [f32; 4], thresholds: Thresholds) -> Result<Judgement, NotFinite> {
        let maps = FrameMaps {
            structural: &structural,
            logical: &[0.1; 4],
            side: 2,
            width: 2,
            height: 2,
        };
        judge(maps, &calibration(), thresholds, RULES)
    }

    #[test]
    fn the_bands_meet_where_they_say() {
        let check = |score: f32, review_from: Option<f32>, expected| {
            let thresholds = Thresholds {
                reject_above: 0.5,
                review_from,
            };
            assert_eq!(
                thresholds.decide(score),
                expected,
                "{score} {review_from:?}"
            );
        };
        check(0.5, None, Decision::Pass);
        check(0.500_001, None, Decision::Reject);
        check(0.5, Some(0.4), Decision::Review);
        check(0.4, Some(0.4), Decision::Review);
        check(0.399, Some(0.4), Decision::Pass);
        check(0.6, Some(0.4), Decision::Reject);
        // A band that begins above the threshold is empty.
        check(0.55, Some(0.6), Decision::Reject);
        check(0.45, Some(0.6), Decision::Pass);
    }

    #[test]
    fn a_reject_names_its_region_and_its_branch() {
        let thresholds = Thresholds {
            reject_above: 0.5,
            review_from: None,
        };
        let judgement = judged([0.0, 0.0, 0.0, 0.8], thresholds).expect("numbers");
        assert_eq!(judgement.decision, Decision::Reject);
        assert!((judgement.score.score - 0.9).abs() < 1e-6);
        assert_eq!(judgement.dominant, AnomalyKind::Structural);
        let [region] = judgement.regions[..] else {
            panic!("one region: {judgement:?}")
        };
        assert_eq!((region.left, region.top), (0.5, 0.5));
        assert_eq!(region.kind, AnomalyKind::Structural);
    }

    #[test]
    fn a_review_names_the_region_that_made_it_one() {
        let thresholds = Thresholds {
            reject_above: 2.0,
            review_from: Some(0.5),
        };
        let judgement = judged([0.0, 0.0, 0.0, 0.8], thresholds).expect("numbers");
        assert_eq!(judgement.decision, Decision::Review);
        assert_eq!(judgement.regions.len(), 1);
    }

    #[test]
    fn a_pass_has_no_region_and_no_number_has_no_judgement() {
        let thresholds = Thresholds {
            reject_above: 0.5,
            review_from: None,
        };
        let pass = judged([0.0; 4], thresholds).expect("numbers");
        assert_eq!((pass.decision, pass.regions.len()), (Decision::Pass, 0));
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(judged([0.0, value, 0.0, 0.0], thresholds), Err(NotFinite));
        }
    }
}
