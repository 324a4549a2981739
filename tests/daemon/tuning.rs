//! Thresholds from good parts, and replays, over a real journal and real maps.

use std::time::Instant;

use inspectd_client::proto::replay_verdicts_request::Recipe;
use inspectd_client::proto::replay_verdicts_response::Event;
use inspectd_client::proto::tuning_service_client::TuningServiceClient;
use inspectd_client::proto::{
    Decision, InlineRecipe, ReplayChange, ReplayObstacle, ReplaySummary, ReplayVerdictsRequest,
    ScoreSource, SuggestThresholdRequest, ThresholdBasis, ThresholdSuggestion,
};
use inspectd_test_support::{onnx_runtime, require};
use serde_json::Value;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::belt::{CAMERA, REVIEW, site as belt};
use crate::ctl::{done, inspectctl, json_lines, run};
use crate::harness::{Daemon, PATIENCE, Site, write_bundle_of};

/// A polygon around the spot in the middle of the parts and its surroundings in the map.
const MIDDLE: &str = "polygon = [[0.2, 0.2], [0.9, 0.2], [0.9, 0.9], [0.2, 0.9]]";

fn site() -> Site {
    let site = belt();
    // Every map is kept.
    let top = format!("[journal]\nfolder = \"journal\"\n[evidence]\npass_every = 1\n{REVIEW}");
    site.configure(&top, CAMERA);
    site
}

async fn tuning(daemon: &Daemon) -> TuningServiceClient<Channel> {
    TuningServiceClient::new(daemon.channel().await)
}

/// A daemon whose journal has `count` verdicts, with their maps.
async fn after(site: &Site, count: u64) -> Daemon {
    let daemon = site.start();
    let kept = |status: &inspectd_client::proto::Status| {
        let journal = status.journal.as_ref();
        journal.is_some_and(|journal| journal.evidence_kept >= count)
    };
    daemon.status_when("enough kept", kept).await;
    daemon
}

fn inline(site: &Site, more: &str) -> ReplayVerdictsRequest {
    let toml = format!("product = \"p\"\nversion = \"1\"\nbundle = \"bundle\"\n{more}\n");
    ReplayVerdictsRequest {
        recipe: Some(Recipe::Inline(InlineRecipe {
            id: "tried".into(),
            toml,
            folder: site.path("").display().to_string(),
        })),
        ..ReplayVerdictsRequest::default()
    }
}

async fn replay(
    daemon: &Daemon,
    request: ReplayVerdictsRequest,
) -> Result<(Vec<ReplayChange>, ReplaySummary), Status> {
    let mut client = tuning(daemon).await;
    let mut events = client.replay_verdicts(request).await?.into_inner();
    let mut changes = Vec::new();
    let mut at = 0;
    loop {
        let event = tokio::time::timeout(PATIENCE, events.message()).await;
        let response = event.expect("an event in time")?;
        match response.expect("a summary comes first").event.expect("set") {
            Event::Change(change) => changes.push(change),
            Event::Progress(progress) => {
                assert!(progress.at_sequence > at, "{progress:?}");
                at = progress.at_sequence;
            }
            Event::Summary(summary) => return Ok((changes, summary)),
        }
    }
}

/// How many frames went from one decision to another.
fn cell(summary: &ReplaySummary, old: Decision, new: Decision) -> u64 {
    let mut cells = summary.frames.iter();
    let cell = cells.find(|cell| cell.old_decision() == old && cell.new_decision() == new);
    cell.map_or(0, |cell| cell.count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn replay_with_equal_thresholds_changes_no_decision() {
    require!(onnx_runtime());
    let site = site();
    let daemon = after(&site, 120).await;
    let (changes, summary) = replay(&daemon, inline(&site, "")).await.expect("a replay");
    assert_eq!(changes, []);
    assert!(summary.verdicts >= 120, "{summary:?}");
    assert_eq!((summary.by_score, summary.by_map), (summary.verdicts, 0));
    assert_eq!(summary.frames.len(), 3, "PASS, REVIEW, REJECT: {summary:?}");
    // A minimum area below one cell requires the maps; the spot is larger.
    let (changes, summary) = replay(&daemon, inline(&site, "min_area = 0.00001"))
        .await
        .expect("a replay");
    assert_eq!(changes, []);
    assert!(summary.by_map >= 120, "{summary:?}");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn replay_lists_the_decisions_that_a_recipe_changes() {
    require!(onnx_runtime());
    let site = site();
    let daemon = after(&site, 30).await;
    // b.png has 0.84, c.png 0.54: both would pass.
    let lenient = inline(&site, "threshold = 0.9\nreview_from = 0.9");
    let (changes, summary) = replay(&daemon, lenient).await.expect("a replay");
    let rejects = cell(&summary, Decision::Reject, Decision::Pass);
    let reviews = cell(&summary, Decision::Review, Decision::Pass);
    assert_eq!(changes.len() as u64, rejects + reviews);
    assert!(rejects >= 9 && reviews >= 9, "{summary:?}");
    assert_eq!(cell(&summary, Decision::Pass, Decision::Reject), 0);
    assert_eq!(
        (changes[0].sequence, changes[0].new_decision()),
        (2, Decision::Pass)
    );
    assert_eq!(changes[0].camera_id, "belt");
    // A mask over the spot leaves the even background: 0.5, which passes.
    let masked = inline(&site, &format!("[[ignore]]\nname = \"middle\"\n{MIDDLE}"));
    let (changes, summary) = replay(&daemon, masked).await.expect("a replay");
    assert_eq!(summary.by_score, 0);
    assert!(
        cell(&summary, Decision::Reject, Decision::Pass) >= 9,
        "{summary:?}"
    );
    let score = changes[0].new_score.expect("a frame's");
    assert!((0.49..0.53).contains(&score), "{score}");
    // A region over it that rejects everything names itself.
    let region =
        format!("[[regions]]\nname = \"middle\"\nthreshold = 0.1\nreview_from = 0.1\n{MIDDLE}");
    let (changes, _) = replay(&daemon, inline(&site, &region))
        .await
        .expect("a replay");
    let first = &changes[0];
    assert_eq!(
        (first.sequence, first.old_decision(), first.new_decision()),
        (1, Decision::Pass, Decision::Reject)
    );
    assert_eq!(first.region, "middle");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn replay_counts_verdicts_without_map_or_of_another_model() {
    require!(onnx_runtime());
    let site = site();
    let daemon = after(&site, 30).await;
    // The daemon may still write evidence of the last verdicts.
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = std::fs::remove_dir_all(site.path("journal/evidence")) {
        assert!(Instant::now() < deadline, "{error}");
    }
    let skipped = |summary: &ReplaySummary, obstacle: ReplayObstacle| {
        let mut skipped = summary.skipped.iter();
        let found = skipped.find(|skipped| skipped.obstacle() == obstacle);
        found.map_or(0, |found| found.count)
    };
    let areas = inline(&site, "min_area = 0.00001");
    let (_, summary) = replay(&daemon, areas).await.expect("a replay");
    assert!(
        skipped(&summary, ReplayObstacle::NoMap) >= 30,
        "{summary:?}"
    );
    let other = b"another graph";
    write_bundle_of(&site.path("other"), "2027.1", 0.6, other);
    let mut request = inline(&site, "threshold = 0.9\nreview_from = 0.9");
    if let Some(Recipe::Inline(recipe)) = &mut request.recipe {
        recipe.toml = recipe.toml.replace("\"bundle\"", "\"other\"");
    }
    let (changes, summary) = replay(&daemon, request.clone()).await.expect("a replay");
    assert_eq!(changes, []);
    let skipped = skipped(&summary, ReplayObstacle::OtherModel);
    assert_eq!(skipped, summary.verdicts, "{summary:?}");
    request.loaded_model = true;
    let (changes, _) = replay(&daemon, request).await.expect("a replay");
    assert!(!changes.is_empty());
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn invalid_replay_requests_are_rejected() {
    require!(onnx_runtime());
    let site = site();
    let daemon = after(&site, 1).await;
    let refused = async |request, code, text: &str| {
        let status = replay(&daemon, request).await.expect_err("a refusal");
        assert_eq!(status.code(), code, "{status:?}");
        assert!(status.message().contains(text), "{status:?}");
    };
    let set = |change: &dyn Fn(&mut InlineRecipe)| {
        let mut request = inline(&site, "");
        if let Some(Recipe::Inline(recipe)) = &mut request.recipe {
            change(recipe);
        }
        request
    };
    let by_id = |id: &str| ReplayVerdictsRequest {
        recipe: Some(Recipe::RecipeId(id.into())),
        ..ReplayVerdictsRequest::default()
    };
    let invalid = Code::InvalidArgument;
    refused(
        ReplayVerdictsRequest::default(),
        invalid,
        "recipe: must be set",
    )
    .await;
    refused(by_id("A B"), invalid, "recipe_id").await;
    refused(
        set(&|recipe| recipe.id = "A B".into()),
        invalid,
        "inline.id",
    )
    .await;
    refused(
        set(&|recipe| recipe.folder = "here".into()),
        invalid,
        "absolute",
    )
    .await;
    refused(
        set(&|recipe| recipe.toml = "x = 1".into()),
        invalid,
        "not valid",
    )
    .await;
    let nowhere = set(&|recipe| recipe.folder = "/nowhere".into());
    refused(nowhere, Code::FailedPrecondition, "the recipe's bundle: ").await;
    daemon.stop();
}

fn asked(rate: f64, source: ScoreSource) -> SuggestThresholdRequest {
    SuggestThresholdRequest {
        false_reject_rate: rate,
        source: source.into(),
        ..SuggestThresholdRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn threshold_suggestions_use_calibration_and_journal() {
    require!(onnx_runtime());
    let site = site();
    let daemon = after(&site, 60).await;
    let mut client = tuning(&daemon).await;
    let response = client.suggest_threshold(asked(0.1, ScoreSource::Unspecified));
    let response = response.await.expect("an answer").into_inner();
    let bases: Vec<_> = response
        .suggestions
        .iter()
        .map(ThresholdSuggestion::basis)
        .collect();
    assert_eq!(
        bases,
        [
            ThresholdBasis::Calibration,
            ThresholdBasis::JournalLower,
            ThresholdBasis::JournalUpper
        ]
    );
    // The bundle has three scores, and it takes 36.
    assert_eq!(response.suggestions[0].needed_count, 36);
    assert!(response.present_threshold > 0.59, "{response:?}");
    let journal = response.journal.expect("it was asked");
    assert!(journal.looked_at >= 60, "{journal:?}");
    assert_eq!(
        journal.pass + journal.review + journal.reject,
        journal.looked_at
    );
    let threshold = |index: usize| {
        let estimate = response.suggestions[index].estimate;
        estimate.expect("always set").threshold
    };
    // a.png has 128 / 255 = 0.502, b.png 0.84.
    assert!((threshold(1) - 0.502).abs() < 0.01, "{response:?}");
    assert!(threshold(2) > 0.8, "{response:?}");
    let bins: u64 = response.histogram.iter().map(|bin| bin.pass).sum();
    assert_eq!(bins, journal.pass);

    let few = SuggestThresholdRequest {
        limit: 30,
        include_review: true,
        ..asked(0.1, ScoreSource::Journal)
    };
    let response = client.suggest_threshold(few).await.expect("an answer");
    let response = response.into_inner();
    assert_eq!(response.journal.expect("asked").looked_at, 30);
    let lower = response.suggestions[0].estimate.expect("always set");
    assert_eq!(lower.count, 20, "ten PASS and ten REVIEW");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn invalid_suggestion_requests_are_rejected() {
    require!(onnx_runtime());
    let site = site();
    let daemon = after(&site, 1).await;
    let mut client = tuning(&daemon).await;
    let mut refused = async |request, code, text: &str| {
        let status = client
            .suggest_threshold(request)
            .await
            .expect_err("a refusal");
        assert_eq!(status.code(), code, "{status:?}");
        assert!(status.message().contains(text), "{status:?}");
    };
    let source = ScoreSource::Unspecified;
    let with = |camera: &str, region: &str, source| SuggestThresholdRequest {
        camera_id: camera.into(),
        region: region.into(),
        ..asked(0.1, source)
    };
    refused(
        asked(0.0, source),
        Code::InvalidArgument,
        "false_reject_rate",
    )
    .await;
    refused(
        asked(f64::NAN, source),
        Code::InvalidArgument,
        "false_reject_rate",
    )
    .await;
    refused(with("absent", "", source), Code::NotFound, "camera absent").await;
    refused(with("", "pin", source), Code::NotFound, "region pin").await;
    let calibration = with("", "pin", ScoreSource::Calibration);
    refused(calibration, Code::InvalidArgument, "source").await;
    let mut many = asked(0.1, source);
    many.limit = 1_000_001;
    refused(many, Code::InvalidArgument, "limit").await;
    daemon.stop();
}

#[test]
fn inspectctl_prints_threshold_suggestions() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    done(&daemon, "watch --limit 30");
    let text = done(&daemon, "threshold suggest --false-reject-rate 0.001");
    for part in [
        "model     cells 2026.1 (",
        ", present threshold 0.6000\njournal   ",
        "\ncalibration ",
        "\njournal, if all unknown were good ",
        " <- present 0.6000",
        "\nsuggested: ",
        " scores are too few for a rate of 0.10 %, which requires 3688\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let svg = site.path("scores.svg");
    let mut command = inspectctl(&daemon);
    command.args([
        "threshold",
        "suggest",
        "--false-reject-rate",
        "0.01",
        "--json",
        "--svg",
    ]);
    let answer = json_lines(&run(command.arg(&svg), 0).stdout());
    assert_eq!(answer[0]["suggestions"][0]["basis"], "calibration");
    assert_eq!(answer[0]["suggestions"][0]["threshold_high"], Value::Null);
    let drawn = std::fs::read_to_string(svg).expect("a drawing");
    assert!(drawn.starts_with("<svg ") && drawn.contains("present 0.6000"));
    daemon.stop();
}

#[test]
fn inspectctl_replays_a_recipe_file() {
    require!(onnx_runtime());
    let site = site();
    let recipe = "product = \"p\"\nversion = \"2\"\nbundle = \"bundle\"\nthreshold = 0.9\nreview_from = 0.9\n";
    site.write("lenient.toml", recipe);
    let daemon = site.start();
    done(&daemon, "watch --from-sequence 1 --limit 30");
    let file = site.path("lenient.toml").display().to_string();
    let replay = |more: &str| {
        let line = format!("replay --recipe {file} --from 1h{more}");
        done(&daemon, &line)
    };
    let text = replay(" --changes 2");
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[0].contains("  belt        REJECT -> PASS, score 0.8"),
        "{text}"
    );
    assert!(
        lines[1].contains("  belt        REVIEW -> PASS, score 0.5"),
        "{text}"
    );
    assert!(lines[2].starts_with("recipe lenient 2 ("), "{text}");
    assert!(
        text.contains("\nframes      PASS  REVIEW  REJECT  FAULT\n"),
        "{text}"
    );
    let lines = json_lines(&replay(" --json --camera belt"));
    let summary = &lines.last().expect("lines")["summary"];
    assert_eq!(lines.len() as u64 - 1, changed(summary), "{summary}");
    assert_eq!(lines[0]["change"]["sequence"], 2);
    let stderr = run(
        inspectctl(&daemon).args(["replay", "--recipe", "absent"]),
        1,
    )
    .stderr();
    assert!(stderr.contains("recipes.folder is not set"), "{stderr}");
    let stderr = run(
        inspectctl(&daemon).args(["replay", "--recipe", "absent.toml"]),
        1,
    )
    .stderr();
    assert!(stderr.contains("absent.toml: "), "{stderr}");
    daemon.stop();
}

/// The number of frames in a summary whose decision changes.
fn changed(summary: &Value) -> u64 {
    let cells = summary["frames"].as_array().expect("cells");
    let cells = cells
        .iter()
        .filter(|cell| cell["old_decision"] != cell["new_decision"]);
    cells.filter_map(|cell| cell["count"].as_u64()).sum()
}
