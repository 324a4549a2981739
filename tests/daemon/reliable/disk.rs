//! A journal that cannot be written: the line goes on as it is told to, says so everywhere, and recovers
//! by itself.

use std::time::{Duration, Instant};

use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::{Decision, FaultReason, LineState, Verdict};
use inspectd_test_support::{MemoryDisk, onnx_runtime, require};
use tonic::Code;

use super::plant::{belt, journal, site, stream_refused, whole};
use crate::belt::PARTS;
use crate::harness::{Daemon, Site, Verdicts};

const POLICIES: [&str; 2] = ["fault", "continue"];

fn site_of(policy: &str) -> Site {
    let keys = format!("on_journal_failure = \"{policy}\"\nstall_timeout_s = 0.2\n");
    let top = format!("{}[evidence]\ndisk_mib = 0\n", journal(&keys));
    site(&top, &belt("belt", "fps = 50"))
}

/// Asserts that a verdict which is not in the journal is what the policy makes of it.
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

/// Asserts that everything says that verdicts are not journalled, and goes on saying so.
async fn check_loud(daemon: &Daemon, verdicts: &mut Verdicts, policy: &str) {
    let verdict = verdicts.until(|verdict| verdict.sequence == 0).await;
    check_unjournalled(&verdict, policy);
    daemon.serves_when("", false).await;
    let status = daemon.status().await;
    assert_eq!(status.state(), LineState::Degraded);
    let journal = status.journal.expect("a journal");
    assert!(!journal.trouble.is_empty() && journal.trouble_time.is_some());
    assert!(journal.unjournalled > 0);
    let (_, page) = daemon.page("/metrics");
    assert!(page.contains("\ninspectd_journal_failing 1\n"), "{page}");
    let counted = page
        .lines()
        .find_map(|line| line.strip_prefix("inspectd_unjournalled_total "));
    assert_ne!(counted.expect("a count"), "0");
    // It is tried again every second: that alone is no recovery.
    let until = Instant::now() + Duration::from_millis(2500);
    while Instant::now() < until {
        check_unjournalled(&verdicts.next().await, policy);
        assert!(!daemon.serves("").await.expect("a known name"));
    }
}

/// Asserts that verdicts are journalled again, and gives back the first that is.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_full_disk_is_told_and_got_over() {
    require!(onnx_runtime());
    for policy in POLICIES {
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
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_folder_that_cannot_be_made_is_told_and_got_over() {
    require!(onnx_runtime());
    for policy in POLICIES {
        let site = site_of(policy);
        site.write("journal", "in the way");
        let daemon = site.start();
        let mut verdicts = daemon.verdicts().await;
        check_loud(&daemon, &mut verdicts, policy).await;
        // Where a consumer was cannot be known: it is not begun anew.
        let refused = stream_refused(&daemon, Start::Consumer("plc".to_owned())).await;
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        std::fs::remove_file(site.path("journal")).expect("it is in the way");
        check_recovered(&daemon, &mut verdicts).await;
        daemon.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_read_only_disk_is_told_and_sequences_go_on_after_it() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_disk_that_stands_still_does_not_hold_up_the_line() {
    require!(onnx_runtime());
    for policy in POLICIES {
        let site = site_of(policy);
        let daemon = site.start();
        let mut verdicts = daemon.verdicts().await;
        verdicts.next().await;
        let file = site.path("journal/journal.sqlite");
        let other = rusqlite::Connection::open(file).expect("the journal");
        other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        let held_up = verdicts.until(|verdict| verdict.sequence == 0).await;
        check_unjournalled(&held_up, policy);
        // While it stands still, frames have their verdicts at their pace.
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
        // What arrived late, if it did, is what was told.
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
    }
}
