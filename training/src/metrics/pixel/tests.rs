//! Compares the streamed curves with a direct computation: all pixels in memory, each threshold separately.

use anyhow::{Result, bail};
use proptest::prelude::*;

use super::super::components;
use super::super::curve::FPR_LIMITS;
use super::super::source::{AnomalyMap, Sample};
use super::*;
use crate::dataset::masks::Mask;

const DEFECTS: &str = r#"[
    {"defect_name": "a", "pixel_value": 255, "saturation_threshold": 3, "relative_saturation": false},
    {"defect_name": "b", "pixel_value": 254, "saturation_threshold": 0.5, "relative_saturation": true},
    {"defect_name": "c", "pixel_value": 253, "saturation_threshold": 1.0, "relative_saturation": true}
]"#;

fn defects() -> DefectsConfig {
    DefectsConfig::parse(DEFECTS).expect("valid")
}

/// Images in memory.
#[derive(Clone, Debug)]
struct Images(Vec<(Kind, Sample)>);

impl MapSource for Images {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn name(&self, index: usize) -> String {
        format!("image {index}")
    }

    fn kind(&self, index: usize) -> &Kind {
        &self.0[index].0
    }

    fn read(&self, index: usize) -> Result<Sample> {
        Ok(self.0[index].1.clone())
    }
}

fn kind(group: Option<Group>) -> Kind {
    match group {
        None => Kind::Good,
        Some(group) => Kind::Anomalous {
            type_name: format!("{group:?}"),
            group,
        },
    }
}

fn image(
    group: Option<Group>,
    width: u32,
    values: &[f32],
    masks: &[(u8, &[usize])],
) -> (Kind, Sample) {
    let height = values.len() as u32 / width;
    let mask = |&(value, set): &(u8, &[usize])| {
        let mut values = vec![0; values.len()];
        for &at in set {
            values[at] = value;
        }
        Mask {
            width,
            height,
            values,
        }
    };
    let map = AnomalyMap {
        width,
        height,
        values: values.to_vec(),
    };
    let masks = masks.iter().map(mask).collect();
    (kind(group), Sample { map, masks })
}

/// A map value: from a coarse grid with many ties, or from a fine one with few.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![(-3i8..6).prop_map(f32::from), (-3.0f32..6.0), Just(-0.0f32),]
}

fn anomalous() -> impl Strategy<Value = (Kind, Sample)> {
    let group = prop_oneof![Just(Group::Logical), Just(Group::Structural)];
    (group, 1usize..7, 1usize..6).prop_flat_map(|(group, width, height)| {
        let pixels = width * height;
        let set = prop::collection::vec(0..pixels, 1..=pixels);
        (
            prop::collection::vec(value(), pixels),
            prop::collection::vec((253u8..=255, set), 1..4),
        )
            .prop_map(move |(values, masks)| {
                let masks: Vec<(u8, &[usize])> = masks.iter().map(|(v, s)| (*v, &s[..])).collect();
                image(Some(group), width as u32, &values, &masks)
            })
    })
}

fn good() -> impl Strategy<Value = (Kind, Sample)> {
    prop::collection::vec(value(), 1..30).prop_map(|values| image(None, 1, &values, &[]))
}

fn images() -> impl Strategy<Value = Images> {
    (
        prop::collection::vec(anomalous(), 1..6),
        prop::collection::vec(good(), 1..4),
    )
        .prop_map(|(mut images, good)| {
            images.extend(good);
            Images(images)
        })
}

/// Direct computation for one subset: FPR, TPR, PRO and sPRO at each threshold.
struct Direct {
    points: Vec<[f64; 4]>,
    average_precision: f64,
    max_f1: (f64, f64),
}

fn direct(images: &[&(Kind, Sample)], defects: &DefectsConfig) -> Direct {
    let mut thresholds: Vec<f32> = images
        .iter()
        .flat_map(|(_, sample)| sample.map.values.iter().map(|value| value + 0.0))
        .collect();
    thresholds.sort_by(|one, other| other.total_cmp(one));
    thresholds.dedup();
    let mut found = Direct {
        points: vec![[0.0; 4]],
        average_precision: 0.0,
        max_f1: (0.0, 0.0),
    };
    let mut recall = 0.0;
    for threshold in thresholds {
        let counts = counts_at(threshold, images, defects);
        let (tp, fp) = (counts.tp, counts.fp);
        let point = [
            fp / counts.good,
            tp / counts.defect,
            counts.pro.iter().sum::<f64>() / counts.pro.len() as f64,
            counts.spro.iter().sum::<f64>() / counts.spro.len() as f64,
        ];
        found.average_precision += (point[1] - recall) * tp / (tp + fp);
        recall = point[1];
        let f1 = 2.0 * tp / (counts.defect + tp + fp);
        if f1 >= found.max_f1.0 && f1 > 0.0 {
            found.max_f1 = (f1, f64::from(threshold));
        }
        found.points.push(point);
    }
    found
}

#[derive(Default)]
struct CountsAtThreshold {
    tp: f64,
    fp: f64,
    good: f64,
    defect: f64,
    pro: Vec<f64>,
    spro: Vec<f64>,
}

fn counts_at(
    threshold: f32,
    images: &[&(Kind, Sample)],
    defects: &DefectsConfig,
) -> CountsAtThreshold {
    let mut counts = CountsAtThreshold::default();
    for (_, Sample { map, masks }) in images {
        let union = |at: usize| masks.iter().any(|mask| mask.values[at] != 0);
        let (labels, regions) = components::label(union, map.width as usize, map.height as usize);
        let share = |inside: &dyn Fn(usize) -> bool| {
            let all: Vec<usize> = (0..map.values.len()).filter(|&at| inside(at)).collect();
            let hit = all
                .iter()
                .filter(|&&at| map.values[at] >= threshold)
                .count();
            (hit as f64, all.len() as f64)
        };
        let (fp, good) = share(&|at| !union(at));
        let (tp, defect) = share(&union);
        counts.fp += fp;
        counts.good += good;
        counts.tp += tp;
        counts.defect += defect;
        for region in 1..=regions {
            let (hit, area) = share(&|at| labels[at] == region);
            counts.pro.push(hit / area);
        }
        for mask in masks {
            let (hit, area) = share(&|at| mask.values[at] != 0);
            let value = mask.values.iter().find(|&&v| v != 0).expect("a defect");
            let enough = defects.saturation_area(*value, area as u64).expect("known");
            counts.spro.push((hit / enough as f64).min(1.0));
        }
    }
    counts
}

fn area(points: &[[f64; 4]], column: usize, limit: f64) -> f64 {
    let mut area = 0.0;
    for pair in points.windows(2) {
        let ([x0, x1], [y0, y1]) = ([pair[0][0], pair[1][0]], [pair[0][column], pair[1][column]]);
        if x1 <= limit {
            area += (x1 - x0) * (y0 + y1) / 2.0;
        } else if x0 < limit {
            let y = y0 + (limit - x0) / (x1 - x0) * (y1 - y0);
            area += (limit - x0) * (y0 + y) / 2.0;
        }
    }
    area / limit
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-12
}

fn measured(images: &Images, max_counters: usize) -> Option<PixelMetrics> {
    let found = evaluate_within(max_counters, images, Some(&defects()), &|_, _| {});
    found.expect("valid images").metrics
}

fn check_areas(
    areas: &[LimitedArea],
    points: &[[f64; 4]],
    column: usize,
) -> Result<(), TestCaseError> {
    for (found, limit) in areas.iter().zip(FPR_LIMITS) {
        let expected = area(points, column, limit);
        prop_assert!(close(found.area, expected), "{found:?}, {expected}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn curves_equal_the_direct_computation(images in images(), max_counters in 1usize..200) {
        let Some(found) = measured(&images, max_counters) else { return Ok(()) };
        let all = direct(&images.0.iter().collect::<Vec<_>>(), &defects());
        prop_assert!(close(found.au_roc, area(&all.points, 1, 1.0)));
        prop_assert!(close(found.average_precision, all.average_precision));
        prop_assert!(close(found.max_f1.f1, all.max_f1.0));
        prop_assert!(close(found.max_f1.threshold, all.max_f1.1));
        check_areas(&found.au_pro, &all.points, 2)?;
        let spro = found.spro.expect("saturations were given");
        for (group, subset) in [(Group::Logical, spro.logical), (Group::Structural, spro.structural)] {
            let members: Vec<_> = images
                .0
                .iter()
                .filter(|(kind, _)| *kind == Kind::Good || *kind == self::kind(Some(group)))
                .collect();
            match subset {
                Some(subset) => check_areas(&subset.au_spro, &direct(&members, &defects()).points, 3)?,
                None => prop_assert!(members.iter().all(|(kind, _)| *kind == Kind::Good)),
            }
        }
    }

    #[test]
    fn order_of_images_does_not_change_the_metrics(images in images()) {
        let mut reversed = images.clone();
        reversed.0.reverse();
        let (one, other) = (measured(&images, 1 << 20), measured(&reversed, 1 << 20));
        let Some((one, other)) = one.zip(other) else { return Ok(()) };
        prop_assert_eq!(one.au_roc.to_bits(), other.au_roc.to_bits());
        prop_assert!(close(one.average_precision, other.average_precision));
        for (one, other) in one.au_pro.iter().zip(&other.au_pro) {
            prop_assert!(close(one.area, other.area));
        }
    }

    #[test]
    fn monotonic_scaling_does_not_change_the_metrics(images in images()) {
        let mut scaled = images.clone();
        for (_, sample) in &mut scaled.0 {
            sample.map.values.iter_mut().for_each(|value| *value = *value * 0.25 - 8.0);
        }
        let of = |images: &Images| measured(images, 1 << 20).map(|found| (found.au_roc.to_bits(), found.au_pro));
        // Values near zero may become equal by rounding.
        let distinct = |images: &Images| {
            let mut keys: Vec<u32> = images.0.iter().flat_map(|(_, s)| s.map.values.iter().map(|v| (v + 0.0).to_bits())).collect();
            keys.sort_unstable();
            keys.dedup();
            keys.len()
        };
        prop_assume!(distinct(&images) == distinct(&scaled));
        prop_assert_eq!(of(&images), of(&scaled));
    }
}

#[test]
fn perfect_map_has_full_areas_and_flat_map_half() {
    let defect = |value: f32| {
        let mut values = [0.0; 16];
        values[5..7].fill(value);
        image(Some(Group::Structural), 4, &values, &[(255, &[5, 6])])
    };
    let logical = image(Some(Group::Logical), 2, &[1.0, 0.0], &[(254, &[0])]);
    let good = image(None, 4, &[0.0; 16], &[]);
    let perfect = measured(&Images(vec![defect(1.0), logical, good.clone()]), 64).expect("defects");
    assert_eq!(perfect.au_roc.to_bits(), 1.0_f64.to_bits());
    assert_eq!(perfect.au_pro_30(), Some(1.0));
    assert_eq!(perfect.au_spro_05(), Some(1.0));
    assert_eq!(
        (
            perfect.max_f1.f1.to_bits(),
            perfect.max_f1.threshold.to_bits()
        ),
        (1.0_f64.to_bits(), 1.0_f64.to_bits())
    );
    assert_eq!(
        (perfect.good_pixels, perfect.defect_pixels, perfect.regions),
        (31, 3, 2)
    );

    let flat = measured(&Images(vec![defect(0.0), good]), 64).expect("defects");
    assert!(close(flat.au_roc, 0.5));
    assert!(close(flat.au_pro_30().expect("a limit"), 0.15));
}

#[test]
fn defect_is_complete_at_its_saturation_area() {
    // Three of the five pixels saturate this defect; no good pixel has a higher value than these three.
    let values = [9.0, 8.0, 7.0, 0.0, 0.0, 1.0];
    let found = Images(vec![
        image(Some(Group::Logical), 6, &values, &[(255, &[0, 1, 2, 3, 4])]),
        image(None, 1, &[1.0], &[]),
    ]);
    let metrics = measured(&found, 64).expect("a defect");
    let spro = metrics.spro.as_ref().expect("saturations");
    let logical = spro.logical.as_ref().expect("a logical anomaly");
    assert!(logical.au_spro.iter().all(|area| close(area.area, 1.0)));
    assert!(spro.structural.is_none() && spro.mean.is_none());
    assert!(metrics.au_pro_30().expect("a limit") < 0.7);
}

#[test]
fn images_without_masks_are_ignored_and_empty_masks_are_counted() {
    let defect = image(Some(Group::Unspecified), 2, &[1.0, 0.0], &[(255, &[0])]);
    let unmasked = image(Some(Group::Unspecified), 2, &[5.0, 5.0], &[]);
    let empty = image(Some(Group::Unspecified), 2, &[0.0, 0.0], &[(255, &[])]);
    let found = evaluate(
        &Images(vec![defect, unmasked.clone(), empty]),
        None,
        &|_, _| {},
    );
    let found = found.expect("valid images");
    assert_eq!(found.maxima, [1.0, 5.0, 0.0]);
    let metrics = found.metrics.expect("a defect");
    let images = (
        metrics.images,
        metrics.images_without_masks,
        metrics.images_with_empty_masks,
    );
    assert_eq!(images, (2, 1, 1));
    assert!(close(metrics.au_roc, 1.0) && metrics.spro.is_none());

    let nothing = evaluate(&Images(vec![unmasked]), None, &|_, _| {}).expect("valid images");
    assert_eq!(nothing.metrics, None);
}

#[test]
fn invalid_images_are_rejected_by_name() {
    let check = |(kind, sample): (Kind, Sample), expected: &str| {
        let good = image(None, 1, &[0.0], &[]);
        let error = evaluate(
            &Images(vec![good, (kind, sample)]),
            Some(&defects()),
            &|_, _| {},
        );
        let error = format!("{:#}", error.expect_err("rejected"));
        assert!(
            error.contains("image 1") && error.contains(expected),
            "{error}"
        );
    };
    let logical =
        |values: &[f32], masks: &[(u8, &[usize])]| image(Some(Group::Logical), 2, values, masks);
    check(
        logical(&[0.0, f32::NAN], &[(255, &[0])]),
        "NaN at column 1, row 0",
    );
    check(
        logical(&[f32::INFINITY, 0.0], &[(255, &[0])]),
        "inf at column 0",
    );
    check(logical(&[0.0, 0.0], &[(255, &[])]), "the mask is empty");
    check(logical(&[0.0, 0.0], &[(7, &[0])]), "contains 253, 254, 255");
    let mut mixed = logical(&[0.0, 0.0], &[(255, &[0])]);
    mixed.1.masks[0].values[1] = 254;
    check(mixed, "255 and 254");
    let mut small = logical(&[0.0, 0.0], &[(255, &[0])]);
    small.1.masks[0].width = 1;
    check(small, "a mask is 1x1");
    let unspecified = image(Some(Group::Unspecified), 1, &[0.0], &[(255, &[0])]);
    check(unspecified, "neither a logical nor a structural");
    let mut good_with_mask = image(None, 1, &[0.0], &[(255, &[0])]);
    good_with_mask.0 = Kind::Good;
    check(good_with_mask, "a good image with masks");
}

/// A source whose maps change between the two passes.
struct Changing(std::sync::atomic::AtomicUsize);

impl MapSource for Changing {
    fn len(&self) -> usize {
        2
    }

    fn name(&self, index: usize) -> String {
        format!("image {index}")
    }

    fn kind(&self, index: usize) -> &Kind {
        const ANOMALOUS: &Kind = &Kind::Anomalous {
            type_name: String::new(),
            group: Group::Unspecified,
        };
        if index == 0 { &Kind::Good } else { ANOMALOUS }
    }

    fn read(&self, index: usize) -> Result<Sample> {
        let reading = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) / 2;
        let values = vec![0.0; 3 + reading];
        match index {
            0 => Ok(image(None, 1, &values, &[]).1),
            1 => Ok(image(Some(Group::Unspecified), 1, &[1.0], &[(1, &[0])]).1),
            _ => bail!("the source has two images"),
        }
    }
}

#[test]
fn maps_that_change_between_passes_are_rejected() {
    let error = evaluate(&Changing(0.into()), None, &|_, _| {}).expect_err("rejected");
    assert!(
        error.to_string().contains("image 0: the file changed"),
        "{error}"
    );
}
