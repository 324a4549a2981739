//! The bundle of `make demo` is valid and small, and scores defective parts higher than good ones.

use std::path::Path;

use inspectd_core::bundle::Bundle;
use inspectd_core::maps::{MapSize, image_score};
use inspectd_engine::{Engine, EngineOptions};
use inspectd_simulator::{Defect, ProductionLine};
use inspectd_test_support::{onnx_runtime, require};

/// Different from the seeds of the model's training and test images.
const SEED: u64 = 77;

#[test]
fn demo_model_scores_defective_part_above_threshold_and_above_its_good_twin() {
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
    let mut score = |index: u64, defects: &[Defect]| {
        let frame = ProductionLine::new(SEED)
            .part(index, defects)
            .render(256, 256);
        let maps = engine.run(&[&frame]).expect("a frame of the input size");
        let size = MapSize {
            width: maps.width,
            height: maps.height,
        };
        image_score(
            &maps.structural,
            &maps.logical,
            size,
            &calibration,
            256,
            256,
        )
        .score
    };
    for (index, defect) in (0..).zip([
        Defect::Stain,
        Defect::Dent,
        Defect::Missing,
        Defect::Extra,
        Defect::Swapped,
    ]) {
        let (good, defective) = (score(index, &[]), score(index, &[defect]));
        assert!(
            defective > good && defective > bundle.manifest().threshold.value,
            "{defect}: {defective}, good twin: {good}"
        );
    }
}
