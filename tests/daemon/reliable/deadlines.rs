//! Deadlines and queue limits.

use inspectd_client::proto::{Decision, FaultReason, Verdict};
use inspectd_test_support::{onnx_runtime, require};

use super::journal_site::{belt, journal, site};
use crate::harness::{Site, Verdicts, check_concurrently};
use crate::inquiry::frames;

/// A camera whose frames take at least `batch_window_ms`, the time that inference waits for another frame.
fn slow(batch_window_ms: u32, keys: &str) -> Site {
    let engine = format!("[engine]\nbatch_limit = 2\nbatch_window_ms = {batch_window_ms}\n");
    site(&format!("{}{engine}", journal("")), &belt("belt", keys))
}

async fn some(verdicts: &mut Verdicts, count: usize) -> Vec<Verdict> {
    let mut some = Vec::new();
    for _ in 0..count {
        some.push(verdicts.next().await);
    }
    some
}

/// Asserts that each frame has exactly one verdict.
fn check_once_each(verdicts: &[Verdict]) {
    let mut ids: Vec<u64> = verdicts.iter().map(|verdict| verdict.frame_id).collect();
    ids.sort_unstable();
    let expected: Vec<u64> = (ids[0]..).take(ids.len()).collect();
    assert_eq!(ids, expected);
}

fn reason(verdict: &Verdict) -> FaultReason {
    verdict.fault.as_ref().expect("a fault").reason()
}

#[test]
fn missed_deadline_publishes_the_policy_decision_in_time() {
    require!(onnx_runtime());
    let cases = [("fault", Decision::Fault), ("reject", Decision::Reject)];
    check_concurrently(cases, async |(policy, expected)| {
        let keys = format!("fps = 1.2\ndeadline_ms = 100\non_deadline = \"{policy}\"");
        let site = slow(800, &keys);
        let daemon = site.start();
        let mut verdicts = daemon.verdicts().await;
        let verdicts = some(&mut verdicts, 4).await;
        check_once_each(&verdicts);
        for verdict in &verdicts {
            assert_eq!(verdict.decision(), expected);
            assert_eq!(reason(verdict), FaultReason::DeadlineMissed);
            let total = verdict.timings.expect("timings").total.expect("a time");
            // Before the engine is done.
            assert!(
                total.seconds == 0 && total.nanos >= 100_000_000,
                "{total:?}"
            );
            assert!(total.nanos < 780_000_000, "{total:?}");
        }
        let late = |status: &inspectd_client::proto::Status| frames(status, "belt").late >= 3;
        let status = daemon.status_when("late results", late).await;
        let counts = frames(&status, "belt");
        assert_eq!(counts.judged, 0);
        assert!(counts.late <= counts.faulted && counts.faulted <= counts.captured);
        daemon.stop();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn met_deadline_keeps_the_judgement() {
    require!(onnx_runtime());
    let site = slow(400, "fps = 2\ndeadline_ms = 20000");
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let verdicts = some(&mut verdicts, 4).await;
    check_once_each(&verdicts);
    assert!(verdicts.iter().all(|verdict| verdict.fault.is_none()));
    assert_eq!(frames(&daemon.status().await, "belt").late, 0);
    daemon.stop();
}

#[test]
fn full_queue_sheds_the_configured_frame() {
    require!(onnx_runtime());
    check_concurrently(["newest", "oldest"], async |shed| {
        // About 20 frames arrive while a run waits, and the queue holds one.
        let site = slow(400, &format!("fps = 50\nqueue = 1\nshed = \"{shed}\""));
        let daemon = site.start();
        let mut verdicts = daemon.verdicts().await;
        let verdicts = some(&mut verdicts, 80).await;
        let judged: Vec<&Verdict> = verdicts.iter().filter(|v| v.fault.is_none()).collect();
        assert!(judged.len() >= 2, "{shed}");
        let overflown = verdicts.iter().filter(|v| v.fault.is_some());
        assert!(
            overflown
                .clone()
                .all(|v| reason(v) == FaultReason::Overflow)
        );
        assert!(overflown.count() > judged.len());
        // The queue time of a judged frame shows which one was kept.
        for verdict in judged {
            let queue = verdict.timings.expect("timings").queue.expect("a time");
            let waited_ms = queue.nanos / 1_000_000;
            match shed {
                "newest" => assert!(waited_ms > 200, "{waited_ms}"),
                _ => assert!(waited_ms < 200, "{waited_ms}"),
            }
        }
        daemon.stop();
    });
}
