//! Judgements with recipe regions and masks.

use std::sync::Arc;

use super::{LISTING, calibration};
use crate::decision::{AnomalyKind, Decision, Thresholds};
use crate::maps::MapSize;
use crate::polygon::Polygon;
use crate::polygon::tests::{rectangle, whole};
use crate::rules::{FrameShape, InspectionPlan, Rule, RuledPolygon, Rules};
use crate::verdict::{
    FrameMaps, JudgeError, Judgement, NothingInspected, check_inspected, judge, rejudge,
};

pub(super) fn rule(reject_above: f32, review_from: Option<f32>, min_area: f32) -> Rule {
    Rule {
        thresholds: Thresholds {
            reject_above,
            review_from,
        },
        min_area,
    }
}

pub(super) fn region(name: &str, polygon: Polygon, rule: Rule) -> RuledPolygon {
    RuledPolygon {
        name: name.into(),
        polygon,
        rule,
    }
}

pub(super) fn plan(
    general: Rule,
    regions: Vec<RuledPolygon>,
    ignored: Vec<Polygon>,
) -> InspectionPlan {
    InspectionPlan {
        general,
        regions,
        ignored,
        listing: LISTING,
    }
}

/// The maps and the size of a frame. With a logical map of 0, the combined map is the structural map.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) structural: Vec<f32>,
    pub(super) logical: Vec<f32>,
    pub(super) shape: FrameShape,
}

impl Scene {
    pub(super) fn new(structural: Vec<f32>, shape: FrameShape) -> Self {
        Self {
            logical: vec![0.0; structural.len()],
            structural,
            shape,
        }
    }

    pub(super) fn maps(&self) -> FrameMaps<'_> {
        FrameMaps {
            structural: &self.structural,
            logical: &self.logical,
            size: self.shape.map,
            width: self.shape.width,
            height: self.shape.height,
        }
    }

    pub(super) fn judge(&self, rules: &Rules) -> Judgement {
        judge(self.maps(), &calibration(), rules).expect("finite maps")
    }

    pub(super) fn judge_by(&self, plan: &InspectionPlan) -> Judgement {
        self.judge(&Rules::new(plan.clone(), self.shape))
    }
}

/// 4 x 4 cells for 8 x 8 pixels: an isolated cell of 0.9 at the upper left, four cells of 0.6 at the lower
/// right.
pub(super) fn two_defects() -> Scene {
    let mut map = vec![0.0; 16];
    map[0] = 0.9;
    for cell in [10, 11, 14, 15] {
        map[cell] = 0.6;
    }
    let shape = FrameShape {
        map: MapSize::square(4),
        width: 8,
        height: 8,
    };
    Scene::new(map, shape)
}

pub(super) fn left() -> Polygon {
    rectangle(0.0, 0.0, 0.5, 1.0)
}

#[test]
fn region_is_judged_by_its_own_threshold() {
    let scene = two_defects();
    let check = |own: f32, general: f32, expected: (Decision, Option<&str>, f32)| {
        let regions = vec![region("left", left(), rule(own, None, 0.0))];
        let judgement = scene.judge_by(&plan(rule(general, None, 0.0), regions, vec![]));
        let found = (
            judgement.decision,
            judgement.decided_by.as_deref(),
            judgement.score.score,
        );
        assert_eq!(found, expected, "{own} {general}");
        assert_eq!(judgement.highest.to_bits(), 0.9_f32.to_bits());
        let rejected = judgement.decision == Decision::Reject;
        assert_eq!(judgement.margin() > 0.0, rejected);
    };
    check(0.8, 0.7, (Decision::Reject, Some("left"), 0.9));
    check(1.0, 0.8, (Decision::Pass, Some("left"), 0.9));
    check(1.0, 0.5, (Decision::Reject, None, 0.6));
    // Both areas reject: the one with the larger margin decides.
    check(0.85, 0.5, (Decision::Reject, None, 0.6));
    check(0.5, 0.5, (Decision::Reject, Some("left"), 0.9));
}

#[test]
fn judgement_lists_every_area_and_the_region_of_every_defect() {
    let scene = two_defects();
    let regions = vec![
        region("left", left(), rule(0.8, None, 0.0)),
        region("edge", rectangle(0.5, 0.0, 1.0, 0.25), rule(0.1, None, 0.0)),
    ];
    let judgement = scene.judge_by(&plan(rule(0.7, Some(0.5), 0.0), regions, vec![]));
    let listed_rules: Vec<_> = judgement
        .rules
        .iter()
        .map(|area| (area.name.as_deref(), area.score, area.decision))
        .collect();
    assert_eq!(
        listed_rules,
        [
            (Some("left"), Some(0.9), Decision::Reject),
            (Some("edge"), Some(0.0), Decision::Pass),
            (None, Some(0.6), Decision::Review),
        ]
    );
    let listed_regions: Vec<_> = judgement
        .regions
        .iter()
        .map(|found| (found.rule.as_deref(), found.peak, found.area, found.kind))
        .collect();
    let kind = AnomalyKind::Structural;
    assert_eq!(
        listed_regions,
        [
            (Some("left"), 0.9, 1.0 / 16.0, kind),
            (None, 0.6, 0.25, kind)
        ]
    );
}

#[test]
fn defect_below_the_minimum_area_does_not_count() {
    let scene = two_defects();
    let check = |cells: f32, threshold: f32, decision: Decision, score: f32, listed: usize| {
        let general = rule(threshold, None, cells / 16.0);
        let judgement = scene.judge_by(&plan(general, vec![], vec![]));
        let found = (
            judgement.decision,
            judgement.score.score,
            judgement.regions.len(),
        );
        assert_eq!(found, (decision, score, listed), "{cells} {threshold}");
    };
    check(0.0, 0.5, Decision::Reject, 0.9, 2);
    check(1.0, 0.5, Decision::Reject, 0.9, 2);
    check(2.0, 0.5, Decision::Reject, 0.6, 1);
    check(4.0, 0.5, Decision::Reject, 0.6, 1);
    check(2.0, 0.7, Decision::Pass, 0.6, 0);
    check(5.0, 0.5, Decision::Pass, 0.0, 0);
}

#[test]
fn defect_under_a_mask_does_not_count() {
    let scene = two_defects();
    let general = rule(0.5, None, 0.0);
    let judgement = scene.judge_by(&plan(general, vec![], vec![left()]));
    assert_eq!(judgement.score.score.to_bits(), 0.6_f32.to_bits());
    assert_eq!(judgement.regions.len(), 1);
}

#[test]
fn frame_or_region_in_which_nothing_is_inspected_is_not_judged() {
    let scene = two_defects();
    let general = |min_area| rule(0.5, None, min_area);
    let named = |min_area| region("a", left(), rule(0.5, None, min_area));
    let name: Arc<str> = "a".into();
    let of_region = |min_area| NothingInspected::Region {
        name: Arc::clone(&name),
        min_area,
    };
    let of_frame = |min_area| NothingInspected::Frame { min_area };
    let hidden = region("b", whole(), general(0.0));
    for (plan, expected) in [
        (plan(general(0.0), vec![], vec![whole()]), of_frame(0.0)),
        (plan(general(0.6), vec![], vec![left()]), of_frame(0.6)),
        // The rest outside of a region is too small; it may be empty, but not uninspected.
        (plan(general(0.6), vec![named(0.0)], vec![]), of_frame(0.6)),
        (
            plan(general(0.0), vec![named(0.0)], vec![left()]),
            of_region(0.0),
        ),
        (plan(general(0.0), vec![named(0.6)], vec![]), of_region(0.6)),
        (
            plan(general(0.0), vec![hidden, named(0.0)], vec![]),
            of_region(0.0),
        ),
    ] {
        let rules = Rules::new(plan, scene.shape);
        assert_eq!(check_inspected(&rules, scene.shape), Err(expected.clone()));
        let judged = judge(scene.maps(), &calibration(), &rules);
        assert_eq!(judged, Err(JudgeError::NothingInspected(expected)));
    }
    // Regions that cover the frame leave no rest.
    let all = region("a", whole(), general(0.0));
    let rules = Rules::new(plan(general(0.9), vec![all], vec![]), scene.shape);
    assert_eq!(check_inspected(&rules, scene.shape), Ok(()));
    assert!(judge(scene.maps(), &calibration(), &rules).is_ok());
}

#[test]
fn non_finite_value_under_a_mask_is_rejected() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut scene = two_defects();
        scene.structural[0] = value;
        let masked = Rules::new(
            plan(rule(0.5, None, 0.0), vec![], vec![whole()]),
            scene.shape,
        );
        assert_eq!(
            judge(scene.maps(), &calibration(), &masked),
            Err(JudgeError::NotFinite)
        );
        let again = rejudge(&scene.structural, None, scene.shape, &masked);
        assert_eq!(again, Err(JudgeError::NotFinite));
    }
}

#[test]
fn map_that_is_wider_than_high_is_judged_and_listed_by_its_own_columns_and_rows() {
    // The only defect is the lower right of 4 x 2 cells.
    let mut map = vec![0.0; 8];
    map[7] = 0.9;
    let size = MapSize {
        width: 4,
        height: 2,
    };
    let shape = FrameShape {
        map: size,
        width: 16,
        height: 8,
    };
    let right = rectangle(0.5, 0.0, 1.0, 1.0);
    for min_area in [0.0, 1.0 / 8.0] {
        let regions = vec![region("right", right.clone(), rule(0.5, None, min_area))];
        let plan = plan(rule(0.5, None, 0.0), regions, vec![]);
        let judgement = Scene::new(map.clone(), shape).judge_by(&plan);
        assert_eq!(judgement.decided_by.as_deref(), Some("right"));
        assert_eq!(judgement.decision, Decision::Reject);
        let [found] = &judgement.regions[..] else {
            panic!("one region: {judgement:?}")
        };
        let place = (found.left, found.top, found.width, found.height);
        assert_eq!(place, (0.75, 0.5, 0.25, 0.5));
        assert_eq!(found.area.to_bits(), 0.125_f32.to_bits());
    }
}

#[test]
fn rules_prepared_for_another_size_give_the_same_judgement() {
    let scene = two_defects();
    let regions = vec![region("left", left(), rule(0.8, None, 0.0))];
    let plan = plan(rule(0.5, None, 0.0), regions, vec![]);
    let other = FrameShape {
        map: MapSize::square(4),
        width: 100,
        height: 3,
    };
    let rules = Rules::new(plan.clone(), other);
    assert!(rules.fits(other) && !rules.fits(scene.shape));
    assert_eq!(scene.judge(&rules), scene.judge_by(&plan));
}
