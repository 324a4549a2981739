//! A journal that cannot be written: the pipeline follows the policy, reports it everywhere, and recovers
//! by itself.

use std::time::{Duration, Instant};

use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::{Decision, FaultReason, LineState, Verdict};
use inspectd_test_support::{MemoryDisk, onnx_runtime, require};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::journal_site::{belt, journal, site, stream_refused, whole};
use crate::belt::PARTS;
use crate::harness::{Daemon, Site, Verdicts, check_concurrently};

const POLICIES: [&str; 2] = ["fault", "continue"];

fn site_of(policy: &str) -> Site {
    let keys = format!("on_journal_failure = \"{policy}\"\nstall_timeout_s = 0.5\n");
    let top = format!("{}[evidence]\ndisk_mib = 0\n", journal(&keys));
    site(&top, &belt("belt", "fps = 50"))
}

/// Asserts that a verdict which is not in the journal follows the policy.
fn check_unjournalled(verdict: &Verdict, policy: &str) {
    assert_eq!(verdict.sequence, 0);
    assert!(!verdict.evidence_kept);
    let fault = verdict.fault.as_ref();
    if policy == "fault" {
        assert_eq!(verdict.decision(), Decision::Fault, "{verdict:?}");
        assert_eq!(fault.expect("a fault").reason(), FaultReason::Journal);
    } else {
        let part = PARTS.iter().find(|(item, ..)| *item == verdict.source_item);
        let (_, _, expected) = part.expect("a part of the belt");
        assert_eq!(verdict.decision(), *expected, "{verdict:?}");
        assert_eq!(fault, None);
    }
}

/// Asserts that status, health, metrics and verdicts report the failing journal, and continue to.
async fn check_loud(daemon: &Daemon, verdicts: &mut Verdicts, policy: &str) {
    let verdict = verdicts.until(|verdict| verdict.sequence == 0).await;
    check_unjournalled(&verdict, policy);
    daemon.serves_when("", false).await;
    let status = daemon.status().await;
    assert_eq!(status.state(), LineState::Degraded);
    // A restart would not repair it.
    assert_eq!(daemon.page("/healthz"), (200, "running\n".to_owned()));
    let journal = status.journal.expect("a journal");
    assert!(!journal.trouble.is_empty() && journal.trouble_time.is_some());
    assert!(journal.unjournalled > 0);
    let (_, page) = daemon.page("/metrics");
    assert!(page.contains("\ninspectd_journal_failing 1\n"), "{page}");
    let counted = page
        .lines()
        .find_map(|line| line.strip_prefix("inspectd_unjournalled_total "));
    assert_ne!(counted.expect("a count"), "0");
    // A retry each second is not a recovery.
    let until = Instant::now() + Duration::from_millis(2500);
    let mut health = HealthClient::new(daemon.channel().await);
    while Instant::now() < until {
        check_unjournalled(&verdicts.next().await, policy);
        let response = health.check(HealthCheckRequest::default()).await;
        let serving = response.expect("a known name").into_inner().status();
        assert_eq!(serving, ServingStatus::NotServing);
    }
}

/// Asserts that verdicts are journalled again, and returns the first.
async fn check_recovered(daemon: &Daemon, verdicts: &mut Verdicts) -> Verdict {
    let verdict = verdicts.until(|verdict| verdict.sequence > 0).await;
    daemon.serves_when("", true).await;
    let status = daemon.status().await;
    assert_eq!(status.state(), LineState::Running);
    assert_eq!(status.journal.expect("a journal").trouble, "");
    let (_, page) = daemon.page("/metrics");
    assert!(page.contains("\ninspectd_journal_failing 0\n"), "{page}");
    verdict
}

#[test]
fn full_disk_is_reported_and_recovered_from() {
    require!(onnx_runtime());
    check_concurrently(POLICIES, async |policy| {
        let site = site_of(policy);
        let disk = require!(MemoryDisk::mount(site.path("journal"), "2m"));
        let daemon = site.start();
        let mut verdicts = daemon.verdicts().await;
        let mut seen = vec![verdicts.next().await, verdicts.next().await];
        disk.fill();
        loop {
            let verdict = verdicts.next().await;
            if verdict.sequence == 0 {
                break;
            }
            seen.push(verdict);
        }
        check_loud(&daemon, &mut verdicts, policy).await;
        disk.remove_filler();
        let after = check_recovered(&daemon, &mut verdicts).await;
        assert!(seen.iter().all(|before| before.sequence < after.sequence));
        seen.push(after);
        let kept = whole(&daemon).await;
        for verdict in &seen {
            assert_eq!(Some(verdict), kept.get(&verdict.sequence));
        }
        daemon.stop();
    });
}

#[test]
fn daemon_starts_on_a_full_disk_and_recovers() {
    require!(onnx_runtime());
    check_concurrently(POLICIES, async |policy| {
        let site = site_of(policy);
        let disk = require!(MemoryDisk::mount(site.path("journal"), "2m"));
        disk.fill();
        let daemon = site.start();
        let mut verdicts = daemon.verdicts().await;
        check_loud(&daemon, &mut verdicts, policy).await;
        disk.remove_filler();
        check_recovered(&daemon, &mut verdicts).await;
        daemon.stop();
    });
}

#[test]
fn journal_folder_that_cannot_be_created_is_reported_and_recovered_from() {
    require!(onnx_runtime());
    check_concurrently(POLICIES, async |policy| {
        let site = site_of(policy);
        site.write("journal", "in the way");
        let daemon = site.start();
        let mut verdicts = daemon.verdicts().await;
        check_loud(&daemon, &mut verdicts, policy).await;
        // The position of a consumer is unknown: its stream does not start again.
        let refused = stream_refused(&daemon, Start::Consumer("plc".to_owned())).await;
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        std::fs::remove_file(site.path("journal")).expect("it is in the way");
        check_recovered(&daemon, &mut verdicts).await;
        daemon.stop();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn read_only_disk_is_reported_and_sequences_continue_afterwards() {
    require!(onnx_runtime());
    let site = site_of("fault");
    let disk = require!(MemoryDisk::mount(site.path("journal"), "8m"));
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let last = verdicts.until(|verdict| verdict.sequence > 20).await;
    daemon.stop();
    disk.set_writable(false);
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    check_loud(&daemon, &mut verdicts, "fault").await;
    disk.set_writable(true);
    let after = check_recovered(&daemon, &mut verdicts).await;
    assert!(after.sequence > last.sequence);
    assert_eq!(whole(&daemon).await.get(&last.sequence), Some(&last));
    daemon.stop();
}

#[test]
fn stalled_journal_does_not_delay_verdicts() {
    require!(onnx_runtime());
    check_concurrently(POLICIES, async |policy| {
        let site = site_of(policy);
        let daemon = site.start();
        let mut verdicts = daemon.verdicts().await;
        verdicts.next().await;
        let file = site.path("journal/journal.sqlite");
        let other = rusqlite::Connection::open(file).expect("the journal");
        other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        let held_up = verdicts.until(|verdict| verdict.sequence == 0).await;
        check_unjournalled(&held_up, policy);
        // While the journal is stalled, verdicts are published at the frame rate.
        let begun = Instant::now();
        for _ in 0..10 {
            check_unjournalled(&verdicts.next().await, policy);
        }
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
        other.execute_batch("COMMIT").expect("the lock is free");
        let after = check_recovered(&daemon, &mut verdicts).await;
        let kept = whole(&daemon).await;
        // If the delayed verdict is journalled, it equals the published one.
        let late = kept
            .values()
            .find(|verdict| verdict.frame_id == held_up.frame_id);
        if let Some(late) = late {
            assert!(late.sequence < after.sequence);
            assert_eq!(
                (late.decision, &late.fault),
                (held_up.decision, &held_up.fault)
            );
        }
        daemon.stop();
    });
}
