//! Time for judging one frame of 1280 x 1024 pixels by maps of 64 x 64 cells, on one core.
//!
//! `noise` is a map of independent cells, most of which are below a few early peaks. `slope` rises from
//! corner to corner, so that every row has a new maximum: the worst case.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use inspectd_core::decision::Thresholds;
use inspectd_core::maps::{MapCalibration, MapSize, Quantiles};
use inspectd_core::polygon::Polygon;
use inspectd_core::regions::RegionRules;
use inspectd_core::rules::{FrameShape, InspectionPlan, Rule, RuledPolygon, Rules};
use inspectd_core::verdict::{FrameMaps, judge};

const SHAPE: FrameShape = FrameShape {
    map: MapSize::square(64),
    width: 1280,
    height: 1024,
};

const LISTING: RegionRules = RegionRules {
    min_area: 0.0,
    limit: 32,
};

const THRESHOLDS: Thresholds = Thresholds {
    reject_above: 0.9,
    review_from: Some(0.8),
};

/// A concave polygon with 24 corners.
fn star(x: f64, y: f64, radius: f64) -> Polygon {
    let corner = |at: u32| {
        let (sin, cos) = (f64::from(at) * std::f64::consts::TAU / 24.0).sin_cos();
        let radius = if at.is_multiple_of(2) {
            radius
        } else {
            radius * 0.7
        };
        [x + radius * cos, y + radius * sin]
    };
    Polygon::try_new((0..24).map(corner).collect()).expect("a star-shaped polygon is simple")
}

/// A plan with eight regions and two masks.
fn plan(min_area: f32) -> InspectionPlan {
    let rule = Rule {
        thresholds: THRESHOLDS,
        min_area,
    };
    let region = |at: u8| RuledPolygon {
        name: format!("region-{at}").into(),
        polygon: star(
            0.14 + 0.24 * f64::from(at % 4),
            if at < 4 { 0.3 } else { 0.7 },
            0.13,
        ),
        rule,
    };
    InspectionPlan {
        general: rule,
        regions: (0..8).map(region).collect(),
        ignored: vec![star(0.5, 0.5, 0.1), star(0.1, 0.1, 0.1)],
        listing: LISTING,
    }
}

fn noise() -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    (0..64 * 64).map(|_| rng.random::<f32>()).collect()
}

fn slope() -> Vec<f32> {
    (0..64 * 64)
        .map(|cell: u16| f32::from(cell / 64 + cell % 64) / 128.0)
        .collect()
}

fn bench(criterion: &mut Criterion) {
    let unit = Quantiles::try_new(0.0, 0.1).expect("ordered");
    let calibration = MapCalibration {
        structural: unit,
        logical: Some(unit),
        weights: [1.0, 1.0],
    };
    let logical = vec![0.0; 64 * 64];
    let rules = [
        ("plain", Rules::plain(THRESHOLDS, LISTING)),
        ("8 regions", Rules::new(plan(0.0), SHAPE)),
        ("8 regions, minimum area", Rules::new(plan(0.001), SHAPE)),
    ];
    for (map, structural) in [("noise", noise()), ("slope", slope())] {
        let maps = FrameMaps {
            structural: &structural,
            logical: &logical,
            size: SHAPE.map,
            width: SHAPE.width,
            height: SHAPE.height,
        };
        for (name, rules) in &rules {
            criterion.bench_function(&format!("judge/{map}/{name}"), |bencher| {
                bencher.iter(|| judge(black_box(maps), &calibration, rules));
            });
        }
    }
    criterion.bench_function("prepare/8 regions", |bencher| {
        bencher.iter(|| Rules::new(black_box(plan(0.001)), SHAPE));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
