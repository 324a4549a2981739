//! Anomalous pixels of judged frames.

use std::sync::Arc;

use proptest::prelude::*;

use super::calibration;
use super::parts::{Scene, left, plan, region, rule, two_defects};
use super::properties::{any_plan, any_scene, inspectable};
use crate::decision::{AnomalyKind, Decision};
use crate::maps::{combine, upsample};
use crate::polygon::tests::rectangle;
use crate::rules::{InspectionPlan, Rules};
use crate::verdict::{AnomalyClass, JudgedMaps, Judgement, Segmentation};

fn maps(scene: &Scene, plan: &InspectionPlan) -> JudgedMaps {
    let calibration = calibration();
    JudgedMaps {
        combined: combine(&scene.structural, &scene.logical, &calibration),
        structural: calibration.structural_share(&scene.structural),
        shape: scene.shape,
        rules: Arc::new(Rules::new(plan.clone(), scene.shape)),
    }
}

fn segmented(scene: &Scene, plan: &InspectionPlan) -> (Judgement, Segmentation) {
    let judgement = scene.judge_by(plan);
    let segmentation = maps(scene, plan).segment(&judgement);
    (judgement, segmentation)
}

/// The class of each pixel, counted from 1; 0 for none.
fn painted(scene: &Scene, segmentation: &Segmentation) -> Vec<usize> {
    let width = scene.shape.width as usize;
    let mut pixels = vec![0; width * scene.shape.height as usize];
    for run in &segmentation.runs {
        assert!(run.from < run.to && run.to as usize <= width, "{run:?}");
        for column in run.from..run.to {
            let pixel = &mut pixels[run.row as usize * width + column as usize];
            assert_eq!(*pixel, 0, "a pixel is in two runs");
            *pixel = run.class + 1;
        }
    }
    pixels
}

fn class(name: &str) -> AnomalyClass {
    AnomalyClass::Region {
        index: 0,
        name: name.into(),
    }
}

const STRUCTURAL: AnomalyClass = AnomalyClass::Branch(AnomalyKind::Structural);
const LOGICAL: AnomalyClass = AnomalyClass::Branch(AnomalyKind::Logical);

#[test]
fn pixels_above_the_threshold_have_the_branch_of_their_defect() {
    let mut scene = two_defects();
    // The defect at the lower right comes from the other branch.
    for cell in [10, 11, 14, 15] {
        scene.structural[cell] = 0.0;
        scene.logical[cell] = 0.6;
    }
    let (judgement, found) = segmented(&scene, &plan(rule(0.5, None, 0.0), vec![], vec![]));
    assert_eq!(judgement.decision, Decision::Reject);
    assert_eq!(found.classes, [STRUCTURAL, LOGICAL]);
    let pixels = painted(&scene, &found);
    assert_eq!((pixels[0], pixels[63]), (1, 2));
    assert_eq!(pixels[7], 0);
    let counted = [1, 2].map(|class| pixels.iter().filter(|&&found| found == class).count() as u64);
    assert_eq!(found.pixels(), counted);
}

#[test]
fn defect_in_a_region_has_the_name_of_the_region_and_areas_that_pass_have_no_pixels() {
    let scene = two_defects();
    let regions = || vec![region("left", left(), rule(0.8, None, 0.0))];
    let (_, found) = segmented(&scene, &plan(rule(0.7, None, 0.0), regions(), vec![]));
    assert_eq!(found.classes, [class("left")]);
    assert!(found.runs.iter().all(|run| run.to <= 4));

    let (_, found) = segmented(&scene, &plan(rule(0.5, None, 0.0), regions(), vec![]));
    assert_eq!(found.classes, [class("left"), STRUCTURAL]);

    let (judgement, found) = segmented(&scene, &plan(rule(0.95, None, 0.0), vec![], vec![]));
    assert_eq!(judgement.decision, Decision::Pass);
    assert_eq!(found, Segmentation::default());
}

#[test]
fn masked_pixels_and_defects_below_the_minimum_area_are_not_anomalous() {
    let scene = two_defects();
    let upper = rectangle(0.0, 0.0, 1.0, 0.5);
    let (_, found) = segmented(&scene, &plan(rule(0.5, None, 0.0), vec![], vec![upper]));
    assert!(!found.runs.is_empty() && found.runs.iter().all(|run| run.row >= 4));

    // The single cell is a sixteenth of the frame.
    let (judgement, found) = segmented(&scene, &plan(rule(0.5, None, 0.1), vec![], vec![]));
    assert_eq!(judgement.decision, Decision::Reject);
    let pixels = painted(&scene, &found);
    assert_eq!((pixels[0], pixels[63]), (0, 1));
}

#[test]
fn pixels_in_the_review_band_are_anomalous() {
    let scene = two_defects();
    let (judgement, found) = segmented(&scene, &plan(rule(1.0, Some(0.9), 0.0), vec![], vec![]));
    assert_eq!(judgement.decision, Decision::Review);
    assert_eq!(painted(&scene, &found)[0], 1);
}

proptest! {
    #[test]
    fn without_regions_exactly_the_pixels_that_do_not_pass_are_anomalous(
        scene in any_scene(), threshold in -1.0f32..2.0, from in prop::option::of(-1.0f32..2.0),
    ) {
        let general = rule(threshold, from, 0.0);
        let plan = plan(general, vec![], vec![]);
        let (_, found) = segmented(&scene, &plan);
        let combined = maps(&scene, &plan).combined;
        let values = upsample(&combined, scene.shape.map, scene.shape.width, scene.shape.height);
        let expected = values.iter().map(|&value| general.thresholds.decide(value) != Decision::Pass);
        let painted = painted(&scene, &found);
        let painted: Vec<bool> = painted.into_iter().map(|class| class > 0).collect();
        prop_assert_eq!(painted, expected.collect::<Vec<_>>());
    }

    #[test]
    fn frame_that_does_not_pass_has_a_class_and_without_minimum_areas_a_pixel(
        scene in any_scene(), plan in any_plan(),
    ) {
        let plan = inspectable(plan, scene.shape);
        let (judgement, found) = segmented(&scene, &plan);
        let painted = painted(&scene, &found);
        let anomalous = painted.iter().filter(|&&class| class > 0).count() as u64;
        prop_assert_eq!(found.pixels().iter().sum::<u64>(), anomalous);
        let passed = judgement.decision == Decision::Pass;
        prop_assert_eq!(found.classes.is_empty(), passed);
        let rules = plan.regions.iter().map(|region| region.rule).chain([plan.general]);
        if !passed && rules.into_iter().all(|rule| rule.min_area <= 0.0) {
            prop_assert!(anomalous > 0);
        }
        // The class of the area that decided is the first of its decision.
        if let Some(AnomalyClass::Region { name, .. }) = found.classes.first() {
            let known = plan.regions.iter().any(|region| region.name == *name);
            prop_assert!(known);
        }
    }
}
