use inspectd_client::proto;
use prost_types::{Duration, Timestamp};
use serde_json::{Value, json};

use super::*;

fn printed(event: &Event) -> Value {
    let line = serde_json::to_string(event).expect("no map with other keys than texts");
    assert!(!line.contains('\n'), "one line");
    serde_json::from_str(&line).expect("what was just written")
}

#[test]
fn verdict_has_the_field_names_of_the_proto() {
    let verdict = proto::Verdict {
        sequence: 7,
        run_id: "run".into(),
        camera_id: "top".into(),
        frame_id: 9,
        capture_time: Some(Timestamp {
            seconds: 1_795_000_000,
            nanos: 250_000_000,
        }),
        capture_monotonic: Some(Duration {
            seconds: 1,
            nanos: 500_000,
        }),
        decision: proto::Decision::Reject.into(),
        score: Some(proto::Score {
            value: 0.75,
            structural: 0.5,
            logical: 0.25,
            threshold: 0.5,
            review_from: None,
            dominant: proto::AnomalyKind::Structural.into(),
            decided_by: "pin".into(),
            highest: 0.75,
            regions: vec![proto::RegionScore {
                region: "pin".into(),
                value: Some(0.75),
                threshold: 0.5,
                review_from: None,
                decision: proto::Decision::Reject.into(),
            }],
        }),
        regions: vec![proto::Region {
            r#box: Some(proto::Box {
                left: 0.0,
                top: 0.25,
                width: 0.5,
                height: 0.75,
            }),
            area: 0.125,
            peak: 0.75,
            kind: proto::AnomalyKind::Logical.into(),
            region: "pin".into(),
        }],
        timings: Some(proto::Timings {
            total: Some(Duration {
                seconds: 0,
                nanos: 12_500_000,
            }),
            ..proto::Timings::default()
        }),
        truth: "scratch".into(),
        part_id: "P-1".into(),
        client_data: vec![0xff, 0],
        trigger_id: "uuid".into(),
        group_id: "cell".into(),
        views: vec![proto::View {
            camera_id: "top".into(),
            sequence: 6,
            frame_id: 9,
            decision: proto::Decision::Reject.into(),
        }],
        record_time: Some(Timestamp {
            seconds: 1_795_000_001,
            nanos: 0,
        }),
        evidence_kept: true,
        unconfirmed: false,
        recipe: Some(proto::RecipeTag {
            id: "mx24".into(),
            version: "3".into(),
            sha256: "ab".into(),
        }),
        ..proto::Verdict::default()
    };
    let expected = json!({"verdict": {
        "sequence": 7, "run_id": "run", "camera_id": "top", "frame_id": 9,
        "capture_time": "2026-11-18T11:06:40.250Z", "capture_monotonic_ms": 1000.5,
        "decision": "reject",
        "score": {"value": 0.75, "structural": 0.5, "logical": 0.25, "threshold": 0.5,
            "review_from": null, "dominant": "structural", "decided_by": "pin", "highest": 0.75,
            "regions": [{"region": "pin", "value": 0.75, "threshold": 0.5, "review_from": null,
                "decision": "reject"}]},
        "fault": null,
        "regions": [{"box": {"left": 0.0, "top": 0.25, "width": 0.5, "height": 0.75},
            "area": 0.125, "peak": 0.75, "kind": "logical",
            "region": "pin"}],
        "model": null, "config_hash": "", "provider": "", "simulated": false,
        "timings": {"queue_ms": null, "preprocess_ms": null, "inference_ms": null,
            "judge_ms": null, "total_ms": 12.5},
        "batch_size": 0, "width": 0, "height": 0, "source_item": "", "truth": "scratch",
        "part_id": "P-1", "client_data": "/wA=", "trigger_id": "uuid", "group_id": "cell",
        "views": [{"camera_id": "top", "sequence": 6, "frame_id": 9, "decision": "reject"}],
        "record_time": "2026-11-18T11:06:41Z", "evidence_kept": true, "unconfirmed": false,
        "recipe": {"id": "mx24", "version": "3", "sha256": "ab"},
    }});
    assert_eq!(
        printed(&Event::Verdict(Box::new((&verdict).into()))),
        expected
    );
}

#[test]
fn fault_has_a_reason_and_no_score() {
    let verdict = proto::Verdict {
        decision: proto::Decision::Fault.into(),
        fault: Some(proto::Fault {
            reason: proto::FaultReason::CameraStalled.into(),
            message: "no frame within 2 s".into(),
        }),
        ..proto::Verdict::default()
    };
    let printed = printed(&Event::Verdict(Box::new((&verdict).into())));
    assert_eq!(printed["verdict"]["score"], Value::Null);
    assert_eq!(
        printed["verdict"]["fault"],
        json!({"reason": "camera_stalled", "message": "no frame within 2 s"})
    );
}

#[test]
fn gap_has_the_number_of_missed_verdicts() {
    assert_eq!(
        printed(&Event::Gap {
            missed: 3,
            lost: None
        }),
        json!({"gap": {"missed": 3}})
    );
    assert_eq!(
        printed(&Event::Gap {
            missed: 3,
            lost: Some([7, 9])
        }),
        json!({"gap": {"missed": 3, "lost": [7, 9]}})
    );
}

#[test]
fn status_contains_cameras_and_journal() {
    let status = proto::Status {
        state: proto::LineState::Degraded.into(),
        uptime: Some(Duration {
            seconds: 2,
            nanos: 0,
        }),
        configuration: Some(proto::Configuration {
            restart_required_keys: vec!["server.listen".into()],
            ..proto::Configuration::default()
        }),
        cameras: vec![proto::Camera {
            id: "top".into(),
            state: proto::CameraState::Waiting.into(),
            frames: Some(proto::FrameCounts {
                captured: 5,
                judged: 4,
                skipped: 0,
                lost: 0,
                faulted: 1,
                late: 1,
            }),
            shift_decisions: Some(proto::DecisionCounts {
                pass: 3,
                ..proto::DecisionCounts::default()
            }),
            ..proto::Camera::default()
        }],
        journal: Some(proto::Journal {
            oldest_sequence: 3,
            most_pending: 9,
            wal_bytes: 4096,
            ..proto::Journal::default()
        }),
        late_views: 2,
        shift: Some(proto::Shift {
            start_time: Some(Timestamp {
                seconds: 1_795_000_000,
                nanos: 0,
            }),
            end_time: None,
            decisions: Some(proto::DecisionCounts {
                review: 7,
                ..proto::DecisionCounts::default()
            }),
            counting: false,
        }),
        ..proto::Status::default()
    };
    let printed = serde_json::to_value(Status::from(&status)).expect("plain data");
    assert_eq!(printed["state"], "degraded");
    assert_eq!(printed["uptime_ms"], 2000.0);
    assert_eq!(
        printed["configuration"]["restart_required_keys"],
        json!(["server.listen"])
    );
    assert_eq!(printed["cameras"][0]["state"], "waiting");
    assert_eq!(printed["cameras"][0]["frames"]["faulted"], 1);
    assert_eq!(printed["cameras"][0]["frames"]["late"], 1);
    assert_eq!(printed["journal"]["oldest_sequence"], 3);
    assert_eq!(printed["journal"]["most_pending"], 9);
    assert_eq!(printed["journal"]["wal_bytes"], 4096);
    assert_eq!(printed["late_views"], 2);
    assert_eq!(printed["cameras"][0]["shift_decisions"]["pass"], 3);
    assert_eq!(
        printed["shift"],
        json!({"start_time": "2026-11-18T11:06:40Z", "end_time": null, "counting": false,
            "decisions": {"pass": 0, "reject": 0, "review": 7, "fault": 0}})
    );
}
