//! The bundle of `make demo` is valid and small, and tells parts with each defect of the simulator from good ones.

use std::path::Path;

use inspectd_core::bundle::Bundle;
use inspectd_core::maps::{MapSize, image_score};
use inspectd_core::score::auroc;
use inspectd_engine::{Engine, EngineOptions};
use inspectd_simulator::{Defect, ProductionLine};
use inspectd_test_support::{onnx_runtime, require};

/// Different from the seeds of the model's training and test images.
const SEED: u64 = 77;
/// Number of parts with each defect.
const DEFECTIVE: u64 = 8;
/// Number of good parts.
const GOOD: u64 = 40;

#[test]
fn demo_model_finds_every_defect_of_the_simulator() {
    require!(onnx_runtime());
    let bundle = Bundle::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo"))
        .expect("a valid bundle");
    assert!(
        bundle.graph().len() <= 12_000_000,
        "{} bytes",
        bundle.graph().len()
    );
    let mut engine =
        Engine::load(&bundle, &EngineOptions::default()).expect("ONNX Runtime loads it");
    let calibration = bundle.manifest().maps.calibration();
    let mut scores = |first: u64, count: u64, defects: &[Defect]| -> Vec<f64> {
        let score = |index| {
            let frame = ProductionLine::new(SEED)
                .part(index, defects)
                .render(256, 256);
            let maps = engine.run(&[&frame]).expect("a frame of the input size");
            let size = MapSize {
                width: maps.width,
                height: maps.height,
            };
            let (structural, logical) = (&maps.structural, &maps.logical);
            f64::from(image_score(structural, logical, size, &calibration, 256, 256).score)
        };
        (first..first + count).map(score).collect()
    };
    let threshold = f64::from(bundle.manifest().threshold.value);
    let above = |scores: &[f64]| scores.iter().filter(|score| **score > threshold).count();
    let good = scores(0, GOOD, &[]);
    assert!(above(&good) <= 1, "good parts rejected: {good:?}");
    let mut found = 0;
    for (place, defect) in (1..).zip(Defect::ALL) {
        let defective = scores(1000 * place, DEFECTIVE, &[defect]);
        let auroc = auroc(&good, &defective).expect("finite scores");
        assert!(auroc >= 0.97, "{defect}: {auroc}");
        found += above(&defective);
    }
    let all = DEFECTIVE as usize * Defect::ALL.len();
    assert!(20 * found >= 19 * all, "{found} of {all} found");
}
