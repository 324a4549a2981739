//! Latencies and standstills of a report against those of the verdicts.

use super::*;

/// Asserts that percentiles are within one per cent of those of the verdicts.
pub(super) fn check_latency(report: &Report, verdicts: &[Verdict]) {
    let judged = verdicts.iter().filter(|verdict| verdict.score.is_some());
    let mut sorted: Vec<Duration> = judged
        .map(|verdict| {
            let total = verdict.timings.and_then(|timings| timings.total);
            let total = total.expect("a judged frame has it");
            Duration::try_from(total).expect("not negative")
        })
        .collect();
    sorted.sort_unstable();
    let latency = report.latency.expect("it is set");
    for (percent, found) in [(50, latency.p50), (95, latency.p95), (99, latency.p99)] {
        let exact = sorted[(sorted.len() * percent).div_ceil(100) - 1];
        let found = Duration::try_from(found.expect("there are frames")).expect("not negative");
        let difference = found.abs_diff(exact);
        assert!(
            difference * 100 <= exact,
            "p{percent}: {found:?}, not {exact:?}"
        );
    }
    let highest = latency.highest.expect("there are frames");
    assert_eq!(Duration::try_from(highest).ok(), sorted.last().copied());
}

/// Asserts that the times without verdicts are those between the verdicts, and that the restart is in one of them.
pub(super) fn check_standstills(report: &Report, verdicts: &[Verdict]) {
    let mut expected = Vec::new();
    let mut last = (time(report.from_time), "");
    for verdict in verdicts {
        let recorded = time(verdict.record_time);
        let started = !last.1.is_empty() && last.1 != verdict.run_id;
        expected.push((last.0, recorded, started));
        last = (recorded, verdict.run_id.as_str());
    }
    expected.push((last.0, time(report.to_time), false));
    // The daemon was started before its first verdict.
    expected[0].2 = true;
    expected.retain(|&(from, to, _)| {
        let length = to.duration_since(from).unwrap_or_default();
        length > Duration::from_secs(1)
    });
    let restarts = expected.iter().filter(|standstill| standstill.2).count();
    assert_eq!(restarts, 2, "{expected:?}");
    let mut found: Vec<_> = report
        .standstills
        .iter()
        .map(|one| (time(one.from_time), time(one.to_time), one.started))
        .collect();
    found.sort_unstable();
    assert_eq!(found, expected);
    let total: Duration = expected
        .iter()
        .filter_map(|(from, to, _)| to.duration_since(*from).ok())
        .sum();
    let found = report.standstill_total.expect("it is set");
    assert_eq!(Duration::try_from(found).ok(), Some(total));
}
