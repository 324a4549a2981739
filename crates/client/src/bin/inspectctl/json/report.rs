//! The report of a period.

use inspectd_client::proto;
use serde::Serialize;

use super::{Model, RecipeTag, time};
use crate::format;

/// The fields of [`proto::Report`].
#[derive(Serialize)]
pub struct Report<'a> {
    from_time: Option<String>,
    to_time: Option<String>,
    create_time: Option<String>,
    host: &'a str,
    kept_from_time: Option<String>,
    parts: Option<Counts>,
    client_images: Option<Counts>,
    #[serde(rename = "yield")]
    share: Option<f64>,
    sources: Vec<Source<'a>>,
    intervals: Vec<Interval>,
    regions: Vec<Cause<'a>>,
    branches: Vec<Branch>,
    classes: Vec<Class<'a>>,
    reviewed: Option<Reviewed>,
    faults: Vec<Fault<'a>>,
    standstills: Vec<Standstill>,
    standstill_total_ms: Option<f64>,
    latency: Option<Latency>,
    stages: Vec<Stage<'a>>,
    changes: Vec<Change<'a>>,
    changes_left_out: u64,
    recipes: Vec<RecipeCount<'a>>,
    models: Vec<ModelCount<'a>>,
}

#[derive(Serialize)]
struct Counts {
    pass: u64,
    reject: u64,
    review: u64,
    fault: u64,
}

#[derive(Serialize)]
struct Source<'a> {
    id: &'a str,
    group: bool,
    parts: Option<Counts>,
    #[serde(rename = "yield")]
    share: Option<f64>,
}

#[derive(Serialize)]
struct Interval {
    from_time: Option<String>,
    parts: Option<Counts>,
}

#[derive(Serialize)]
struct Cause<'a> {
    camera_id: &'a str,
    region: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct Branch {
    kind: String,
    count: u64,
}

#[derive(Serialize)]
struct Class<'a> {
    defect_class: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct Reviewed {
    rejected_good: u64,
    rejected_defective: u64,
    passed_defective: u64,
    passed_good: u64,
    unsure: u64,
    rejected_unlabelled: u64,
    review_labelled: u64,
    review_unlabelled: u64,
}

#[derive(Serialize)]
struct Fault<'a> {
    id: &'a str,
    reason: String,
    count: u64,
}

#[derive(Serialize)]
struct Standstill {
    from_time: Option<String>,
    to_time: Option<String>,
    started: bool,
}

#[derive(Serialize)]
struct Latency {
    count: u64,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    highest_ms: Option<f64>,
}

#[derive(Serialize)]
struct Stage<'a> {
    stage: &'a str,
    latency: Option<Latency>,
}

#[derive(Serialize)]
struct Change<'a> {
    number: u64,
    time: Option<String>,
    who: &'a str,
    role: &'a str,
    origin: &'a str,
    action: &'a str,
    subject: &'a str,
    before: &'a str,
    after: &'a str,
    hash: &'a str,
}

#[derive(Serialize)]
struct RecipeCount<'a> {
    recipe: Option<RecipeTag<'a>>,
    parts: Option<Counts>,
}

#[derive(Serialize)]
struct ModelCount<'a> {
    model: Option<Model<'a>>,
    parts: Option<Counts>,
}

impl<'a> From<&'a proto::Report> for Report<'a> {
    fn from(report: &'a proto::Report) -> Self {
        let standstill_total = report.standstill_total;
        Self {
            from_time: time(report.from_time.as_ref()),
            to_time: time(report.to_time.as_ref()),
            create_time: time(report.create_time.as_ref()),
            host: &report.host,
            kept_from_time: time(report.kept_from_time.as_ref()),
            parts: report.parts.as_ref().map(Counts::from),
            client_images: report.client_images.as_ref().map(Counts::from),
            share: report.r#yield,
            sources: report.sources.iter().map(Source::from).collect(),
            intervals: report.intervals.iter().map(Interval::from).collect(),
            regions: report.regions.iter().map(Cause::from).collect(),
            branches: report.branches.iter().map(Branch::from).collect(),
            classes: report.classes.iter().map(Class::from).collect(),
            reviewed: report.reviewed.as_ref().map(Reviewed::from),
            faults: report.faults.iter().map(Fault::from).collect(),
            standstills: report.standstills.iter().map(Standstill::from).collect(),
            standstill_total_ms: standstill_total.map(format::milliseconds),
            latency: report.latency.as_ref().map(Latency::from),
            stages: report.stages.iter().map(Stage::from).collect(),
            changes: report.changes.iter().map(Change::from).collect(),
            changes_left_out: report.changes_left_out,
            recipes: report.recipes.iter().map(RecipeCount::from).collect(),
            models: report.models.iter().map(ModelCount::from).collect(),
        }
    }
}

impl From<&proto::DecisionCounts> for Counts {
    fn from(counts: &proto::DecisionCounts) -> Self {
        Self {
            pass: counts.pass,
            reject: counts.reject,
            review: counts.review,
            fault: counts.fault,
        }
    }
}

impl<'a> From<&'a proto::ReportSource> for Source<'a> {
    fn from(source: &'a proto::ReportSource) -> Self {
        Self {
            id: &source.id,
            group: source.group,
            parts: source.parts.as_ref().map(Counts::from),
            share: source.r#yield,
        }
    }
}

impl From<&proto::ReportInterval> for Interval {
    fn from(interval: &proto::ReportInterval) -> Self {
        Self {
            from_time: time(interval.from_time.as_ref()),
            parts: interval.parts.as_ref().map(Counts::from),
        }
    }
}

impl<'a> From<&'a proto::RejectCause> for Cause<'a> {
    fn from(cause: &'a proto::RejectCause) -> Self {
        Self {
            camera_id: &cause.camera_id,
            region: &cause.region,
            count: cause.count,
        }
    }
}

impl From<&proto::AnomalyCount> for Branch {
    fn from(branch: &proto::AnomalyCount) -> Self {
        Self {
            kind: format::kind(branch.kind()),
            count: branch.count,
        }
    }
}

impl<'a> From<&'a proto::ClassCount> for Class<'a> {
    fn from(class: &'a proto::ClassCount) -> Self {
        Self {
            defect_class: &class.defect_class,
            count: class.count,
        }
    }
}

impl From<&proto::ReviewedCounts> for Reviewed {
    fn from(reviewed: &proto::ReviewedCounts) -> Self {
        Self {
            rejected_good: reviewed.rejected_good,
            rejected_defective: reviewed.rejected_defective,
            passed_defective: reviewed.passed_defective,
            passed_good: reviewed.passed_good,
            unsure: reviewed.unsure,
            rejected_unlabelled: reviewed.rejected_unlabelled,
            review_labelled: reviewed.review_labelled,
            review_unlabelled: reviewed.review_unlabelled,
        }
    }
}

impl<'a> From<&'a proto::FaultCount> for Fault<'a> {
    fn from(fault: &'a proto::FaultCount) -> Self {
        Self {
            id: &fault.id,
            reason: format::fault_reason(fault.reason()),
            count: fault.count,
        }
    }
}

impl From<&proto::Standstill> for Standstill {
    fn from(standstill: &proto::Standstill) -> Self {
        Self {
            from_time: time(standstill.from_time.as_ref()),
            to_time: time(standstill.to_time.as_ref()),
            started: standstill.started,
        }
    }
}

impl From<&proto::LatencyPercentiles> for Latency {
    fn from(latency: &proto::LatencyPercentiles) -> Self {
        Self {
            count: latency.count,
            p50_ms: latency.p50.map(format::milliseconds),
            p95_ms: latency.p95.map(format::milliseconds),
            p99_ms: latency.p99.map(format::milliseconds),
            highest_ms: latency.highest.map(format::milliseconds),
        }
    }
}

impl<'a> From<&'a proto::StageLatency> for Stage<'a> {
    fn from(stage: &'a proto::StageLatency) -> Self {
        Self {
            stage: &stage.stage,
            latency: stage.latency.as_ref().map(Latency::from),
        }
    }
}

impl<'a> From<&'a proto::AuditEntry> for Change<'a> {
    fn from(entry: &'a proto::AuditEntry) -> Self {
        Self {
            number: entry.number,
            time: time(entry.time.as_ref()),
            who: &entry.who,
            role: &entry.role,
            origin: &entry.origin,
            action: &entry.action,
            subject: &entry.subject,
            before: &entry.before,
            after: &entry.after,
            hash: &entry.hash,
        }
    }
}

impl<'a> From<&'a proto::RecipeCount> for RecipeCount<'a> {
    fn from(count: &'a proto::RecipeCount) -> Self {
        Self {
            recipe: count.recipe.as_ref().map(RecipeTag::from),
            parts: count.parts.as_ref().map(Counts::from),
        }
    }
}

impl<'a> From<&'a proto::ModelCount> for ModelCount<'a> {
    fn from(count: &'a proto::ModelCount) -> Self {
        Self {
            model: count.model.as_ref().map(Model::from),
            parts: count.parts.as_ref().map(Counts::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost_types::{Duration, Timestamp};
    use serde_json::json;

    use super::*;

    #[test]
    fn report_has_the_field_names_of_the_proto() {
        let report = proto::Report {
            from_time: Some(Timestamp {
                seconds: 1_795_000_000,
                nanos: 0,
            }),
            host: "box".to_owned(),
            parts: Some(proto::DecisionCounts {
                pass: 3,
                ..proto::DecisionCounts::default()
            }),
            r#yield: Some(0.75),
            branches: vec![proto::AnomalyCount {
                kind: proto::AnomalyKind::Logical.into(),
                count: 2,
            }],
            faults: vec![proto::FaultCount {
                id: "belt".to_owned(),
                reason: proto::FaultReason::CameraLost.into(),
                count: 1,
            }],
            latency: Some(proto::LatencyPercentiles {
                count: 1,
                p50: Some(Duration {
                    seconds: 0,
                    nanos: 12_500_000,
                }),
                ..proto::LatencyPercentiles::default()
            }),
            recipes: vec![proto::RecipeCount {
                recipe: Some(proto::RecipeTag::default()),
                parts: None,
            }],
            ..proto::Report::default()
        };
        let printed = serde_json::to_value(Report::from(&report)).expect("plain data");
        assert_eq!(printed["from_time"], "2026-11-18T11:06:40Z");
        assert_eq!(printed["parts"]["pass"], 3);
        assert_eq!(printed["yield"], 0.75);
        assert_eq!(
            printed["branches"],
            json!([{"kind": "logical", "count": 2}])
        );
        assert_eq!(printed["faults"][0]["reason"], "camera_lost");
        assert_eq!(printed["latency"]["p50_ms"], 12.5);
        assert_eq!(printed["latency"]["p99_ms"], json!(null));
        assert_eq!(printed["recipes"][0]["recipe"]["id"], "");
        assert_eq!(printed["kept_from_time"], json!(null));
    }
}
