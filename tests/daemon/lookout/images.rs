//! Images: judged by exactly the model that is named, with masks; and images that are refused.

use std::collections::BTreeMap;

use inspectd_client::proto::{Decision, ListVerdictsRequest, Verdict};
use inspectd_test_support::{onnx_runtime, require};
use serde_json::{Value, json};

use super::agent::{Agent, detection, packages, start};
use crate::harness::Daemon;
use crate::recipes::site;

/// All verdicts of the journal.
async fn journalled(daemon: &Daemon) -> Vec<Verdict> {
    let request = ListVerdictsRequest {
        page_size: 1000,
        ..ListVerdictsRequest::default()
    };
    let listed = daemon.inspection().await.list_verdicts(request).await;
    listed.expect("verdicts").into_inner().verdicts
}

/// The anomalies of a result: name, area, colour.
fn anomalies(result: &Value) -> Vec<(String, f64, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let listed = result["anomalies"].as_array();
    let listed = listed.unwrap_or_else(|| panic!("{result}")).iter();
    listed
        .map(|one| {
            (
                text(&one[0]),
                one[1].as_f64().expect("a number"),
                text(&one[2]),
            )
        })
        .collect()
}

/// Asserts that the colours of the mask have the areas that are listed; returns the names.
fn checked(result: &Value, pixels: f64) -> Vec<String> {
    let anomalies = anomalies(result);
    let mut mask: BTreeMap<String, u64> =
        serde_json::from_value(result["mask"].clone()).unwrap_or_else(|_| panic!("{result}"));
    let mut names = Vec::new();
    for (name, area, colour) in anomalies {
        let painted = mask.remove(&colour).unwrap_or_default() as f64;
        assert!((area - painted / pixels).abs() < 1e-6, "{name}: {result}");
        names.push(name);
    }
    assert!(mask.is_empty(), "colours that are not listed: {mask:?}");
    names
}

/// Asserts the decision and a confidence between `from` and `to`.
fn decided(result: &Value, anomalous: bool, from: f64, to: f64) {
    assert_eq!(result["is_anomalous"], anomalous, "{result}");
    let confidence = result["confidence"].as_f64().expect("a number");
    assert!((from..=to).contains(&confidence), "{result}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn good_and_defective_images_have_masks_in_bytes_and_in_shared_memory() {
    require!(onnx_runtime());
    let packages = require!(packages());
    let site = site();
    let daemon = start(&site, &[]);
    let mut agent = Agent::start(&packages, &site);

    // Scores 0.502 and 0.902 or more; the threshold is 0.6.
    let good = agent.detect("default", 128, &json!({}));
    decided(&good, false, 0.6, 0.9);
    assert_eq!(checked(&good, 4096.0), ["background"]);
    assert_eq!(good["mask_size"], json!([64, 64]));
    assert_eq!(good["mask_in"], "byte_data");
    let spot = agent.detect("default", 128, &json!({ "spot": 255 }));
    decided(&spot, true, 0.7, 1.0);
    let names = checked(&spot, 4096.0);
    assert_eq!(names.len(), 2, "{spot}");
    assert_eq!(names[0], "background");
    assert!(
        ["structural", "logical"].contains(&names[1].as_str()),
        "{names:?}"
    );
    let (background, defect) = (anomalies(&spot)[0].1, anomalies(&spot)[1].1);
    assert!((0.5..1.0).contains(&background) && defect > 0.0, "{spot}");

    // The same from and to shared memory, with offsets.
    let memory = json!({
        "spot": 255, "width": 100, "height": 64, "memory": { "at": 4096 }, "mask": { "at": 24 },
    });
    let shared = agent.detect("default", 128, &memory);
    decided(&shared, true, 0.7, 1.0);
    assert_eq!(checked(&shared, 6400.0).len(), 2);
    assert_eq!(shared["mask_size"], json!([100, 64]));
    assert_eq!(
        (&shared["mask_in"], &shared["untouched"]),
        (&json!("shared_memory_handle"), &json!(true))
    );
    let slashed = json!({ "memory": {}, "mask": {} });
    assert_eq!(
        checked(&agent.detect("default", 128, &slashed), 4096.0),
        ["background"]
    );

    // The upper left quarter is a region with a threshold of its own.
    assert_eq!(agent.started("corner").0, "RUNNING");
    let region = agent.detect("corner", 128, &json!({}));
    decided(&region, true, 0.9, 1.0);
    assert_eq!(checked(&region, 4096.0), ["background", "corner"]);
    assert!((anomalies(&region)[1].1 - 0.25).abs() < 1e-6, "{region}");

    let decisions: Vec<_> = journalled(&daemon)
        .await
        .iter()
        .map(Verdict::decision)
        .collect();
    let mut sorted = decisions.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        [
            Decision::Pass,
            Decision::Pass,
            Decision::Reject,
            Decision::Reject,
            Decision::Reject
        ]
    );
    daemon.stop();
}

#[test]
fn review_is_anomalous_and_masks_can_be_left_out() {
    require!(onnx_runtime());
    let packages = require!(packages());
    let site = site();
    let variables = [
        ("INSPECTD__VERDICT__REVIEW_FROM", "0.5"),
        ("INSPECTD__SERVER__LOOKOUT_MASKS", "false"),
    ];
    let daemon = start(&site, &variables);
    let mut agent = Agent::start(&packages, &site);
    let review = agent.detect("default", 128, &json!({ "mask": {} }));
    // Just above the start of the review band.
    decided(&review, true, 0.5, 0.51);
    assert_eq!(review["anomalies"], json!([]));
    assert_eq!(review.get("mask"), None);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn two_models_judge_alternately_each_by_its_own_recipe() {
    require!(onnx_runtime());
    let packages = require!(packages());
    let site = site();
    let daemon = start(&site, &[]);
    let mut agent = Agent::start(&packages, &site);
    for model in ["strict", "lenient"] {
        assert_eq!(agent.started(model).0, "RUNNING");
    }
    // One after the other, then at the same time; the score is 0.502.
    for _ in 0..6 {
        decided(&agent.detect("strict", 128, &json!({})), true, 0.9, 1.0);
        decided(&agent.detect("lenient", 128, &json!({})), false, 0.8, 1.0);
    }
    let calls: Vec<_> = (0..14)
        .map(|index| detection(["strict", "lenient"][index % 2], 128, &json!({})))
        .collect();
    let answers = agent.call(&json!({ "call": "together", "calls": calls }));
    for (index, answer) in answers.as_array().expect("answers").iter().enumerate() {
        assert_eq!(answer["is_anomalous"], index % 2 == 0, "{answer}");
    }
    let mut counts: BTreeMap<(String, Decision), usize> = BTreeMap::new();
    for verdict in journalled(&daemon).await {
        let decision = verdict.decision();
        let recipe = verdict.recipe.expect("a recipe").id;
        *counts.entry((recipe, decision)).or_default() += 1;
    }
    let expected = [("lenient", Decision::Pass), ("strict", Decision::Reject)];
    let expected = expected.map(|(recipe, decision)| ((recipe.to_owned(), decision), 13));
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn model_that_is_not_running_judges_nothing_also_after_a_restart() {
    require!(onnx_runtime());
    let packages = require!(packages());
    let site = site();
    let daemon = start(&site, &[]);
    let mut agent = Agent::start(&packages, &site);
    let strict = detection("strict", 128, &json!({}));
    let stopped = "strict is STOPPED (not prepared); must be RUNNING";
    agent.refuses(&strict, "FAILED_PRECONDITION", stopped);
    agent.refuses(
        &detection("unknown", 128, &json!({})),
        "NOT_FOUND",
        "unknown",
    );
    agent.refuses(
        &detection("", 128, &json!({})),
        "INVALID_ARGUMENT",
        "model_component",
    );
    assert_eq!(agent.started("strict").0, "RUNNING");
    decided(&agent.call(&strict), true, 0.9, 1.0);
    assert_eq!(agent.model("stop", "strict"), "STOPPED");
    agent.refuses(&strict, "FAILED_PRECONDITION", stopped);
    assert_eq!(agent.started("strict").0, "RUNNING");
    daemon.stop();

    // The client goes on with the new process.
    agent.refuses(&strict, "UNAVAILABLE", "");
    let daemon = start(&site, &[]);
    agent.refuses(&strict, "FAILED_PRECONDITION", stopped);
    assert_eq!(agent.started("strict").0, "RUNNING");
    decided(&agent.call(&strict), true, 0.9, 1.0);
    let sequences: Vec<_> = journalled(&daemon)
        .await
        .iter()
        .map(|verdict| verdict.sequence)
        .collect();
    assert_eq!(sequences.len(), 2, "{sequences:?}");

    // While a recipe is active, nothing is judged without one.
    let mut line = crate::recipes::Line::of(&daemon).await;
    line.activate("lenient").await.expect("valid");
    agent.refuses(
        &detection("default", 128, &json!({})),
        "FAILED_PRECONDITION",
        "recipe lenient is active",
    );
    decided(&agent.detect("lenient", 128, &json!({})), false, 0.8, 1.0);
    decided(&agent.call(&strict), true, 0.9, 1.0);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn images_and_memory_that_do_not_fit_are_refused_by_field() {
    require!(onnx_runtime());
    let packages = require!(packages());
    let site = site();
    let daemon = start(&site, &[("INSPECTD__EVIDENCE__MEMORY_MIB", "8")]);
    let mut agent = Agent::start(&packages, &site);
    let mut check = |more: Value, words: &str| {
        agent.refuses(&detection("default", 128, &more), "INVALID_ARGUMENT", words);
    };
    let sized =
        |width: i32, height: i32| json!({ "width": width, "height": height, "true": [64, 64] });
    check(sized(63, 64), "bitmap.width: 63 pixels; must be 64 to 4096");
    check(
        sized(64, 63),
        "bitmap.height: 63 pixels; must be 64 to 4096",
    );
    check(
        sized(4097, 64),
        "bitmap.width: 4097 pixels; must be 64 to 4096",
    );
    check(sized(64, 0), "bitmap.height: 0 pixels; must be 64 to 4096");
    check(
        sized(-64, -64),
        "bitmap.width: -64 pixels; must be 64 to 4096",
    );
    check(
        json!({ "bytes": 12287 }),
        "bitmap.byte_data: 12287 bytes; must be 12288",
    );
    check(
        sized(65, 64),
        "bitmap.byte_data: 12288 bytes; must be 12480",
    );
    let shared = |memory: Value| json!({ "memory": memory });
    let field = "bitmap.shared_memory_handle: ";
    for name in [
        "",
        "/",
        "../shm/x",
        "/../../etc/passwd",
        "a/b",
        ".",
        "..",
        &"a".repeat(256),
    ] {
        check(shared(json!({ "name": name })), &format!("{field}name: "));
    }
    check(
        shared(json!({ "name": "inspectd-absent" })),
        "\"inspectd-absent\" cannot be opened for reading",
    );
    check(
        shared(json!({ "size": 12287 })),
        &format!("{field}size: 12287 bytes; must be 12288"),
    );
    // Objects have whole pages.
    check(
        shared(json!({ "offset": 1 << 20 })),
        "must end within the object",
    );
    check(
        shared(json!({ "offset": u64::MAX })),
        "must end within the object",
    );
    let masked = |mask: Value| json!({ "mask": mask });
    let field = "anomaly_mask_params.shared_memory_handle: ";
    check(masked(json!({ "name": "../x" })), &format!("{field}name: "));
    check(
        masked(json!({ "name": "inspectd-absent" })),
        "\"inspectd-absent\" cannot be opened for writing",
    );
    check(
        masked(json!({ "size": 100 })),
        &format!("{field}size: 100 bytes; must be 12288"),
    );
    check(
        masked(json!({ "offset": 1 << 20 })),
        "must end within the object",
    );
    // Nothing of this is a verdict. The largest image is one.
    assert_eq!(journalled(&daemon).await.len(), 0);
    let largest = json!({ "width": 4096, "height": 4096, "memory": {}, "mask": {} });
    let result = agent.detect("default", 128, &largest);
    decided(&result, false, 0.6, 0.9);
    assert_eq!(checked(&result, 4096.0 * 4096.0), ["background"]);
    assert_eq!(journalled(&daemon).await.len(), 1);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn fault_is_an_error_and_a_full_queue_is_resource_exhausted() {
    require!(onnx_runtime());
    let packages = require!(packages());
    let site = site();
    let variables = [
        ("INSPECTD__EVIDENCE__MEMORY_MIB", "8"),
        ("INSPECTD__SERVER__LOOKOUT_MASKS", "false"),
    ];
    let daemon = start(&site, &variables);
    let mut agent = Agent::start(&packages, &site);
    // The maps of a black image have non-finite values.
    let words = "verdict 1 is FAULT (engine): ";
    agent.refuses(&detection("default", 0, &json!({})), "INTERNAL", words);
    let verdicts = journalled(&daemon).await;
    assert_eq!(verdicts[0].decision(), Decision::Fault);

    // Sixteen images may be in progress. The daemon is stopped while 40 requests are sent.
    let size = json!({ "call": "hold", "width": 2560, "height": 2560, "grey": 128 });
    let held = agent.call(&size);
    let large = json!({ "width": 2560, "height": 2560, "held": held });
    let calls = |more: &Value| -> Vec<Value> {
        let mut large = large.clone();
        for (key, value) in more.as_object().into_iter().flatten() {
            large[key] = value.clone();
        }
        (0..40).map(|_| detection("default", 128, &large)).collect()
    };
    let all = calls(&json!({}));
    let answers = agent.call(&json!({ "call": "together", "calls": all, "pid": daemon.id() }));
    let answers = answers.as_array().expect("answers");
    let (judged, refused): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer["is_anomalous"] == false);
    assert!(judged.len() >= 16 && !refused.is_empty(), "{answers:?}");
    for answer in refused {
        assert_eq!(answer["code"], "RESOURCE_EXHAUSTED", "{answer}");
    }
    // With a time limit, calls wait for their turn.
    let judged_before = judged.len();
    let patient = calls(&json!({ "timeout": 60.0 }));
    let answers = agent.call(&json!({ "call": "together", "calls": patient }));
    for answer in answers.as_array().expect("answers") {
        assert_eq!(answer["is_anomalous"], false, "{answer}");
    }
    assert_eq!(journalled(&daemon).await.len(), 1 + judged_before + 40);
    daemon.stop();
}
