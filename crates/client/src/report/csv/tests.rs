//! The table of a report.

use prost_types::{Duration, Timestamp};

use super::*;
use crate::proto::{
    AnomalyCount, AnomalyKind, ClassCount, FaultCount, FaultReason, ModelCount, RecipeCount,
    RejectCause, ReportInterval, ReportSource, StageLatency,
};

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

fn report() -> Report {
    Report {
        from_time: Some(at(0)),
        to_time: Some(at(600)),
        host: "box".to_owned(),
        parts: Some(counts(6, 1, 1, 2)),
        r#yield: Some(0.75),
        sources: vec![ReportSource {
            id: "belt".to_owned(),
            group: false,
            parts: Some(counts(6, 1, 1, 2)),
            r#yield: Some(0.75),
        }],
        intervals: vec![ReportInterval {
            from_time: Some(at(0)),
            parts: Some(counts(6, 1, 1, 2)),
        }],
        regions: vec![RejectCause {
            camera_id: "belt".to_owned(),
            region: "pin".to_owned(),
            count: 1,
        }],
        branches: vec![AnomalyCount {
            kind: AnomalyKind::Logical.into(),
            count: 1,
        }],
        classes: vec![ClassCount {
            defect_class: "=cmd|' /C calc'!A0".to_owned(),
            count: 1,
        }],
        faults: vec![FaultCount {
            id: "belt".to_owned(),
            reason: FaultReason::CameraLost.into(),
            count: 2,
        }],
        standstills: vec![Standstill {
            from_time: Some(at(100)),
            to_time: Some(Timestamp {
                nanos: 250_000_000,
                ..at(400)
            }),
            started: true,
        }],
        standstill_total: Some(Duration {
            seconds: 300,
            nanos: 250_000_000,
        }),
        stages: vec![StageLatency {
            stage: "inference".to_owned(),
            latency: Some(LatencyPercentiles {
                count: 8,
                p50: Some(Duration {
                    seconds: 0,
                    nanos: 12_500_000,
                }),
                ..LatencyPercentiles::default()
            }),
        }],
        recipes: vec![RecipeCount {
            recipe: Some(RecipeTag::default()),
            parts: Some(counts(6, 1, 1, 2)),
        }],
        models: vec![ModelCount {
            model: Some(Model {
                name: "cells".to_owned(),
                version: "2026.1".to_owned(),
                sha256: "0123456789abcdef".to_owned(),
                precision: "f32".to_owned(),
            }),
            parts: Some(counts(6, 1, 1, 2)),
        }],
        changes: vec![AuditEntry {
            number: 7,
            time: Some(at(60)),
            who: "ann, \"the\" engineer".to_owned(),
            action: "threshold".to_owned(),
            subject: "verdict.threshold".to_owned(),
            before: "-0.5".to_owned(),
            after: "a;=1+1".to_owned(),
            ..AuditEntry::default()
        }],
        changes_left_out: 3,
        ..Report::default()
    }
}

#[test]
fn each_number_has_a_row() {
    let table = report_csv(&report());
    let lines: Vec<_> = table.split("\r\n").collect();
    assert_eq!(lines[0], "section,name,id,metric,value,unit");
    assert_eq!(lines.last(), Some(&""), "the last line has its end");
    for line in [
        "report,report,,host,box,",
        "report,report,,from_time,2026-11-18T11:06:40Z,UTC",
        "parts,all,,pass,6,parts",
        "parts,all,,yield,0.750000,ratio",
        "client_images,all,,fault,0,images",
        "sources,camera,belt,reject,1,parts",
        "intervals,interval,2026-11-18T11:06:40Z,review,1,parts",
        "regions,pin,belt,reject,1,frames",
        "branches,logical,,reject,1,frames",
        "reviewed,all,,rejected_good,0,verdicts",
        "faults,camera_lost,belt,fault,2,verdicts",
        "standstills,standstill,2026-11-18T11:08:20Z,length,300.250,s",
        "standstills,standstill,2026-11-18T11:08:20Z,started,1,",
        "standstills,all,,length,300.250,s",
        "latency,total,,count,0,frames",
        "latency,inference,,p50,12.500,ms",
        "recipes,,,pass,6,parts",
        "models,2026.1 0123456789ab,cells,pass,6,parts",
        "changes,threshold,7,time,2026-11-18T11:07:40Z,UTC",
        "changes,all,,left_out,3,changes",
    ] {
        assert!(lines.contains(&line), "{line:?} is not in\n{table}");
    }
    assert!(!table.contains("kept_from_time"), "{table}");
    assert!(!table.contains("p95"), "{table}");
}

#[test]
fn texts_of_people_are_quoted_and_are_no_formulas() {
    let table = report_csv(&report());
    for line in [
        "classes,'=cmd|' /C calc'!A0,,defective,1,verdicts",
        "changes,threshold,7,who,\"ann, \"\"the\"\" engineer\",",
        "changes,threshold,7,before,'-0.5,",
        "changes,threshold,7,after,\"a;=1+1\",",
    ] {
        assert!(table.contains(line), "{line:?} is not in\n{table}");
    }
}

#[test]
fn cell_is_quoted_and_guarded_where_that_is_needed() {
    let check = |text: &str, expected: &str| assert_eq!(cell(text), expected);
    check("", "");
    check("belt-1", "belt-1");
    check("a,b", "\"a,b\"");
    check("say \"a\"", "\"say \"\"a\"\"\"");
    check("two\nlines", "\"two\nlines\"");
    check("=1+1", "'=1+1");
    check("+1", "'+1");
    check("-1", "'-1");
    check("@sum", "'@sum");
    check("\t=1", "\"'\t=1\"");
    check("=a,b", "\"'=a,b\"");
    check("1-2", "1-2");
}

#[test]
fn empty_report_is_a_table_too() {
    let table = report_csv(&Report::default());
    for line in table.lines().skip(1) {
        assert_eq!(line.split(',').count(), HEADER.len(), "{line}");
    }
}
