//! Exposure and gain that are changed while the camera runs: by a call, by a reload, and in the active recipe.

use std::fs;

use inspectd_client::proto::{
    AuditEntry, CameraState, Decision, Fault, FaultReason, ListAuditEntriesRequest,
    ReloadConfigurationRequest, SetCameraControlsRequest, SetCameraControlsResponse, Verdict,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::{Code, Status};

use super::{DeviceSite, EXPOSURE, GAIN};
use crate::harness::{Daemon, PATIENCE, Verdicts};
use crate::inquiry::camera;
use crate::recipes::{Line, recipe};

const TOP: &str = "[journal]\nfolder = \"journal\"\n[recipes]\nfolder = \"recipes\"\n";

/// A camera with the dark pictures.
fn site(keys: &str) -> DeviceSite {
    let keys = format!("mode = \"triggered\"\nqueue = 64\nexposure_us = 1000 # dark\n{keys}");
    let device = DeviceSite::with_top(TOP, &keys);
    fs::create_dir(device.site.path("recipes")).expect("a folder");
    device
}

fn text(device: &DeviceSite) -> String {
    fs::read_to_string(device.site.path("inspectd.toml")).expect("the configuration")
}

async fn set(
    daemon: &Daemon,
    exposure_us: Option<u32>,
    gain: Option<f64>,
) -> Result<SetCameraControlsResponse, Status> {
    let request = SetCameraControlsRequest {
        camera_id: "dev".to_owned(),
        exposure_us,
        gain,
        ..SetCameraControlsRequest::default()
    };
    let answer = daemon.line().await.set_camera_controls(request).await?;
    Ok(answer.into_inner())
}

async fn reload(daemon: &Daemon) -> Result<Vec<String>, Status> {
    let mut line = daemon.line().await;
    let answer = line.reload_configuration(ReloadConfigurationRequest {});
    let configuration = answer.await?.into_inner().configuration;
    Ok(configuration.expect("always set").restart_required_keys)
}

async fn hash(daemon: &Daemon) -> String {
    let configuration = daemon.status().await.configuration;
    configuration.expect("always set").hash
}

/// Fails unless ten frames are judged by the configuration `hash` with the decision `expected`, and all frames by another
/// one with the other decision.
async fn judged_by(verdicts: &mut Verdicts, hash: &str, expected: Decision) {
    let until = tokio::time::Instant::now() + PATIENCE;
    let mut judged = 0;
    while judged < 10 {
        assert!(tokio::time::Instant::now() < until, "{judged} frames");
        let verdict = verdicts.next().await;
        if verdict.fault.as_ref().map(Fault::reason) == Some(FaultReason::CameraSettings) {
            continue;
        }
        let is_new = verdict.config_hash == hash;
        assert_eq!(verdict.decision() == expected, is_new, "{verdict:?}");
        judged += u32::from(is_new);
    }
}

async fn first_pass(verdicts: &mut Verdicts) -> Verdict {
    let passes = |verdict: &Verdict| verdict.decision() == Decision::Pass;
    verdicts.until(passes).await
}

async fn entries(daemon: &Daemon, subject: &str) -> Vec<AuditEntry> {
    let request = ListAuditEntriesRequest::default();
    let entries = daemon.line().await.list_audit_entries(request).await;
    let mut entries = entries.expect("a log").into_inner().entries;
    entries.retain(|entry| entry.subject == subject);
    entries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn exposure_that_is_set_reaches_the_camera_and_no_frame_is_judged_with_another_one() {
    require!(onnx_runtime());
    let device = site("");
    let before = text(&device);
    let daemon = device.start();
    let mut verdicts = daemon.verdicts().await;
    first_pass(&mut verdicts).await;

    // The bright pictures are rejected.
    let answer = set(&daemon, Some(8000), None).await.expect("it takes it");
    assert_eq!(device.control.get(EXPOSURE), 80);
    assert_eq!(
        (
            answer.previous_exposure_us,
            answer.previous_gain,
            answer.recipe_id.as_str()
        ),
        (Some(1000), None, "")
    );
    assert_eq!(text(&device), before.replace("= 1000", "= 8000"));
    let bright = hash(&daemon).await;
    judged_by(&mut verdicts, &bright, Decision::Reject).await;
    // The same values change nothing.
    set(&daemon, Some(8000), None).await.expect("no change");
    assert_eq!(hash(&daemon).await, bright);

    // A reload opens the camera with them as well.
    let dark = before.replace("exposure_us = 1000", "gain = 3\nexposure_us = 2000");
    device.site.write("inspectd.toml", &dark);
    assert_eq!(reload(&daemon).await.expect("it takes them"), [""; 0]);
    let controls = [EXPOSURE, GAIN].map(|word| device.control.get(word));
    assert_eq!(controls, [20, 3]);
    let reloaded = hash(&daemon).await;
    judged_by(&mut verdicts, &reloaded, Decision::Pass).await;

    // A key that is removed leaves the camera with its value.
    let answer = set(&daemon, Some(2000), None).await.expect("it opens");
    assert_eq!(answer.previous_gain, Some(3.0));
    assert_eq!(text(&device), before.replace("= 1000", "= 2000"));
    assert_eq!(device.control.get(GAIN), 3);
    let changes = entries(&daemon, "cameras.dev.exposure_us").await;
    let changes: Vec<_> = changes
        .iter()
        .map(|entry| (&*entry.action, &*entry.before, &*entry.after))
        .collect();
    assert_eq!(
        changes,
        [
            ("configuration", "1000", "8000"),
            ("configuration", "8000", "2000")
        ]
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn value_that_the_camera_does_not_take_leaves_file_and_camera_as_they_were() {
    require!(onnx_runtime());
    let device = site("");
    // The camera's own gain.
    device.control.set(GAIN, 7);
    let before = text(&device);
    let daemon = device.start();
    let mut verdicts = daemon.verdicts().await;
    first_pass(&mut verdicts).await;
    let configured = hash(&daemon).await;

    let refused = set(&daemon, Some(8000), Some(20.0)).await;
    let refused = refused.expect_err("the largest gain is 16");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(
        refused.message().contains("gain = 20, but has 16"),
        "{refused}"
    );
    assert_eq!(text(&device), before);
    assert_eq!(hash(&daemon).await, configured);
    let controls = [EXPOSURE, GAIN].map(|word| device.control.get(word));
    assert_eq!(controls, [10, 7]);
    let changes = entries(&daemon, "cameras.dev.exposure_us").await;
    let changes: Vec<_> = changes
        .iter()
        .map(|entry| (&*entry.before, &*entry.after))
        .collect();
    assert_eq!(changes, [("1000", "8000"), ("8000", "1000")]);

    // A reload is refused in the same way.
    let high = before.replace("= 1000", "= 1000\ngain = 20");
    device.site.write("inspectd.toml", &high);
    let refused = reload(&daemon).await.expect_err("the largest gain is 16");
    assert!(
        refused.message().contains("gain = 20, but has 16"),
        "{refused}"
    );
    assert_eq!(device.control.get(GAIN), 7);
    let running = |status: &_| camera(status, "dev").state() == CameraState::Running;
    let sequence = daemon
        .status_when("a running camera", running)
        .await
        .sequence;
    let passes =
        |verdict: &Verdict| verdict.sequence > sequence && verdict.decision() == Decision::Pass;
    assert_eq!(verdicts.until(passes).await.config_hash, configured);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn exposure_of_the_active_recipe_is_changed_in_its_file() {
    require!(onnx_runtime());
    let device = site("gain = 2\n");
    let own = "threshold = 0.6\n[cameras.dev]\nexposure_us = 2000 # of this product\n";
    let before = recipe("../bundle", own);
    device.site.write("recipes/grey.toml", &before);
    let configuration = text(&device);
    let daemon = device.start();
    let mut line = Line::of(&daemon).await;
    line.activate("grey").await.expect("the camera takes it");
    let file = || {
        let file = device.site.path("recipes/grey.toml");
        fs::read_to_string(file).expect("the recipe")
    };

    // The gain is that of the configuration, and stays there.
    let answer = set(&daemon, Some(8000), Some(2.0))
        .await
        .expect("it takes it");
    assert_eq!(
        (
            answer.recipe_id.as_str(),
            answer.previous_exposure_us,
            answer.previous_gain
        ),
        ("grey", Some(2000), Some(2.0))
    );
    assert_eq!(device.control.get(EXPOSURE), 80);
    assert_eq!(file(), before.replace("= 2000", "= 8000"));
    assert_eq!(text(&device), configuration);
    let mut verdicts = daemon.verdicts().await;
    let rejects = |verdict: &Verdict| verdict.decision() == Decision::Reject;
    let verdict = verdicts.until(rejects).await;
    assert_eq!(verdict.recipe.expect("it is active").id, "grey");
    let changes = entries(&daemon, "recipe grey: cameras.dev.exposure_us").await;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0].action, "recipe");

    let refused = set(&daemon, Some(8000), Some(20.0)).await;
    let refused = refused.expect_err("the largest gain is 16");
    assert!(
        refused.message().contains("gain = 20, but has 16"),
        "{refused}"
    );
    let refused = set(&daemon, Some(8000), None).await;
    let refused = refused.expect_err("the configuration sets the gain");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("would still be 2"), "{refused}");
    assert_eq!(file(), before.replace("= 2000", "= 8000"));
    let controls = [EXPOSURE, GAIN].map(|word| device.control.get(word));
    assert_eq!(controls, [80, 2]);

    // Without its own value, the configured one applies.
    set(&daemon, None, Some(2.0)).await.expect("it takes it");
    assert_eq!(device.control.get(EXPOSURE), 10);
    assert!(!file().contains("exposure_us"), "{}", file());
    daemon.stop();
}
