//! Clients that read nothing for a while: the daemon does not grow, and they catch up completely.

use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_test_support::{onnx_runtime, require};

use super::journal_site::{belt, journal, site};
use crate::clients::narrow;
use crate::harness::Verdicts;

/// Clients that read, and clients that do not.
const READERS: usize = 40;
const STALLED: usize = 10;

/// Verdicts that the reading clients get meanwhile. The broadcast buffer holds 64.
const VERDICTS: u64 = 1500;

/// The maximum growth of the daemon's memory meanwhile, KiB: far less than the missed verdicts of the
/// stalled clients would take.
const GROWTH_LIMIT_KIB: u64 = 24 << 10;

/// Reads from the verdict after `last` up to `end`; none is missing.
async fn read(mut verdicts: Verdicts, mut last: Option<u64>, end: u64) {
    while last.is_none_or(|last| last < end) {
        match verdicts.event().await.expect("a running stream") {
            Event::Verdict(verdict) => {
                let sequence = verdict.sequence;
                assert!(
                    last.is_none_or(|last| last + 1 == sequence),
                    "{last:?}, {sequence}"
                );
                last = Some(sequence);
            }
            Event::Heartbeat(_) => {}
            Event::Gap(gap) => panic!("{gap:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_clients_catch_up_without_memory_growth() {
    require!(onnx_runtime());
    let site = site(&journal(""), &belt("belt", "fps = 800"));
    let daemon = site.start_with(&[
        ("INSPECTD__SERVER__STREAM_BACKLOG", "64"),
        ("INSPECTD__EVIDENCE__MEMORY_MIB", "0"),
        ("INSPECTD__EVIDENCE__DISK_MIB", "0"),
    ]);
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        let mut verdicts = narrow(&daemon).await;
        let first = verdicts.next().await.sequence;
        stalled.push((verdicts, first));
    }
    let mut streams = Vec::new();
    for _ in 0..READERS {
        streams.push(daemon.verdicts().await);
    }
    let begun = daemon.status().await.sequence;
    // All buffers are full after a third.
    let (warm, end) = (begun + VERDICTS / 3, begun + VERDICTS);
    let readers: Vec<_> = streams
        .into_iter()
        .map(|verdicts| tokio::spawn(read(verdicts, None, end)))
        .collect();
    daemon
        .status_when("warm", |status| status.sequence >= warm)
        .await;
    let before = daemon.memory_kib();
    for reader in readers {
        reader.await.expect("a complete stream");
    }
    let growth = daemon.memory_kib().saturating_sub(before);
    let late: Vec<_> = stalled
        .into_iter()
        .map(|(verdicts, first)| tokio::spawn(read(verdicts, Some(first), end)))
        .collect();
    for reader in late {
        reader.await.expect("a complete stream");
    }
    let after = daemon.memory_kib().saturating_sub(before);
    println!("grew by {growth} KiB while they stalled, {after} KiB when they had caught up");
    assert!(
        growth.max(after) < GROWTH_LIMIT_KIB,
        "{growth} KiB, {after} KiB"
    );
    assert_eq!(daemon.status().await.missed_by_slow_clients, 0);
    daemon.stop();
}
