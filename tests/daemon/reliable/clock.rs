//! A wall clock that is set back and forward while the daemon runs, by libfaketime.

use std::time::{Duration, SystemTime};

use inspectd_client::proto::Verdict;
use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_test_support::{libfaketime, onnx_runtime, require};

use super::journal_site::{belt, journal, site, stream_from, whole};
use crate::harness::{Daemon, Verdicts};

const HOUR: Duration = Duration::from_hours(1);

fn time(time: Option<prost_types::Timestamp>) -> SystemTime {
    SystemTime::try_from(time.expect("a time")).expect("a time of this age")
}

/// Reads verdicts until the capture time shows the new clock.
async fn until_captured(
    verdicts: &mut Verdicts,
    seen: &mut Vec<Verdict>,
    wanted: impl Fn(SystemTime) -> bool,
) {
    for _ in 0..1000 {
        let verdict = verdicts.next().await;
        let captured = time(verdict.capture_time);
        seen.push(verdict);
        if wanted(captured) {
            return;
        }
    }
    panic!("the clock was not set");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn setting_the_wall_clock_back_and_forward_loses_no_verdict() {
    require!(onnx_runtime());
    let library = require!(libfaketime());
    let site = site(&journal(""), &belt("belt", "fps = 50"));
    site.write("time", "+0");
    let daemon = Daemon::spawn(
        site.command()
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", site.path("time"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    );
    daemon.wait_for_log("ready");
    let mut verdicts = daemon.verdicts().await;
    let mut seen = Vec::new();
    let now = SystemTime::now();
    until_captured(&mut verdicts, &mut seen, |_| true).await;
    site.write("time", "-2h");
    until_captured(&mut verdicts, &mut seen, |captured| captured < now - HOUR).await;
    // More than the retention time of verdicts.
    site.write("time", "+400d");
    until_captured(&mut verdicts, &mut seen, |captured| {
        captured > now + 9000 * HOUR
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    site.write("time", "+0");
    until_captured(&mut verdicts, &mut seen, |captured| captured < now + HOUR).await;
    for pair in seen.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
        let since_start = |verdict: &Verdict| {
            let since = verdict.capture_monotonic.expect("a time");
            (since.seconds, since.nanos)
        };
        assert!(since_start(&pair[1]) >= since_start(&pair[0]), "{pair:?}");
    }
    // The clock that was ahead does not stamp the verdicts after its correction.
    let recorded = time(seen.last().expect("some").record_time);
    assert!(recorded < now + HOUR, "{recorded:?}");
    let kept = whole(&daemon).await;
    for verdict in &seen {
        assert_eq!(kept.get(&verdict.sequence), Some(verdict));
    }
    // A stream from a record time starts with its verdict.
    let wanted = seen.last().expect("some");
    let start = Start::FromTime(wanted.record_time.expect("a time"));
    let first = stream_from(&daemon, start).await.next().await;
    assert_eq!(first.record_time, wanted.record_time);
    assert!(first.sequence <= wanted.sequence);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn wrong_clock_at_the_start_removes_no_verdict_and_is_an_alarm() {
    require!(onnx_runtime());
    let library = require!(libfaketime());
    let site = site(&journal(""), &belt("belt", "fps = 50"));
    let start = |ahead: &str| {
        Daemon::spawn(
            site.command()
                .env("LD_PRELOAD", &library)
                .env("FAKETIME", ahead)
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        )
    };
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    verdicts.until(|verdict| verdict.sequence >= 40).await;
    daemon.stop();

    // The second start sees verdicts that were recorded with the wrong clock.
    for _ in 0..2 {
        let daemon = start("+400d");
        daemon.wait_for_log("ready");
        let mut verdicts = daemon.verdicts().await;
        let from = verdicts.next().await.sequence;
        verdicts
            .until(|verdict| verdict.sequence >= from + 100)
            .await;
        assert_eq!(
            whole(&daemon)
                .await
                .first_key_value()
                .map(|(first, _)| *first),
            Some(1)
        );
        if from < 100 {
            let status = daemon.status().await;
            assert_eq!(status.alarms[0].kind, "clock_jumped");
        }
        daemon.stop();
    }
    let daemon = start("+0");
    daemon.wait_for_log("ready");
    let mut verdicts = daemon.verdicts().await;
    let recorded = time(verdicts.next().await.record_time);
    assert!(recorded < SystemTime::now() + HOUR, "{recorded:?}");
    assert!(daemon.status().await.alarms.is_empty());
    daemon.stop();
}
