//! Tables of verdicts and their results.

use inspectd_client::proto::{Box as Rectangle, Fault, Region, Score, Timings, View};

use super::*;

fn verdict(decision: Decision) -> Verdict {
    Verdict {
        sequence: 12,
        run_id: "0190".to_owned(),
        camera_id: "top".to_owned(),
        decision: decision.into(),
        ..Verdict::default()
    }
}

/// The content as a map of texts.
fn shown(verdict: &Verdict) -> Vec<(String, String)> {
    let pairs = content(verdict).into_iter().map(|object| {
        let pair = object.into_inner_as::<KeyValuePair>().expect("a pair");
        let value = match pair.value {
            Variant::Array(array) => {
                let values: Vec<String> = array.values.iter().map(ToString::to_string).collect();
                values.join(",")
            }
            value => value.to_string(),
        };
        (pair.key.name.to_string(), value)
    });
    pairs.collect()
}

fn value(verdict: &Verdict, key: &str) -> Option<String> {
    let found = shown(verdict).into_iter().find(|pair| pair.0 == key);
    found.map(|pair| pair.1)
}

#[test]
fn fault_is_a_failed_result_and_never_a_good_one() {
    let fault = |decision| Verdict {
        fault: Some(Fault {
            reason: FaultReason::DeadlineMissed.into(),
            message: "too late".to_owned(),
        }),
        ..verdict(decision)
    };
    let check = |verdict: &Verdict, state, decision: &str| {
        assert_eq!(state_of(verdict), state, "{verdict:?}");
        assert_eq!(value(verdict, "Decision").as_deref(), Some(decision));
    };
    check(&verdict(Decision::Pass), result_state::COMPLETED, "PASS");
    check(
        &verdict(Decision::Reject),
        result_state::COMPLETED,
        "REJECT",
    );
    check(
        &verdict(Decision::Review),
        result_state::COMPLETED,
        "REVIEW",
    );
    check(&verdict(Decision::Fault), result_state::FAILED, "FAULT");
    check(
        &verdict(Decision::Unspecified),
        result_state::FAILED,
        "FAULT",
    );
    check(&fault(Decision::Fault), result_state::FAILED, "FAULT");
    // `on_deadline = "reject"`: the part was not judged.
    check(&fault(Decision::Reject), result_state::FAILED, "REJECT");
    let unknown = Verdict {
        decision: 99,
        ..verdict(Decision::Pass)
    };
    check(&unknown, result_state::FAILED, "FAULT");
    let shown = fault(Decision::Fault);
    assert_eq!(
        value(&shown, "FaultReason").as_deref(),
        Some("deadline_missed")
    );
    assert_eq!(value(&shown, "FaultMessage").as_deref(), Some("too late"));
}

#[test]
fn unconfirmed_pass_is_a_fault_with_its_reason() {
    let unconfirmed = |decision| Verdict {
        unconfirmed: true,
        ..verdict(decision)
    };
    let check = |decision, state, expected: &str, reason: Option<&str>| {
        let verdict = unconfirmed(decision);
        assert_eq!(state_of(&verdict), state, "{decision:?}");
        assert_eq!(value(&verdict, "Decision").as_deref(), Some(expected));
        assert_eq!(value(&verdict, "FaultReason").as_deref(), reason);
    };
    let failed = result_state::FAILED;
    check(Decision::Pass, failed, "FAULT", Some("unconfirmed"));
    check(Decision::Fault, failed, "FAULT", None);
    let completed = result_state::COMPLETED;
    check(Decision::Reject, completed, "REJECT", None);
    check(Decision::Review, completed, "REVIEW", None);
    let message = value(&unconfirmed(Decision::Pass), "FaultMessage");
    assert_eq!(message.as_deref(), Some(UNCONFIRMED_MESSAGE));
}

#[test]
fn ids_name_box_run_and_sequence_and_are_read_again() {
    let journalled = verdict(Decision::Pass);
    let id = result_id("box-7", &journalled);
    assert_eq!(id, "box-7/0190/12");
    let name = ResultName::parse(&id, "box-7").expect("an id");
    assert!(name.is_of(&journalled));
    let other = Verdict {
        run_id: "0191".to_owned(),
        ..journalled
    };
    assert!(!name.is_of(&other));
    let check = |text: &str| assert_eq!(ResultName::parse(text, "box-7"), None, "{text:?}");
    check("box-8/0190/12");
    check("box-7/0190/0");
    check("box-7/0190/012");
    check("box-7/0190/x");
    check("box-7//12");
    check("box-7/12");
    check("");
    let unjournalled = Verdict {
        sequence: 0,
        frame_id: 5,
        capture_monotonic: Some(prost_types::Duration {
            seconds: 1,
            nanos: 7,
        }),
        ..verdict(Decision::Pass)
    };
    let id = result_id("box-7", &unjournalled);
    assert_eq!(id, "box-7/0190/unjournalled-top-5-1000000007");
    assert_eq!(ResultName::parse(&id, "box-7"), None);
}

#[test]
fn job_and_measurement_come_back_with_the_verdict() {
    let data = JobData {
        job: "j1".to_owned(),
        meas: "m\"1".to_owned(),
    };
    let single = Verdict {
        client_data: data.to_client_data(),
        part_id: "4711".to_owned(),
        ..verdict(Decision::Pass)
    };
    let made = result("box-7", &single, None);
    assert_eq!(made.job_id.id.as_ref(), "j1");
    assert_eq!(
        made.meas_id.map(|id| id.id.to_string()).as_deref(),
        Some("m\"1")
    );
    assert_eq!(
        made.part_id.map(|id| id.id.to_string()).as_deref(),
        Some("4711")
    );
    // The data of another client is not touched.
    let foreign = Verdict {
        client_data: b"{\"order\":7}".to_vec(),
        ..verdict(Decision::Pass)
    };
    let made = result("box-7", &foreign, Some("j2"));
    assert_eq!(made.job_id.id.as_ref(), "j2");
    assert_eq!(made.meas_id, None);
    assert_eq!(JobData::from_client_data(b""), None);
}

#[test]
fn content_has_score_threshold_and_regions() {
    let rejected = Verdict {
        score: Some(Score {
            value: 0.75,
            threshold: 0.5,
            dominant: AnomalyKind::Logical.into(),
            decided_by: "label".to_owned(),
            ..Score::default()
        }),
        regions: vec![Region {
            r#box: Some(Rectangle {
                left: 0.25,
                top: 0.5,
                width: 0.125,
                height: 0.25,
            }),
            area: 0.03125,
            peak: 0.75,
            kind: AnomalyKind::Logical.into(),
            region: "label".to_owned(),
        }],
        views: vec![View {
            camera_id: "top".to_owned(),
            decision: Decision::Reject.into(),
            ..View::default()
        }],
        ..verdict(Decision::Reject)
    };
    let check = |key: &str, expected: &str| {
        assert_eq!(value(&rejected, key).as_deref(), Some(expected), "{key}");
    };
    check("Score", "0.75");
    check("Threshold", "0.5");
    check("AnomalyKind", "logical");
    check("DecidedBy", "label");
    check("RegionBoxes", "0.25,0.5,0.125,0.25");
    check("RegionAreas", "0.03125");
    check("RegionPeaks", "0.75");
    check("RegionKinds", "logical");
    check("RegionNames", "label");
    check("ViewCameras", "top");
    check("ViewDecisions", "REJECT");
    assert_eq!(value(&rejected, "FaultReason"), None);
    // A PASS has the same keys, with empty lists.
    assert_eq!(
        value(&verdict(Decision::Pass), "RegionBoxes").as_deref(),
        Some("")
    );
}

#[test]
fn recipe_configuration_and_times_are_those_of_the_verdict() {
    let judged = Verdict {
        recipe: Some(RecipeTag {
            id: "juice".to_owned(),
            version: "3".to_owned(),
            sha256: "00ff".to_owned(),
        }),
        config_hash: "abcd".to_owned(),
        capture_time: Some(Timestamp {
            seconds: 1,
            nanos: 900_000_000,
        }),
        record_time: Some(Timestamp {
            seconds: 3,
            nanos: 0,
        }),
        timings: Some(Timings {
            total: Some(prost_types::Duration {
                seconds: 0,
                nanos: 200_000_000,
            }),
            ..Timings::default()
        }),
        ..verdict(Decision::Pass)
    };
    let made = result("box-7", &judged, None);
    let recipe = &made.internal_recipe_id;
    assert_eq!(recipe.id.as_ref(), "juice");
    assert_eq!(
        recipe.version.as_ref().map(ToString::to_string).as_deref(),
        Some("3")
    );
    assert_eq!(recipe.hash, Some(ByteString::from(vec![0, 255])));
    assert_eq!(hash_digits(recipe.hash.as_ref().expect("a hash")), "00ff");
    assert_eq!(made.internal_configuration_id.id.as_ref(), "abcd");
    assert_eq!(made.creation_time.to_rfc3339(), "1970-01-01T00:00:03.000Z");
    let times = made.processing_times.expect("times");
    assert_eq!(times.start_time.to_rfc3339(), "1970-01-01T00:00:01.900Z");
    assert_eq!(times.end_time.to_rfc3339(), "1970-01-01T00:00:02.100Z");
    assert_eq!(times.processing_duration, Some(200.0));
    // Without a recipe the internal id is empty.
    let made = result("box-7", &verdict(Decision::Pass), None);
    assert_eq!(made.internal_recipe_id.id.as_ref(), "");
    assert_eq!(made.external_recipe_id, None);
    assert!(made.creation_time.is_null());
}
