//! Properties of judgements with recipe regions and masks.

use proptest::prelude::*;

use super::parts::{Scene, plan, region, rule};
use super::{LISTING, calibration};
use crate::decision::{Decision, Thresholds};
use crate::maps::tests::any_size;
use crate::maps::{Score, combine, image_score};
use crate::polygon::tests::{any_polygon, whole};
use crate::regions::{MapCells, RegionRules, regions};
use crate::rules::{FrameShape, InspectionPlan, Rule, Rules};
use crate::verdict::{JudgeError, Judgement, NothingInspected, check_inspected, judge, rejudge};

/// Reference implementation without recipe regions and masks.
fn judge_without_regions(
    scene: &Scene,
    thresholds: Thresholds,
) -> (Decision, [u32; 3], Vec<[u32; 6]>) {
    let Scene {
        structural,
        logical,
        shape,
    } = scene;
    let calibration = calibration();
    let score = image_score(
        structural,
        logical,
        shape.map,
        &calibration,
        shape.width,
        shape.height,
    );
    let decision = thresholds.decide(score.score);
    let cells = MapCells {
        combined: &combine(structural, logical, &calibration),
        structural: &calibration.structural_share(structural),
        samples: None,
        width: shape.map.width,
    };
    let found = match decision {
        Decision::Pass => Vec::new(),
        _ => regions(cells, thresholds.level(), LISTING),
    };
    let bits = [score.score, score.structural, score.logical].map(f32::to_bits);
    (decision, bits, found.iter().map(numbers).collect())
}

fn numbers(found: &crate::decision::Region) -> [u32; 6] {
    [
        found.left,
        found.top,
        found.width,
        found.height,
        found.area,
        found.peak,
    ]
    .map(f32::to_bits)
}

pub(super) fn any_scene() -> impl Strategy<Value = Scene> {
    (any_size(), 1u32..50, 1u32..50).prop_flat_map(|(size, width, height)| {
        // Discrete steps, so that there are plateaus, and continuous values.
        let level = prop_oneof![
            (-3i8..8).prop_map(|step| f32::from(step) / 8.0),
            -0.5f32..1.0
        ];
        let map = prop::collection::vec(level, size.cells());
        (map.clone(), map).prop_map(move |(structural, logical)| {
            let shape = FrameShape {
                map: size,
                width,
                height,
            };
            let mut scene = Scene::new(structural, shape);
            scene.logical = logical;
            scene
        })
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let band = prop::option::of(-1.0f32..2.0);
    let area = prop_oneof![Just(0.0f32), 0.0f32..0.3];
    (-1.0f32..2.0, band, area).prop_map(|(threshold, from, area)| rule(threshold, from, area))
}

pub(super) fn any_plan() -> impl Strategy<Value = InspectionPlan> {
    let regions = prop::collection::vec((any_polygon(), any_rule()), 0..4);
    let ignored = prop::collection::vec(any_polygon(), 0..3);
    (any_rule(), regions, ignored, 0.0f32..0.1, 0usize..9).prop_map(
        |(general, regions, ignored, min_area, limit)| {
            let named =
                |(index, (polygon, rule)): (usize, _)| region(&format!("r{index}"), polygon, rule);
            InspectionPlan {
                general,
                regions: regions.into_iter().enumerate().map(named).collect(),
                ignored,
                listing: RegionRules { min_area, limit },
            }
        },
    )
}

fn inspects(plan: &InspectionPlan, shape: FrameShape) -> bool {
    check_inspected(&Rules::new(plan.clone(), shape), shape).is_ok()
}

/// Removes from a plan what prevents an inspection.
pub(super) fn inspectable(mut plan: InspectionPlan, shape: FrameShape) -> InspectionPlan {
    while let Err(error) = check_inspected(&Rules::new(plan.clone(), shape), shape) {
        match error {
            NothingInspected::Region { name, .. } => {
                plan.regions.retain(|region| region.name != name);
            }
            NothingInspected::Frame { min_area } if min_area > 0.0 => plan.general.min_area = 0.0,
            NothingInspected::Frame { .. } => plan.ignored.clear(),
        }
    }
    plan
}

proptest! {
    #[test]
    fn plan_without_polygons_judges_as_the_plain_rule(scene in any_scene(), rule in any_rule()) {
        let expected = judge_without_regions(&scene, rule.thresholds);
        let plan = plan(Rule { min_area: 0.0, ..rule }, vec![], vec![]);
        for rules in [
            Rules::plain(rule.thresholds, LISTING),
            Rules::new(plan, scene.shape),
        ] {
            let Judgement { decision, score, regions, .. } = scene.judge(&rules);
            let bits = [score.score, score.structural, score.logical].map(f32::to_bits);
            let found = regions.iter().map(numbers).collect();
            prop_assert_eq!((decision, bits, found), expected.clone());
        }
    }

    #[test]
    fn region_over_the_whole_frame_judges_as_the_plain_rule(scene in any_scene(), rule in any_rule()) {
        let never_rejects = self::rule(f32::MAX, None, 0.0);
        let plain = scene.judge_by(&plan(rule, vec![], vec![]));
        let by_region = scene.judge_by(&plan(never_rejects, vec![region("all", whole(), rule)], vec![]));
        prop_assert_eq!(by_region.decision, plain.decision);
        prop_assert_eq!(by_region.rules[0].score, plain.rules[0].score);
        let numbers = |judgement: &Judgement| -> Vec<_> {
            judgement.regions.iter().map(numbers).collect()
        };
        prop_assert_eq!(numbers(&by_region), numbers(&plain));
        prop_assert!(by_region.regions.iter().all(|found| found.rule.as_deref() == Some("all")));
    }

    #[test]
    fn frame_under_a_mask_is_not_judged(scene in any_scene(), plan in any_plan()) {
        let masked = InspectionPlan { ignored: vec![whole()], ..plan };
        let rules = Rules::new(masked, scene.shape);
        let judged = judge(scene.maps(), &calibration(), &rules);
        prop_assert!(matches!(judged, Err(JudgeError::NothingInspected(_))), "{:?}", judged);
    }

    #[test]
    fn frame_is_judged_exactly_if_the_check_of_its_plan_passes(scene in any_scene(), plan in any_plan()) {
        let rules = Rules::new(plan, scene.shape);
        let checked = check_inspected(&rules, scene.shape);
        let judged = judge(scene.maps(), &calibration(), &rules);
        prop_assert_eq!(judged.err(), checked.err().map(JudgeError::from));
    }

    #[test]
    fn infinite_threshold_decides_as_a_mask(
        scene in any_scene(), polygon in any_polygon(), plan in any_plan(),
    ) {
        let plan = inspectable(plan, scene.shape);
        let infinite = region("infinite", polygon.clone(), rule(f32::INFINITY, None, 0.0));
        let mut tolerant = plan.clone();
        tolerant.regions.insert(0, infinite);
        let mut masked = plan;
        masked.ignored.push(polygon);
        prop_assume!([&tolerant, &masked].iter().all(|plan| inspects(plan, scene.shape)));
        let (tolerant, masked) = (scene.judge_by(&tolerant), scene.judge_by(&masked));
        prop_assert_eq!(tolerant.decision, masked.decision);
        prop_assert_eq!(&tolerant.rules[1..], &masked.rules[..]);
        prop_assert_eq!(tolerant.regions, masked.regions);
    }

    #[test]
    fn higher_threshold_and_larger_minimum_area_never_raise_severity_or_score(
        scene in any_scene(), plan in any_plan(), index in 0usize..4, by in 0.0f32..1.0, area in 0.0f32..0.3,
    ) {
        let plan = inspectable(plan, scene.shape);
        let mut relaxed = plan.clone();
        let rule = match relaxed.regions.get_mut(index) {
            Some(region) => &mut region.rule,
            None => &mut relaxed.general,
        };
        rule.thresholds.reject_above += by;
        rule.thresholds.review_from = rule.thresholds.review_from.map(|from| from + by);
        rule.min_area += area;
        prop_assume!(inspects(&relaxed, scene.shape));
        let before = scene.judge_by(&plan);
        let after = scene.judge_by(&relaxed);
        prop_assert!(after.decision.severity() <= before.decision.severity());
        for (after, before) in after.rules.iter().zip(&before.rules) {
            prop_assert!(after.score <= before.score, "{:?} {:?}", after, before);
        }
    }

    #[test]
    fn most_severe_area_decides_and_its_score_is_above_its_threshold_if_it_rejects(
        scene in any_scene(), plan in any_plan(),
    ) {
        let plan = inspectable(plan, scene.shape);
        let judgement = scene.judge_by(&plan);
        let worst = judgement.rules.iter().map(|area| area.decision.severity()).max();
        prop_assert_eq!(Some(judgement.decision.severity()), worst);
        let decider = judgement.rules.iter()
            .find(|area| area.name == judgement.decided_by)
            .expect("the deciding area is listed");
        prop_assert_eq!(decider.decision, judgement.decision);
        prop_assert_eq!(decider.thresholds, judgement.thresholds);
        if decider.score.is_some() {
            prop_assert_eq!(decider.score, Some(judgement.score.score));
            prop_assert_eq!(judgement.margin() > 0.0, judgement.decision == Decision::Reject);
        }
        let Score { score, structural, logical } = judgement.score;
        prop_assert!((structural + logical - score).abs() < 1e-4);
        prop_assert!(judgement.regions.len() <= plan.listing.limit);
        prop_assert!(judgement.regions.windows(2).all(|pair| pair[0].peak >= pair[1].peak));
    }

    #[test]
    fn rejudging_the_stored_map_gives_the_same_judgement(scene in any_scene(), plan in any_plan()) {
        let calibration = calibration();
        let rules = Rules::new(inspectable(plan, scene.shape), scene.shape);
        let judged = scene.judge(&rules);
        let combined = combine(&scene.structural, &scene.logical, &calibration);
        let structural = calibration.structural_share(&scene.structural);
        let again = rejudge(&combined, Some(&structural), scene.shape, &rules).expect("finite maps");
        prop_assert!((again.score.structural - judged.score.structural).abs() < 1e-5);
        prop_assert!((again.score.logical - judged.score.logical).abs() < 1e-5);
        // The shares of a score are rounded in another order, so equal shares may give another branch.
        let same = Judgement { score: judged.score, dominant: judged.dominant, ..again.clone() };
        prop_assert_eq!(again.score.score.to_bits(), judged.score.score.to_bits());
        prop_assert_eq!(same.decision, judged.decision);
        prop_assert_eq!(&same.rules, &judged.rules);
        prop_assert_eq!(&same, &judged);
        let without_branches = rejudge(&combined, None, scene.shape, &rules).expect("finite maps");
        prop_assert_eq!(without_branches.rules, judged.rules);
        prop_assert_eq!(without_branches.decided_by, judged.decided_by);
    }
}
