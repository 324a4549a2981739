mod parts;
mod properties;
mod segmentation;

use super::*;
use crate::maps::{MapCalibration, MapSize, Quantiles};
use crate::regions::RegionRules;
use crate::rules::Rules;

const LISTING: RegionRules = RegionRules {
    min_area: 0.0,
    limit: 8,
};

fn calibration() -> MapCalibration {
    let unit = Quantiles::try_new(0.0, 0.1).expect("ordered");
    MapCalibration {
        structural: unit,
        logical: Some(unit),
        weights: [1.0, 1.0],
    }
}

fn judged(structural: [f32; 4], thresholds: Thresholds) -> Result<Judgement, JudgeError> {
    let maps = FrameMaps {
        structural: &structural,
        logical: &[0.1; 4],
        size: MapSize::square(2),
        width: 2,
        height: 2,
    };
    judge(maps, &calibration(), &Rules::plain(thresholds, LISTING))
}

#[test]
fn score_at_the_threshold_passes_and_score_at_review_from_is_reviewed() {
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
    // A review band that starts above the threshold is empty.
    check(0.55, Some(0.6), Decision::Reject);
    check(0.45, Some(0.6), Decision::Pass);
}

#[test]
fn reject_lists_its_region_with_the_dominant_branch() {
    let thresholds = Thresholds {
        reject_above: 0.5,
        review_from: None,
    };
    let judgement = judged([0.0, 0.0, 0.0, 0.8], thresholds).expect("finite maps");
    assert_eq!(judgement.decision, Decision::Reject);
    assert!((judgement.score.score - 0.9).abs() < 1e-6);
    assert_eq!(judgement.dominant, AnomalyKind::Structural);
    let [region] = &judgement.regions[..] else {
        panic!("one region: {judgement:?}")
    };
    assert_eq!((region.left, region.top), (0.5, 0.5));
    assert_eq!(region.kind, AnomalyKind::Structural);
}

#[test]
fn review_lists_its_region() {
    let thresholds = Thresholds {
        reject_above: 2.0,
        review_from: Some(0.5),
    };
    let judgement = judged([0.0, 0.0, 0.0, 0.8], thresholds).expect("finite maps");
    assert_eq!(judgement.decision, Decision::Review);
    assert_eq!(judgement.regions.len(), 1);
}

#[test]
fn pass_lists_no_region_and_non_finite_maps_are_rejected() {
    let thresholds = Thresholds {
        reject_above: 0.5,
        review_from: None,
    };
    let pass = judged([0.0; 4], thresholds).expect("finite maps");
    assert_eq!((pass.decision, pass.regions.len()), (Decision::Pass, 0));
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(
            judged([0.0, value, 0.0, 0.0], thresholds),
            Err(JudgeError::NotFinite)
        );
    }
}
