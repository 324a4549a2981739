use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::*;
use inspectd_core::record::{Fault, FaultReason, ModelId, Outcome, Stamp, Subject};

pub(super) fn evidence(sequence: u64, side: u32) -> Evidence {
    let stamp = Stamp {
        model: ModelId {
            name: "m".to_owned(),
            version: "1".to_owned(),
            sha256: String::new(),
            precision: inspectd_core::precision::Precision::F32,
        },
        config_hash: String::new(),
        provider: "cpu".to_owned(),
        recipe: None,
    };
    let verdict = Verdict {
        sequence,
        run: Uuid::nil(),
        captured: SystemTime::UNIX_EPOCH,
        since_start: Duration::ZERO,
        recorded: SystemTime::UNIX_EPOCH,
        evidence: true,
        unconfirmed: false,
        subject: Subject::new(None, Arc::new(stamp)),
        outcome: Outcome::Fault(Fault::new(FaultReason::Engine, "")),
    };
    let frame = Frame::new(side, side, vec![7; (side * side * 3) as usize]).expect("sized");
    Evidence {
        verdict: Arc::new(verdict),
        frame: CapturedFrame {
            frame: Arc::new(frame),
            crop: None,
        },
        anomaly_map: None,
    }
}

#[test]
fn oldest_evidence_is_removed_first_and_gaps_are_not_found() {
    let one = evidence(1, 100).bytes();
    let mut recent = Recent::new(3 * one);
    let removed: Vec<u64> = [1, 2, 5, 6, 9]
        .into_iter()
        .flat_map(|sequence| recent.push(evidence(sequence, 100)))
        .map(|evidence| evidence.verdict.sequence)
        .collect();
    assert_eq!(removed, [1, 2]);
    let check =
        |sequence, kept: bool| assert_eq!(recent.get(sequence).is_some(), kept, "{sequence}");
    check(2, false);
    check(5, true);
    check(6, true);
    check(7, false);
    check(9, true);
    check(10, false);
}

#[test]
fn evidence_larger_than_the_limit_is_not_kept() {
    let mut recent = Recent::new(1000);
    assert_eq!(recent.push(evidence(1, 100)).len(), 1);
    assert!(recent.get(1).is_none());
    let mut disabled = Recent::new(0);
    assert_eq!(disabled.push(evidence(1, 32)).len(), 1);
}

#[test]
fn overlay_is_transparent_below_half_the_threshold_and_opaque_from_the_threshold_on() {
    let check = |value: f32, threshold: f32, expected: f32| {
        let found = opacity(value, threshold);
        assert!(
            (found - expected).abs() < 1e-6,
            "{value} of {threshold}: {found}"
        );
    };
    check(0.2, 0.5, 0.0);
    check(0.25, 0.5, 0.0);
    check(0.375, 0.5, 0.5);
    check(0.5, 0.5, 1.0);
    check(9.0, 0.5, 1.0);
    check(0.1, 0.0, 1.0);
    check(-0.1, 0.0, 0.0);
}

#[test]
fn heatmap_has_the_size_of_the_frame_and_decodes() {
    let frame = Frame::new(40, 32, vec![100; 40 * 32 * 3]).expect("sized");
    let map = AnomalyMap {
        cells: vec![0.0, 0.0, 0.0, 1.0],
        size: MapSize::square(2),
    };
    let shown = overlay(&frame, &map, 0.5);
    assert_eq!(&shown.rgb()[..3], [100, 100, 100]);
    // Red where the map is above the threshold.
    assert_eq!(&shown.rgb()[shown.rgb().len() - 3..], [208, 30, 30]);
    for encoding in [Encoding::Png, Encoding::Jpeg] {
        let bytes = encode(&shown, encoding).expect("an image");
        let path = std::path::Path::new("heatmap");
        let back = inspectd_core::image_file::decode_bytes(path, &bytes).expect("decodes");
        assert_eq!((back.width(), back.height()), (40, 32));
        if encoding == Encoding::Png {
            assert_eq!(back, shown);
        }
    }
}

#[test]
fn pictures_are_scaled_down_and_never_up() {
    for (size, limit, expected) in [
        ((640, 480), None, (640, 480)),
        ((640, 480), Some(320), (320, 240)),
        ((480, 640), Some(160), (120, 160)),
        ((640, 480), Some(1000), (640, 480)),
        ((2000, 40), Some(200), (200, SMALLEST_SIDE)),
    ] {
        let (width, height) = size;
        let frame = Frame::new(width, height, vec![9; (width * height * 3) as usize]);
        let scaled = scaled(frame.expect("three bytes for each pixel"), limit);
        let scaled = scaled.expect("it can be resized");
        assert_eq!((scaled.width(), scaled.height()), expected, "{limit:?}");
    }
}
