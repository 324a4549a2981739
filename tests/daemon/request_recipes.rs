//! Recipes of single requests, and recipes that change the settings of a camera.

use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    Decision, FaultReason, ListVerdictsRequest, TriggerInspectionRequest,
    TriggerInspectionResponse, Verdict,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;

use crate::hangs::FAILING;
use crate::harness::{write_bundle_of, write_png};
use crate::recipes::{Line, recipe, site};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn trigger_is_judged_by_its_own_recipe() {
    require!(onnx_runtime());
    let site = site();
    site.pictures("other", &[("a.png", 128)]);
    let text = std::fs::read_to_string(site.path("inspectd.toml")).expect("a configuration");
    site.write(
        "inspectd.toml",
        &format!("{text}\n[cameras.other]\nsource = \"folder\"\npath = \"other\"\nrepeat = true\nmode = \"requested\"\n"),
    );
    let daemon = site.start();
    let mut line = Line::of(&daemon).await;
    let refused = line.inspect("strict").await.expect_err("not prepared");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let strict = line.prepare("strict").await;
    line.prepare("lenient").await;
    assert_eq!(line.decided().await, Decision::Pass);

    // Two clients with their own recipes and cameras at the same time.
    let trigger = |camera: &str, recipe: &str| TriggerInspectionRequest {
        target: Some(Target::CameraId(camera.to_owned())),
        recipe_id: recipe.to_owned(),
        wait: true,
        ..TriggerInspectionRequest::default()
    };
    let mut client = daemon.inspection().await;
    let mut other = daemon.inspection().await;
    for _ in 0..12 {
        let (one, two) = tokio::join!(
            client.trigger_inspection(trigger("belt", "strict")),
            other.trigger_inspection(trigger("other", "lenient")),
        );
        let decided = |answer: Result<tonic::Response<_>, tonic::Status>| {
            let answer: TriggerInspectionResponse = answer.expect("accepted").into_inner();
            let verdict = answer.verdict.expect("a verdict");
            (verdict.decision(), verdict.recipe.expect("a recipe").id)
        };
        assert_eq!(decided(one), (Decision::Reject, "strict".to_owned()));
        assert_eq!(decided(two), (Decision::Pass, "lenient".to_owned()));
    }
    // No recipe became active.
    assert_eq!(line.inspect("").await.expect("accepted").recipe, None);

    // A newly prepared edition of the active recipe, with the same model, judges the requests that name the recipe.
    line.activate("strict").await.expect("valid");
    site.write(
        "recipes/strict.toml",
        &recipe("../strict-bundle", "threshold = 0.95"),
    );
    assert_eq!(
        line.inspect("strict").await.expect("accepted").decision(),
        Decision::Reject
    );
    let edition = line.prepare("strict").await;
    assert_ne!(edition, strict);
    let verdict = line.inspect("strict").await.expect("accepted");
    assert_eq!(verdict.decision(), Decision::Pass);
    assert_eq!(verdict.recipe.expect("a recipe").sha256, edition);
    assert_eq!(line.decided().await, Decision::Reject);

    // The content that is named, or none; and the recipe belongs to the key.
    let keyed = |recipe: &str, sha256: &str| TriggerInspectionRequest {
        recipe_sha256: sha256.to_owned(),
        idempotency_key: "k".to_owned(),
        ..trigger("belt", recipe)
    };
    let mut refused = async |request| {
        client
            .trigger_inspection(request)
            .await
            .expect_err("refused")
    };
    let unknown = refused(keyed("strict", &"0".repeat(64))).await;
    assert_eq!(unknown.code(), Code::FailedPrecondition, "{unknown}");
    let malformed = refused(keyed("strict", "abc")).await;
    assert_eq!(malformed.code(), Code::InvalidArgument, "{malformed}");
    let nameless = refused(keyed("", &edition)).await;
    assert_eq!(nameless.code(), Code::InvalidArgument, "{nameless}");
    let accepted = other.trigger_inspection(keyed("strict", &edition)).await;
    assert!(!accepted.expect("prepared").into_inner().repeated);
    let repeated = other.trigger_inspection(keyed("strict", &edition)).await;
    assert!(repeated.expect("the same request").into_inner().repeated);
    let conflict = refused(keyed("lenient", "")).await;
    assert_eq!(conflict.code(), Code::AlreadyExists, "{conflict}");
    // Judged by the active recipe, strict, which the request does not name.
    let unnamed = |recipe: &str| TriggerInspectionRequest {
        idempotency_key: "unnamed".to_owned(),
        ..trigger("belt", recipe)
    };
    let accepted = other.trigger_inspection(unnamed("")).await;
    assert!(!accepted.expect("accepted").into_inner().repeated);
    // The same after a restart, from the journal.
    daemon.stop();
    let daemon = site.start();
    let mut client = daemon.inspection().await;
    for same in [keyed("strict", &edition), unnamed("")] {
        let repeated = client.trigger_inspection(same).await;
        assert!(repeated.expect("the same request").into_inner().repeated);
    }
    for another in [keyed("lenient", ""), keyed("", ""), unnamed("strict")] {
        let conflict = client.trigger_inspection(another).await;
        assert_eq!(
            conflict.expect_err("another recipe").code(),
            Code::AlreadyExists
        );
    }
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn recipe_whose_exposure_a_camera_does_not_take_is_not_activated() {
    require!(onnx_runtime());
    let site = site();
    let text = std::fs::read_to_string(site.path("inspectd.toml")).expect("a configuration");
    site.write(
        "inspectd.toml",
        &format!("{text}\n[cameras.dev]\nsource = \"device\"\ndevice = \"/dev/null\"\nexposure_us = 800\nmode = \"requested\"\nlatency_ms = 50\n"),
    );
    let exposed = "threshold = 0.1\n[cameras.dev]\nexposure_us = 500";
    site.write("recipes/exposed.toml", &recipe("../bundle", exposed));
    let daemon = site.start();
    let mut line = Line::of(&daemon).await;
    let refused = line.activate("exposed").await.expect_err("no camera");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(
        refused.message().contains("camera dev: /dev/null"),
        "{refused}"
    );
    assert_eq!(line.decided().await, Decision::Pass);
    // A device would keep the gain after a recipe that does not set it becomes active.
    site.write(
        "recipes/amplified.toml",
        &recipe("../bundle", "[cameras.dev]\ngain = 2"),
    );
    let refused = line
        .activate("amplified")
        .await
        .expect_err("no gain is configured");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let message =
        "cameras.dev.gain: set, must be left out unless the configuration sets cameras.dev.gain";
    assert!(refused.message().contains(message), "{refused}");
    let mut client = daemon.inspection().await;
    let listed = client.list_verdicts(ListVerdictsRequest::default()).await;
    let verdicts = listed.expect("listed").into_inner().verdicts;
    let changing = |verdict: &Verdict| {
        let fault = verdict.fault.as_ref();
        fault.is_some_and(|fault| fault.reason() == FaultReason::CameraSettings)
    };
    let announced: Vec<_> = verdicts
        .iter()
        .filter(|verdict| changing(verdict))
        .collect();
    assert_eq!(announced.len(), 1, "{verdicts:?}");
    assert_eq!(announced[0].camera_id, "dev");

    // A request cannot change the exposure.
    line.prepare("exposed").await;
    let request = TriggerInspectionRequest {
        target: Some(Target::CameraId("dev".to_owned())),
        recipe_id: "exposed".to_owned(),
        ..TriggerInspectionRequest::default()
    };
    let refused = client
        .trigger_inspection(request)
        .await
        .expect_err("another exposure");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(
        refused.message().contains("activate the recipe"),
        "{refused}"
    );
    // The other camera judges by it.
    assert_eq!(
        line.inspect("exposed").await.expect("accepted").decision(),
        Decision::Reject
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn failing_model_is_loaded_again_while_requests_alternate_with_a_model_that_works() {
    require!(onnx_runtime());
    let site = site();
    // The graph fails for bright frames.
    write_png(&site.path("belt/a.png"), 64, 255, 255);
    write_bundle_of(&site.path("failing-bundle"), "2026.1", 0.6, FAILING);
    site.write("recipes/failing.toml", &recipe("../failing-bundle", ""));
    let daemon = site.start();
    let mut line = Line::of(&daemon).await;
    line.prepare("failing").await;
    line.prepare("strict").await;
    for _ in 0..5 {
        let failed = line.inspect("failing").await.expect("accepted");
        let fault = failed.fault.expect("a fault");
        assert_eq!(fault.reason(), FaultReason::Engine, "{fault:?}");
        let works = line.inspect("strict").await.expect("accepted");
        assert_eq!(works.fault, None);
    }
    daemon.wait_for_log("the model was loaded again");
    daemon.stop();
}
