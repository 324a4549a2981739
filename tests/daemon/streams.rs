//! Client API: verdict fields, filters, heartbeats, evidence, errors.

use std::collections::BTreeSet;

use inspectd_client::proto::inspect_image_request::Image;
use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_client::proto::{
    AnomalyKind, Decision, GetEvidenceRequest, ImageFormat, InspectImageRequest, PixelFormat,
    RawImage, StreamVerdictsRequest,
};
use inspectd_core::image_file::decode_bytes;
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;
use tonic_types::StatusExt;

use crate::belt::site;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn verdict_has_all_documented_fields() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let reject = verdicts.until(|v| v.decision() == Decision::Reject).await;
    assert_eq!(reject.source_item, "b.png");
    assert_eq!(reject.camera_id, "belt");
    assert_eq!((reject.width, reject.height), (64, 64));
    assert_eq!((reject.simulated, reject.batch_size), (false, 1));
    assert_eq!(reject.provider, "cpu");
    let score = reject.score.as_ref().expect("a score");
    assert!((0.8..1.0).contains(&score.value), "{score:?}");
    assert!((score.value - score.structural - score.logical).abs() < 1e-5);
    assert!((score.threshold - 0.6).abs() < 1e-6);
    assert_eq!(score.dominant(), AnomalyKind::Structural);
    let [region] = &reject.regions[..] else {
        panic!("one region: {reject:?}")
    };
    let place = region.r#box.expect("a box");
    assert!((place.left - 0.5).abs() < 0.13 && (place.top - 0.5).abs() < 0.13);
    assert!((0.8..1.01).contains(&region.peak), "{region:?}");
    let timings = reject.timings.expect("timings");
    let stages = [
        timings.queue,
        timings.preprocess,
        timings.inference,
        timings.judge,
        timings.total,
    ];
    let nanos = stages.map(|time| time.expect("every stage").nanos);
    assert!(nanos[..4].iter().sum::<i32>() <= nanos[4], "{nanos:?}");
    let status = daemon.status().await;
    assert_eq!(reject.model, status.model);
    assert_eq!(reject.run_id, status.run_id);
    assert_eq!(reject.config_hash, status.configuration.expect("one").hash);

    let mut following = reject.sequence;
    for _ in 0..10 {
        let verdict = verdicts.next().await;
        following += 1;
        assert_eq!(verdict.sequence, following);
        let expected = match verdict.source_item.as_str() {
            "a.png" => Decision::Pass,
            "b.png" => Decision::Reject,
            _ => Decision::Review,
        };
        assert_eq!(verdict.decision(), expected, "{verdict:?}");
        assert_eq!(verdict.regions.is_empty(), expected == Decision::Pass);
    }
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn filtered_stream_has_matching_verdicts_and_heartbeats() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut rejects = daemon
        .filtered(StreamVerdictsRequest {
            camera_ids: vec!["belt".to_owned()],
            decisions: vec![Decision::Reject.into()],
            start: None,
        })
        .await;
    assert!(matches!(rejects.event().await, Ok(Event::Heartbeat(_))));
    for _ in 0..5 {
        assert_eq!(rejects.next().await.decision(), Decision::Reject);
    }
    let mut faults = daemon
        .filtered(StreamVerdictsRequest {
            camera_ids: Vec::new(),
            decisions: vec![Decision::Fault.into()],
            start: None,
        })
        .await;
    // No verdict matches, so the stream sends heartbeats with the current sequence.
    let mut sequences = BTreeSet::new();
    for _ in 0..3 {
        let Ok(Event::Heartbeat(heartbeat)) = faults.event().await else {
            panic!("a heartbeat")
        };
        sequences.insert(heartbeat.sequence);
    }
    assert_eq!(sequences.len(), 3);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn invalid_requests_are_rejected_with_the_field() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut client = daemon.inspection().await;
    let mut refused = async |camera: &str, decision: i32| {
        let request = StreamVerdictsRequest {
            camera_ids: vec![camera.to_owned()],
            decisions: vec![decision],
            start: None,
        };
        client.stream_verdicts(request).await.expect_err("refused")
    };
    let unknown = refused("absent", 1).await;
    assert_eq!(unknown.code(), Code::NotFound);
    let resource = unknown.get_details_resource_info().expect("details");
    assert_eq!(
        (
            resource.resource_type.as_str(),
            resource.resource_name.as_str()
        ),
        ("camera", "absent")
    );
    let badly_named = refused("No Camera", 1).await;
    assert_eq!(badly_named.code(), Code::InvalidArgument);
    let undecided = refused("belt", 0).await;
    let violations = undecided.get_details_bad_request().expect("details");
    assert_eq!(violations.field_violations[0].field, "decisions");

    let mut client = daemon.inspection().await;
    let gone = client.get_evidence(GetEvidenceRequest {
        sequence: 1 << 60,
        format: 0,
        ..GetEvidenceRequest::default()
    });
    assert_eq!(gone.await.expect_err("not made yet").code(), Code::NotFound);
    let empty = client.inspect_image(InspectImageRequest::default());
    assert_eq!(
        empty.await.expect_err("no image").code(),
        Code::InvalidArgument
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn submitted_image_is_judged_as_a_camera_frame() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut client = daemon.inspection().await;
    let encoded = std::fs::read(site.path("pictures/b.png")).expect("a picture");
    let raw = decode_bytes("b.png".as_ref(), &encoded).expect("a picture");
    let raw = RawImage {
        width: raw.width(),
        height: raw.height(),
        format: PixelFormat::Rgb8.into(),
        data: raw.into_rgb(),
        stride: 0,
    };
    let mut scores = Vec::new();
    for image in [Image::Encoded(encoded.clone()), Image::Raw(raw)] {
        let request = InspectImageRequest {
            image: Some(image),
            camera_id: "belt".to_owned(),
        };
        let verdict = client.inspect_image(request).await.expect("a verdict");
        let verdict = verdict.into_inner().verdict.expect("a verdict");
        assert_eq!(verdict.decision(), Decision::Reject);
        assert_eq!((verdict.camera_id.as_str(), verdict.frame_id), ("", 0));
        scores.push(verdict.score.expect("a score"));
    }
    assert_eq!(scores[0], scores[1]);
    let cut = InspectImageRequest {
        image: Some(Image::Encoded(encoded[..encoded.len() / 2].to_vec())),
        camera_id: String::new(),
    };
    let refused = client.inspect_image(cut).await.expect_err("half an image");
    assert_eq!(refused.code(), Code::InvalidArgument);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn evidence_is_the_frame_and_its_anomaly_overlay() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let reject = verdicts.until(|v| v.decision() == Decision::Reject).await;
    let mut client = daemon.inspection().await;
    let png = client.get_evidence(GetEvidenceRequest {
        sequence: reject.sequence,
        format: ImageFormat::Png.into(),
        ..GetEvidenceRequest::default()
    });
    let png = png.await.expect("evidence").into_inner();
    assert_eq!(png.verdict.expect("a verdict").sequence, reject.sequence);
    let frame = decode_bytes("frame".as_ref(), &png.frame).expect("a PNG");
    let original = std::fs::read(site.path("pictures/b.png")).expect("a picture");
    assert_eq!(
        frame,
        decode_bytes("b.png".as_ref(), &original).expect("a picture")
    );
    let heat = decode_bytes("heat".as_ref(), &png.heatmap).expect("a PNG");
    let middle = (34 * 64 + 34) * 3;
    assert!(
        heat.rgb()[middle] > heat.rgb()[middle + 2],
        "red over the spot"
    );
    let jpeg = client.get_evidence(GetEvidenceRequest {
        sequence: reject.sequence,
        format: ImageFormat::Jpeg.into(),
        ..GetEvidenceRequest::default()
    });
    let jpeg = jpeg.await.expect("evidence").into_inner();
    assert!(jpeg.frame.starts_with(&[0xFF, 0xD8]) && jpeg.heatmap.starts_with(&[0xFF, 0xD8]));
    daemon.stop();
}
