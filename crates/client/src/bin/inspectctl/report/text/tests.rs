//! The text of a report.

use inspectd_client::proto::{
    AuditEntry, FaultCount, FaultReason, LatencyPercentiles, RejectCause, ReportInterval,
    ReportSource, ReviewedCounts, StageLatency, Standstill,
};
use prost_types::{Duration, Timestamp};

use super::tables::{TIME_ROWS, intervals};
use super::*;

/// 2026-11-18T11:06:40Z and later.
fn at(second: i64) -> Timestamp {
    Timestamp {
        seconds: 1_795_000_000 + second,
        nanos: 0,
    }
}

fn counts(pass: u64, review: u64, reject: u64, fault: u64) -> DecisionCounts {
    DecisionCounts {
        pass,
        reject,
        review,
        fault,
    }
}

fn plain(report: &Report) -> String {
    anstream::adapter::strip_str(&describe(report)).to_string()
}

fn report() -> Report {
    Report {
        from_time: Some(at(0)),
        to_time: Some(at(28_800)),
        host: "box".to_owned(),
        parts: Some(counts(1998, 1, 1, 2)),
        r#yield: Some(0.999),
        sources: vec![ReportSource {
            id: "belt".to_owned(),
            group: false,
            parts: Some(counts(1998, 1, 1, 2)),
            r#yield: Some(0.999),
        }],
        intervals: (0..96)
            .map(|index| ReportInterval {
                from_time: Some(at(index * 300)),
                parts: Some(counts(index as u64, 0, 0, 0)),
            })
            .collect(),
        regions: vec![RejectCause {
            camera_id: "belt".to_owned(),
            region: String::new(),
            count: 1,
        }],
        reviewed: Some(ReviewedCounts {
            rejected_good: 1,
            ..ReviewedCounts::default()
        }),
        faults: vec![FaultCount {
            id: "belt".to_owned(),
            reason: FaultReason::CameraLost.into(),
            count: 2,
        }],
        standstills: vec![Standstill {
            from_time: Some(at(60)),
            to_time: Some(at(360)),
            started: true,
        }],
        standstill_total: Some(Duration {
            seconds: 300,
            nanos: 0,
        }),
        latency: Some(LatencyPercentiles {
            count: 2000,
            p50: Some(Duration {
                seconds: 0,
                nanos: 12_500_000,
            }),
            ..LatencyPercentiles::default()
        }),
        stages: vec![StageLatency {
            stage: "queue".to_owned(),
            latency: Some(LatencyPercentiles::default()),
        }],
        changes: vec![AuditEntry {
            time: Some(at(120)),
            who: "ann".to_owned(),
            action: "threshold".to_owned(),
            subject: "verdict.threshold".to_owned(),
            before: "0.5".to_owned(),
            after: "two\nlines".to_owned(),
            ..AuditEntry::default()
        }],
        changes_left_out: 1,
        ..Report::default()
    }
}

#[test]
fn report_is_described_in_sections() {
    let text = plain(&report());
    let lines: Vec<_> = text.lines().collect();
    for expected in [
        "period    2026-11-18T11:06:40Z to 2026-11-18T19:06:40Z (8 h 0 min)",
        "host      box",
        "parts     2002: 1998 pass, 1 review, 1 reject, 2 fault, yield 99.90 %",
        "stopped   5 min 0 s without verdicts",
        "id    kind    parts  pass  review  reject  fault  yield %",
        "belt  camera   2002  1998       1       1      2    99.90",
        "belt    rest of the frame       1",
        "rejected, labelled good (false reject)         1",
        "belt  camera_lost         2",
        "2026-11-18T11:07:40Z  2026-11-18T11:12:40Z  5 min 0 s  inspectd was started",
        "capture to verdict    2000  12.5    -    -        -",
        "... and 1 more change",
    ] {
        assert!(lines.contains(&expected), "{expected:?} is not in\n{text}");
    }
    assert!(text.contains("two lines"), "{text}");
    assert!(!text.contains("images "), "{text}");
    assert!(!text.contains("queue"), "{text}");
    assert!(!text.contains("no longer keeps"), "{text}");
}

#[test]
fn intervals_are_put_together_to_24_rows() {
    let table = intervals(&report().intervals).expect("a table");
    let table = anstream::adapter::strip_str(&table).to_string();
    let rows: Vec<_> = table.lines().skip(1).collect();
    assert_eq!(rows.len(), TIME_ROWS);
    // 0 + 1 + 2 + 3, and 92 + 93 + 94 + 95.
    assert!(
        rows[0].starts_with("2026-11-18T11:06:40Z      6 "),
        "{table}"
    );
    assert!(
        rows[23].starts_with("2026-11-18T18:46:40Z    374 "),
        "{table}"
    );
}

#[test]
fn empty_report_has_only_its_sums() {
    let mut empty = Report::default();
    let text = plain(&empty);
    assert!(
        text.contains("0: 0 pass, 0 review, 0 reject, 0 fault, yield - %"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 4, "{text}");
    empty.kept_from_time = Some(at(0));
    let text = plain(&empty);
    let kept = "the journal no longer keeps verdicts before 2026-11-18T11:06:40Z";
    assert!(text.contains(kept), "{text}");
}

#[test]
fn yield_is_rounded_down() {
    let check = |counts, expected: &str| assert_eq!(per_cent(counts), expected);
    check(counts(7, 0, 0, 0), "100.00");
    check(counts(999_999, 0, 1, 0), "99.99");
    check(counts(29, 70, 1, 5), "29.00");
    check(counts(0, 0, 3, 0), "0.00");
    check(counts(0, 0, 0, 3), "-");
}
