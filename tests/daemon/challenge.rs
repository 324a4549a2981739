//! The challenge: known parts that are judged wrongly make the line FAULT until they are judged rightly.

use std::fs;

use inspectd_client::proto::tuning_service_client::TuningServiceClient;
use inspectd_client::proto::{
    Decision, FaultReason, ListAuditEntriesRequest, RunChallengeRequest, SetThresholdRequest,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;

use crate::ctl::{done, inspectctl, run};
use crate::harness::{Daemon, Site, write_png};

const BELT: &str = "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 50\nmode = \"triggered\"\n";

/// Good parts have the score 0.5, defective ones 0.84; the threshold of the bundle is 0.6.
fn site(challenge: &str) -> Site {
    let site = Site::new("");
    site.pictures("pictures", &[("a.png", 128)]);
    site.known_parts();
    site.configure(
        &format!("[journal]\nfolder = \"journal\"\n[challenge]\nfolder = \"known\"\ncamera = \"belt\"\n{challenge}"),
        BELT,
    );
    site
}

async fn set_threshold(daemon: &Daemon, threshold: Option<f64>) {
    let mut tuning = TuningServiceClient::new(daemon.channel().await);
    let request = SetThresholdRequest {
        threshold,
        ..SetThresholdRequest::default()
    };
    tuning.set_threshold(request).await.expect("valid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn failed_challenge_makes_the_line_fault_until_it_passes() {
    require!(onnx_runtime());
    let site = site("");
    let daemon = site.start();
    let status = daemon
        .status_when("the first challenge", |status| status.challenge.is_some())
        .await;
    let first = status.challenge.expect("it has ended");
    assert!(first.passed, "{first:?}");
    assert_eq!((first.good, first.defective, first.misses), (2, 1, 0));
    assert!(first.model.is_some());
    let mut verdicts = daemon.verdicts().await;
    verdicts
        .until(|verdict| verdict.decision() == Decision::Pass)
        .await;

    // A threshold above the defective part: the challenge runs by itself after the change.
    set_threshold(&daemon, Some(0.9)).await;
    let fault = verdicts.fault(FaultReason::ChallengeFailed).await;
    assert_eq!(fault.camera_id, "belt");
    let message = fault.fault.expect("a fault").message;
    assert!(
        message.contains("1 of 1 defective parts passed"),
        "{message}"
    );
    assert!(message.contains("dent/c.png: PASS"), "{message}");
    for _ in 0..20 {
        let verdict = verdicts.next().await;
        if verdict.camera_id == "belt" {
            assert_eq!(verdict.decision(), Decision::Fault, "{verdict:?}");
        } else {
            assert!(
                verdict.source_item.starts_with("challenge: "),
                "{verdict:?}"
            );
        }
    }
    let status = daemon.status().await;
    assert_eq!(
        status.alarms.first().expect("an alarm").kind,
        "challenge_failed"
    );
    let output = run(inspectctl(&daemon).arg("challenge"), 1);
    assert!(output.stdout().contains("dent/c.png: PASS"), "{output:?}");
    assert!(
        output.stderr().contains("the challenge failed"),
        "{output:?}"
    );
    daemon.stop();

    // The failure is known before the challenge has run again.
    let daemon = site.start_with(&[("INSPECTD__CHALLENGE__MAX_MISSES", "0")]);
    let mut verdicts = daemon.verdicts().await;
    let first = verdicts.until(|verdict| verdict.camera_id == "belt").await;
    assert_eq!(first.decision(), Decision::Fault, "{first:?}");
    set_threshold(&daemon, None).await;
    verdicts
        .until(|verdict| verdict.camera_id == "belt" && verdict.decision() == Decision::Pass)
        .await;
    assert_eq!(daemon.status().await.alarms, []);
    assert!(done(&daemon, "challenge").ends_with("passed\n"));
    let mut line = daemon.line().await;
    let entries = line
        .list_audit_entries(ListAuditEntriesRequest::default())
        .await;
    let entries = entries.expect("a log").into_inner().entries;
    let results: Vec<_> = entries
        .iter()
        .filter(|entry| entry.action == "challenge")
        .map(|entry| (entry.before == "passed", entry.after == "passed"))
        .collect();
    assert_eq!(results, [(true, false), (false, true)]);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn challenge_that_cannot_be_carried_out_fails_and_an_alarm_can_be_enough() {
    require!(onnx_runtime());
    let site = site("on_failure = \"alarm\"\n");
    fs::remove_dir_all(site.path("known/dent")).expect("removed");
    let daemon = site.start();
    let status = daemon
        .status_when("the challenge", |status| status.challenge.is_some())
        .await;
    let result = status.challenge.expect("it has ended");
    assert!(!result.passed);
    assert!(
        result.error.contains("no picture of a defective part"),
        "{result:?}"
    );
    let mut verdicts = daemon.verdicts().await;
    verdicts
        .until(|verdict| verdict.decision() == Decision::Pass)
        .await;
    let status = daemon.status().await;
    assert_eq!(
        status.alarms.first().expect("an alarm").kind,
        "challenge_failed"
    );
    // A file that is no picture is named.
    fs::create_dir(site.path("known/dent")).expect("a folder");
    site.write("known/dent/x.png", "not a picture");
    let mut line = daemon.line().await;
    let answer = line
        .run_challenge(RunChallengeRequest {})
        .await
        .expect("configured");
    let result = answer.into_inner().result.expect("set");
    assert!(result.error.contains("x.png"), "{result:?}");
    write_png(&site.path("known/dent/x.png"), 64, 128, 255);
    let answer = line
        .run_challenge(RunChallengeRequest {})
        .await
        .expect("configured");
    assert!(answer.into_inner().result.expect("set").passed);
    assert_eq!(daemon.status().await.alarms, []);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_a_folder_there_is_no_challenge_and_its_camera_must_be_configured() {
    require!(onnx_runtime());
    let site = site("");
    site.configure("", BELT);
    let daemon = site.start();
    let mut line = daemon.line().await;
    let refused = line.run_challenge(RunChallengeRequest {}).await;
    let refused = refused.expect_err("not configured");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert_eq!(daemon.status().await.challenge, None);
    daemon.stop();
    site.configure("[challenge]\nfolder = \"known\"\ncamera = \"up\"\n", BELT);
    let (_, output) = site.refused(&[]);
    assert!(
        output.contains("challenge.camera: \"up\", must be the id of a configured camera"),
        "{output}"
    );
}
