//! Thresholds: evaluated on stored verdicts and their labels, changed in the file that sets them, undone.

use std::fs;

use inspectd_client::proto::recipe_service_client::RecipeServiceClient;
use inspectd_client::proto::tuning_service_client::TuningServiceClient;
use inspectd_client::proto::{
    ActivateRecipeRequest, AuditEntry, Decision, EvaluateThresholdsRequest,
    EvaluateThresholdsResponse, LabelKind, LabelVerdictRequest, ListAuditEntriesRequest,
    SetThresholdRequest, SetThresholdResponse, ThresholdOutcome, Verdict,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::{Code, Status};

use crate::belt::{CAMERA, REVIEW, site as belt};
use crate::harness::{Daemon, Site};

const JOURNAL: &str = "[journal]\nfolder = \"journal\"\n";

fn site(top: &str) -> Site {
    let site = belt();
    site.configure(&format!("{JOURNAL}{top}"), CAMERA);
    site
}

/// A recipe for the belt with a region around the spot of the parts.
fn write_recipe(site: &Site) -> String {
    let text = "# The recipe of the belt.\nproduct = \"Grey\"\nversion = \"1\"\nbundle = \"../bundle\"\n\
                threshold = 0.9 # outside of the spot\n\n[[regions]]\nname = \"spot\" # in the middle\n\
                polygon = [[0.2, 0.2], [0.9, 0.2], [0.9, 0.9], [0.2, 0.9]]\nthreshold = 0.60\n";
    fs::create_dir_all(site.path("recipes")).expect("a folder");
    site.write("recipes/grey.toml", text);
    text.to_owned()
}

async fn set(
    daemon: &Daemon,
    request: SetThresholdRequest,
) -> Result<SetThresholdResponse, Status> {
    let mut client = TuningServiceClient::new(daemon.channel().await);
    Ok(client.set_threshold(request).await?.into_inner())
}

async fn evaluate(
    daemon: &Daemon,
    request: EvaluateThresholdsRequest,
) -> Result<EvaluateThresholdsResponse, Status> {
    let mut client = TuningServiceClient::new(daemon.channel().await);
    Ok(client.evaluate_thresholds(request).await?.into_inner())
}

fn of_camera(threshold: f64) -> SetThresholdRequest {
    SetThresholdRequest {
        camera_id: "belt".to_owned(),
        threshold: Some(threshold),
        ..SetThresholdRequest::default()
    }
}

async fn label(daemon: &Daemon, sequence: u64, kind: LabelKind) {
    let mut client = daemon.inspection().await;
    let request = LabelVerdictRequest {
        sequence,
        kind: kind.into(),
        ..LabelVerdictRequest::default()
    };
    client.label_verdict(request).await.expect("kept");
}

async fn audit(daemon: &Daemon) -> Vec<AuditEntry> {
    let mut client = daemon.line().await;
    let request = ListAuditEntriesRequest::default();
    let entries = client.list_audit_entries(request).await.expect("a log");
    entries.into_inner().entries
}

fn outcome(evaluated: &EvaluateThresholdsResponse, threshold: f64) -> &ThresholdOutcome {
    let mut outcomes = evaluated.outcomes.iter();
    let found = outcomes.find(|outcome| (outcome.threshold - threshold).abs() < 1e-6);
    found.unwrap_or_else(|| panic!("{threshold}: {evaluated:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn evaluation_counts_what_a_threshold_would_have_decided() {
    require!(onnx_runtime());
    let site = site(REVIEW);
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let mut labelled = 0;
    // a.png passes with 0.5, b.png is rejected with 0.84, c.png is REVIEW with 0.54.
    while labelled < 20 {
        let verdict = verdicts.next().await;
        let kind = match verdict.decision() {
            Decision::Reject => LabelKind::Defective,
            _ => LabelKind::Good,
        };
        label(&daemon, verdict.sequence, kind).await;
        labelled += 1;
    }
    daemon
        .status_when("90 verdicts", |status| status.sequence >= 90)
        .await;
    let request = EvaluateThresholdsRequest {
        camera_id: "belt".to_owned(),
        limit: 60,
        thresholds: vec![0.52, 0.9],
        ..EvaluateThresholdsRequest::default()
    };
    let evaluated = evaluate(&daemon, request).await.expect("a journal");
    let journal = evaluated.journal.as_ref().expect("verdicts");
    assert_eq!(
        (
            journal.looked_at,
            journal.pass + journal.review + journal.reject
        ),
        (60, 60)
    );
    let present = outcome(&evaluated, evaluated.present_threshold);
    assert_eq!((present.newly_rejected, present.no_longer_rejected), (0, 0));
    assert_eq!((present.pass, present.review, present.reject), (20, 20, 20));
    let strict = outcome(&evaluated, 0.52);
    assert_eq!((strict.pass, strict.review, strict.reject), (20, 0, 40));
    assert_eq!(strict.newly_rejected, 20);
    let lenient = outcome(&evaluated, 0.9);
    assert_eq!(
        (lenient.review, lenient.reject, lenient.no_longer_rejected),
        (40, 0, 20)
    );
    // The labelled verdicts are older than the last 60, and count.
    let false_rejects = strict.false_rejects.expect("labels");
    let misses = lenient.misses.expect("labels");
    assert_eq!(false_rejects.total + misses.total, 20);
    assert!(false_rejects.count >= 6, "{false_rejects:?}");
    assert_eq!(
        (misses.count, misses.total > 5),
        (0, true),
        "REVIEW is no miss: {misses:?}"
    );
    assert!(
        false_rejects.low > 0.1 && false_rejects.high < 0.9,
        "{false_rejects:?}"
    );
    assert!(strict.calibration.is_some());
    assert!(
        !evaluated.trend.is_empty() && evaluated.trend.len() <= 6,
        "{:?}",
        evaluated.trend
    );
    let marks: u64 = evaluated
        .histogram
        .iter()
        .map(|bin| bin.labelled_good)
        .sum();
    assert_eq!(marks, false_rejects.total);

    for (request, code) in [
        (
            EvaluateThresholdsRequest {
                camera_id: "left".to_owned(),
                ..EvaluateThresholdsRequest::default()
            },
            Code::NotFound,
        ),
        (
            EvaluateThresholdsRequest {
                region: "spot".to_owned(),
                ..EvaluateThresholdsRequest::default()
            },
            Code::NotFound,
        ),
        (
            EvaluateThresholdsRequest {
                thresholds: vec![f64::NAN],
                ..EvaluateThresholdsRequest::default()
            },
            Code::InvalidArgument,
        ),
    ] {
        let refused = evaluate(&daemon, request).await.expect_err("not valid");
        assert_eq!(refused.code(), code, "{refused}");
    }
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn threshold_of_the_configuration_is_changed_in_its_file_and_undone() {
    require!(onnx_runtime());
    let site = site(REVIEW);
    let text = fs::read_to_string(site.path("inspectd.toml")).expect("the configuration");
    let daemon = site.start();
    let changed = set(&daemon, of_camera(0.95)).await.expect("valid");
    let previous = changed.previous.expect("always set");
    assert_eq!(
        (
            previous.key.as_str(),
            previous.recipe_id.as_str(),
            previous.threshold
        ),
        ("cameras.belt.threshold", "", None)
    );
    assert_eq!((changed.threshold, changed.recipe), (0.95, None));
    let after = fs::read_to_string(site.path("inspectd.toml")).expect("the configuration");
    assert_eq!(after.replace("threshold = 0.95\n", ""), text);
    let mut verdicts = daemon.verdicts().await;
    verdicts
        .until(|verdict| {
            verdict.decision() == Decision::Review
                && verdict
                    .score
                    .as_ref()
                    .is_some_and(|score| score.value > 0.8)
        })
        .await;
    // Someone else changed it meanwhile.
    let stale = SetThresholdRequest {
        expected_threshold: Some(0.6),
        ..of_camera(0.7)
    };
    let refused = set(&daemon, stale).await.expect_err("not expected");
    assert_eq!(refused.code(), Code::Aborted, "{refused}");
    assert!(refused.message().contains("0.95, not 0.6"), "{refused}");
    // Undone by the value before: the key is removed.
    let undo = SetThresholdRequest {
        threshold: previous.threshold,
        expected_threshold: Some(0.95),
        ..of_camera(0.0)
    };
    set(&daemon, undo).await.expect("undone");
    let undone = fs::read_to_string(site.path("inspectd.toml")).expect("the configuration");
    assert_eq!(undone, text);
    let entries = audit(&daemon).await;
    let changes: Vec<_> = entries
        .iter()
        .filter(|entry| entry.action == "threshold")
        .map(|entry| {
            (
                entry.subject.as_str(),
                entry.before.as_str(),
                entry.after.as_str(),
            )
        })
        .collect();
    assert_eq!(
        changes,
        [
            ("cameras.belt.threshold", "", "0.95"),
            ("cameras.belt.threshold", "0.95", "")
        ]
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn threshold_that_the_file_does_not_decide_is_refused_and_nothing_changes() {
    require!(onnx_runtime());
    let site = site(REVIEW);
    let daemon = site.start_with(&[("INSPECTD__CAMERAS__BELT__THRESHOLD", "0.7")]);
    let text = fs::read_to_string(site.path("inspectd.toml")).expect("the configuration");
    let refused = set(&daemon, of_camera(0.95)).await.expect_err("no effect");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("environment variable"),
        "{refused}"
    );
    fs::create_dir(site.path("conf.d")).expect("a folder");
    site.write("conf.d/band.toml", "[cameras.belt]\nreview_from = 0.6\n");
    let refused = set(&daemon, of_camera(0.95))
        .await
        .expect_err("pending changes");
    assert!(refused.message().contains("reload it first"), "{refused}");
    let refused = set(&daemon, of_camera(f64::INFINITY))
        .await
        .expect_err("not finite");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let after = fs::read_to_string(site.path("inspectd.toml")).expect("the configuration");
    assert_eq!(after, text);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn threshold_of_a_recipe_is_changed_in_its_file_and_judges_at_once() {
    require!(onnx_runtime());
    let site = site("[recipes]\nfolder = \"recipes\"\n");
    let text = write_recipe(&site);
    let daemon = site.start();
    let mut recipes = RecipeServiceClient::new(daemon.channel().await);
    let activate = ActivateRecipeRequest {
        id: "grey".to_owned(),
    };
    recipes
        .activate_recipe(activate.clone())
        .await
        .expect("valid");
    let of_region = |threshold| SetThresholdRequest {
        region: "spot".to_owned(),
        threshold: Some(threshold),
        ..SetThresholdRequest::default()
    };
    let changed = set(&daemon, of_region(0.52)).await.expect("valid");
    let previous = changed.previous.expect("always set");
    assert_eq!(
        (previous.key.as_str(), previous.threshold),
        ("regions.spot.threshold", Some(0.6))
    );
    assert_eq!(changed.recipe.expect("the recipe").id, "grey");
    let file = site.path("recipes/grey.toml");
    let after = fs::read_to_string(&file).expect("the recipe");
    assert_eq!(after, text.replace("0.60", "0.52"));
    // c.png has 0.54. Frames that were captured before are judged by the threshold of their capture.
    let mut verdicts = daemon.verdicts().await;
    let changed = |verdict: &Verdict| {
        let score = verdict.score.as_ref();
        score.is_some_and(|score| (0.53..0.6).contains(&score.value) && score.threshold < 0.59)
    };
    let verdict = verdicts.until(changed).await;
    assert_eq!(verdict.decision(), Decision::Reject, "{verdict:?}");

    let request = EvaluateThresholdsRequest {
        region: "spot".to_owned(),
        recipe_id: "grey".to_owned(),
        ..EvaluateThresholdsRequest::default()
    };
    let evaluated = evaluate(&daemon, request).await.expect("a region");
    assert!((evaluated.present_threshold - 0.52).abs() < 1e-12);
    assert_eq!(evaluated.place.as_ref().expect("a place").recipe_id, "grey");
    assert!(evaluated.outcomes[0].calibration.is_none());

    // A file that was edited and not activated is not overwritten.
    fs::write(&file, after.replace("\"Grey\"", "\"Other\"")).expect("written");
    let refused = set(&daemon, of_region(0.7)).await.expect_err("edited");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("is not what is active"),
        "{refused}"
    );
    recipes.activate_recipe(activate).await.expect("valid");
    let invalid = set(
        &daemon,
        SetThresholdRequest {
            region: "pins".to_owned(),
            ..of_region(0.7)
        },
    );
    assert_eq!(invalid.await.expect_err("no region").code(), Code::NotFound);
    let entries = audit(&daemon).await;
    let threshold = entries.iter().find(|entry| entry.action == "threshold");
    let threshold = threshold.expect("recorded");
    assert_eq!(threshold.subject, "recipe grey: regions.spot.threshold");
    daemon.stop();
}
