//! Reloading the configuration and the model of a running daemon.

use inspectd_client::proto::{
    Configuration, Decision, ReloadConfigurationRequest, ReloadConfigurationResponse, Verdict,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{CELLS, Daemon, Site, Verdicts, write_bundle, write_bundle_of};

/// A folder with one even picture, whose score is 0.5.
const BELT: &str = "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\n\
                    mode = \"triggered\"\nqueue = 64\n";

const STRICT: &str = "[verdict]\nthreshold = 0.4\n";

fn belt(fps: u32) -> String {
    format!("{BELT}fps = {fps}\n")
}

fn site() -> Site {
    let site = Site::new(&belt(50));
    site.pictures("pictures", &[("a.png", 128)]);
    site
}

async fn reload(daemon: &Daemon) -> Result<ReloadConfigurationResponse, tonic::Status> {
    let mut line = daemon.line().await;
    let response = line.reload_configuration(ReloadConfigurationRequest {});
    Ok(response.await?.into_inner())
}

async fn configuration(daemon: &Daemon) -> Configuration {
    let status = daemon.status().await;
    status.configuration.expect("a configuration")
}

/// The next verdict that was made under another threshold than 0.6, which is 0.4.
async fn strict(verdicts: &mut Verdicts) -> Verdict {
    let threshold = |verdict: &Verdict| verdict.score.as_ref().expect("a score").threshold;
    let verdict = verdicts.until(|v| (threshold(v) - 0.6).abs() > 1e-6).await;
    assert!((threshold(&verdict) - 0.4).abs() < 1e-6, "{verdict:?}");
    assert_eq!(verdict.decision(), Decision::Reject);
    verdict
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn reload_call_activates_a_changed_threshold() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    assert_eq!(verdicts.next().await.decision(), Decision::Pass);
    let before = configuration(&daemon).await;
    let same = reload(&daemon).await.expect("a good configuration");
    assert!(!same.changed);
    assert_eq!(same.configuration.as_ref(), Some(&before));

    site.configure(STRICT, &belt(50));
    let answer = reload(&daemon).await.expect("a good configuration");
    assert!(answer.changed);
    let after = answer.configuration.expect("a configuration");
    assert_eq!((before.generation, after.generation), (1, 2));
    assert_ne!(before.hash, after.hash);
    assert_eq!(strict(&mut verdicts).await.config_hash, after.hash);
    let status = daemon.status().await;
    assert!((status.threshold - 0.4).abs() < 1e-6);
    assert_eq!(status.configuration, Some(after));
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn hangup_signal_activates_a_changed_threshold() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    site.configure(STRICT, &belt(50));
    daemon.signal("HUP");
    strict(&mut verdicts).await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn changed_file_is_reloaded() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start_with(&[("INSPECTD__LIFE__WATCH_FILES", "true")]);
    let mut verdicts = daemon.verdicts().await;
    site.configure(STRICT, &belt(50));
    strict(&mut verdicts).await;
    assert_eq!(configuration(&daemon).await.generation, 2);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn invalid_configuration_changes_nothing_and_lists_all_errors() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let before = configuration(&daemon).await;
    let bad = "[verdict]\nthreshold = \"much\"\nreview = 0.1\n";
    site.configure(bad, &belt(50));
    let refused = reload(&daemon).await.expect_err("a bad configuration");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let details = refused.get_details_precondition_failure();
    let violations = details.expect("details").violations;
    let keys = ["verdict.review:", "verdict.threshold:"];
    assert_eq!(violations.len(), keys.len(), "{violations:?}");
    for (violation, key) in violations.iter().zip(keys) {
        assert!(violation.description.contains(key), "{violation:?}");
        assert!(violation.description.contains("inspectd.toml:"));
    }
    let after = configuration(&daemon).await;
    assert!(keys.iter().all(|key| after.last_reload_error.contains(key)));
    assert!(after.last_reload_error_time.is_some());
    assert_eq!((after.generation, &after.hash), (1, &before.hash));
    let threshold = verdicts.next().await.score.expect("a score").threshold;
    assert!((threshold - 0.6).abs() < 1e-6);

    site.configure("", &belt(50));
    assert!(!reload(&daemon).await.expect("fixed").changed);
    assert_eq!(configuration(&daemon).await, before);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn changed_key_that_requires_a_restart_is_named() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    site.configure("[evidence]\nmemory_mib = 1\n", &belt(49));
    let answer = reload(&daemon).await.expect("a good configuration");
    assert!(!answer.changed);
    let waiting = answer.configuration.expect("one").restart_required_keys;
    let keys = ["cameras.belt.fps", "evidence.memory_mib"];
    assert_eq!(waiting, keys);
    assert_eq!(configuration(&daemon).await.restart_required_keys, keys);
    assert_eq!(daemon.status().await.cameras.len(), 1);
    site.configure("", &belt(50));
    reload(&daemon).await.expect("a good configuration");
    assert!(
        configuration(&daemon)
            .await
            .restart_required_keys
            .is_empty()
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn new_model_replaces_the_old_between_two_frames() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let first = verdicts.next().await;
    // In place of the old one: the configuration does not change.
    write_bundle_of(&site.path("bundle"), "2026.2", 0.4, CELLS);
    let answer = reload(&daemon).await.expect("a good bundle");
    assert!(answer.changed);
    assert_eq!(answer.model.expect("a model").version, "2026.2");

    let (mut last, mut swaps, mut after) = (first, 0, 0);
    while after < 50 {
        let verdict = verdicts.next().await;
        assert_eq!(verdict.sequence, last.sequence + 1);
        assert_eq!(verdict.frame_id, last.frame_id + 1);
        let model = verdict.model.as_ref().expect("a model");
        let decision = match model.version.as_str() {
            "2026.1" => Decision::Pass,
            _ => Decision::Reject,
        };
        assert_eq!(verdict.decision(), decision, "{verdict:?}");
        swaps += i32::from(verdict.model != last.model);
        after += i32::from(model.version == "2026.2");
        last = verdict;
    }
    assert_eq!(swaps, 1);
    let status = daemon.status().await;
    assert_eq!(status.model, last.model);
    assert!((status.threshold - 0.4).abs() < 1e-6);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn damaged_model_leaves_the_old_one_active() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let first = verdicts.next().await;
    // One that ONNX Runtime refuses, one whose hash is wrong, none at all.
    write_bundle_of(&site.path("cut"), "2026.2", 0.4, &CELLS[..CELLS.len() / 2]);
    write_bundle(&site.path("altered"), 0.4);
    std::fs::write(site.path("altered/model.onnx"), "altered").expect("a file");
    for bundle in ["cut", "altered", "absent"] {
        site.set_bundle(bundle);
        let refused = reload(&daemon).await.expect_err("a bad bundle");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains(bundle), "{refused:?}");
        assert_eq!(
            configuration(&daemon).await.last_reload_error,
            refused.message()
        );
    }
    let sequence = daemon.status().await.sequence;
    let later = verdicts.until(|verdict| verdict.sequence > sequence).await;
    assert_eq!(later.model, first.model);
    assert_eq!(later.config_hash, first.config_hash);
    assert_eq!(later.decision(), Decision::Pass);
    daemon.stop();
}
