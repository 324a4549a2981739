//! Converts a report to the messages of `report.proto`.

use std::time::Duration;

use inspectd_core::record::{ModelId, RecipeTag};

use crate::grpc::convert::{anomaly_kind, duration, model, recipe_tag, timestamp};
use crate::grpc::convert_status::decisions;
use crate::grpc::convert_verdict::fault_reason;
use crate::grpc::proto;
use crate::pipeline::camera_stats::DecisionCounts;
use crate::report::{
    Percentiles, RejectCause, Report, ReportFault, ReportInterval, ReportSource, ReportStandstill,
    Reviewed, yield_of,
};

/// Converts what comes from the journal; the rest is not set.
pub(super) fn report(report: &Report) -> proto::Report {
    proto::Report {
        from_time: Some(timestamp(report.from)),
        to_time: Some(timestamp(report.to)),
        kept_from_time: report.kept_from.map(timestamp),
        parts: Some(decisions(report.parts)),
        client_images: Some(decisions(report.client_images)),
        r#yield: yield_of(report.parts),
        sources: report.sources.iter().map(source).collect(),
        intervals: report.intervals.iter().map(interval).collect(),
        regions: report.regions.iter().map(cause).collect(),
        branches: report
            .branches
            .iter()
            .map(|&(kind, count)| proto::AnomalyCount {
                kind: anomaly_kind(kind).into(),
                count,
            })
            .collect(),
        classes: report
            .classes
            .iter()
            .map(|(class, count)| proto::ClassCount {
                defect_class: class.clone(),
                count: *count,
            })
            .collect(),
        reviewed: Some(reviewed(report.reviewed)),
        faults: report.faults.iter().map(fault).collect(),
        standstills: report.standstills.iter().map(standstill).collect(),
        standstill_total: Some(duration(report.standstill_total)),
        latency: Some(latency(report.latency)),
        stages: report
            .stages
            .iter()
            .map(|&(stage, percentiles)| proto::StageLatency {
                stage: stage.to_owned(),
                latency: Some(latency(percentiles)),
            })
            .collect(),
        recipes: report.recipes.iter().map(recipe).collect(),
        models: report.models.iter().map(model_count).collect(),
        ..proto::Report::default()
    }
}

fn source(source: &ReportSource) -> proto::ReportSource {
    proto::ReportSource {
        id: source.id.clone(),
        group: source.group,
        parts: Some(decisions(source.parts)),
        r#yield: yield_of(source.parts),
    }
}

fn interval(interval: &ReportInterval) -> proto::ReportInterval {
    proto::ReportInterval {
        from_time: Some(timestamp(interval.from)),
        parts: Some(decisions(interval.parts)),
    }
}

fn cause(cause: &RejectCause) -> proto::RejectCause {
    proto::RejectCause {
        camera_id: cause.camera.clone(),
        region: cause.region.clone(),
        count: cause.count,
    }
}

fn reviewed(reviewed: Reviewed) -> proto::ReviewedCounts {
    proto::ReviewedCounts {
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

fn fault(fault: &ReportFault) -> proto::FaultCount {
    proto::FaultCount {
        id: fault.id.clone(),
        reason: fault_reason(fault.reason).into(),
        count: fault.count,
    }
}

fn standstill(standstill: &ReportStandstill) -> proto::Standstill {
    proto::Standstill {
        from_time: Some(timestamp(standstill.from)),
        to_time: Some(timestamp(standstill.to)),
        started: standstill.started,
    }
}

/// Without frames, there are no percentiles.
fn latency(percentiles: Percentiles) -> proto::LatencyPercentiles {
    let some = |percentile: Duration| (percentiles.count > 0).then(|| duration(percentile));
    proto::LatencyPercentiles {
        count: percentiles.count,
        p50: some(percentiles.p50),
        p95: some(percentiles.p95),
        p99: some(percentiles.p99),
        highest: some(percentiles.highest),
    }
}

fn recipe((recipe, parts): &(Option<RecipeTag>, DecisionCounts)) -> proto::RecipeCount {
    let tag = recipe.as_ref().map(recipe_tag);
    proto::RecipeCount {
        recipe: Some(tag.unwrap_or_default()),
        parts: Some(decisions(*parts)),
    }
}

fn model_count((id, parts): &(ModelId, DecisionCounts)) -> proto::ModelCount {
    proto::ModelCount {
        model: Some(model(id)),
        parts: Some(decisions(*parts)),
    }
}
