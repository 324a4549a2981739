//! Converts verdicts.

use std::sync::Arc;

use inspectd_core::decision::Region;
use inspectd_core::record::{self, FaultReason, Outcome, Timings, Verdict};
use inspectd_core::verdict::{Judgement, RegionScore};

use super::convert::{anomaly_kind, decision, duration, model, recipe_tag, timestamp};
use super::proto;

/// Converts a verdict.
pub(super) fn verdict(verdict: &Verdict) -> proto::Verdict {
    let subject = &verdict.subject;
    let judgement = verdict.outcome.judgement();
    let [width, height] = subject.size.unwrap_or_default();
    let tag = subject.tag.as_deref().cloned().unwrap_or_default();
    proto::Verdict {
        sequence: verdict.sequence,
        run_id: verdict.run.to_string(),
        camera_id: subject
            .camera
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        frame_id: subject.frame_id,
        capture_time: Some(timestamp(verdict.captured)),
        capture_monotonic: Some(duration(verdict.since_start)),
        decision: decision(verdict.decision()).into(),
        score: judgement.map(score),
        fault: verdict.outcome.fault().map(fault),
        regions: judgement.map_or_else(Vec::new, |judgement| {
            judgement.regions.iter().map(region).collect()
        }),
        model: Some(model(&subject.stamp.model)),
        config_hash: subject.stamp.config_hash.clone(),
        provider: subject.stamp.provider.clone(),
        simulated: subject.simulated,
        timings: Some(timings(&subject.timings)),
        batch_size: subject.batch_size,
        width,
        height,
        source_item: subject.item.clone(),
        truth: subject.truth.clone(),
        part_id: tag.part_id,
        client_data: tag.client_data,
        trigger_id: tag.trigger.map_or_else(String::new, |id| id.to_string()),
        group_id: subject
            .group
            .as_deref()
            .map_or_else(String::new, ToOwned::to_owned),
        views: match &verdict.outcome {
            Outcome::Part(fusion) => fusion.views.iter().map(view).collect(),
            Outcome::Judged(_) | Outcome::Fault(_) => Vec::new(),
        },
        record_time: Some(timestamp(verdict.recorded)),
        evidence_kept: verdict.evidence,
        unconfirmed: verdict.unconfirmed,
        recipe: subject.stamp.recipe.as_ref().map(recipe_tag),
    }
}

/// Converts the reason of a fault.
pub(super) fn fault_reason(reason: FaultReason) -> proto::FaultReason {
    match reason {
        FaultReason::CameraLost => proto::FaultReason::CameraLost,
        FaultReason::CameraStalled => proto::FaultReason::CameraStalled,
        FaultReason::CorruptFrame => proto::FaultReason::CorruptFrame,
        FaultReason::WrongSize => proto::FaultReason::WrongSize,
        FaultReason::Overflow => proto::FaultReason::Overflow,
        FaultReason::Engine => proto::FaultReason::Engine,
        FaultReason::Shutdown => proto::FaultReason::Shutdown,
        FaultReason::DeadlineMissed => proto::FaultReason::DeadlineMissed,
        FaultReason::Journal => proto::FaultReason::Journal,
        FaultReason::MissingView => proto::FaultReason::MissingView,
        FaultReason::Frozen => proto::FaultReason::Frozen,
        FaultReason::Dark => proto::FaultReason::Dark,
        FaultReason::Saturated => proto::FaultReason::Saturated,
        FaultReason::Blurred => proto::FaultReason::Blurred,
        FaultReason::ViewMoved => proto::FaultReason::ViewMoved,
        FaultReason::ChallengeFailed => proto::FaultReason::ChallengeFailed,
        FaultReason::CameraPaused => proto::FaultReason::CameraPaused,
        FaultReason::NothingInspected => proto::FaultReason::NothingInspected,
        FaultReason::CameraSettings => proto::FaultReason::CameraSettings,
        FaultReason::OutOfStep => proto::FaultReason::OutOfStep,
        FaultReason::Unknown => proto::FaultReason::Unspecified,
    }
}

fn region(region: &Region) -> proto::Region {
    proto::Region {
        r#box: Some(proto::Box {
            left: region.left,
            top: region.top,
            width: region.width,
            height: region.height,
        }),
        area: region.area,
        peak: region.peak,
        kind: anomaly_kind(region.kind).into(),
        region: name(region.rule.as_ref()),
    }
}

fn name(name: Option<&Arc<str>>) -> String {
    name.map(ToString::to_string).unwrap_or_default()
}

fn region_score(region: &RegionScore) -> proto::RegionScore {
    proto::RegionScore {
        region: name(region.name.as_ref()),
        value: region.score,
        threshold: region.thresholds.reject_above,
        review_from: region.thresholds.review_from,
        decision: decision(region.decision).into(),
    }
}

fn score(judgement: &Judgement) -> proto::Score {
    proto::Score {
        value: judgement.score.score,
        structural: judgement.score.structural,
        logical: judgement.score.logical,
        threshold: judgement.thresholds.reject_above,
        review_from: judgement.thresholds.review_from,
        dominant: anomaly_kind(judgement.dominant).into(),
        decided_by: name(judgement.decided_by.as_ref()),
        highest: judgement.highest,
        regions: judgement.rules.iter().map(region_score).collect(),
    }
}

fn fault(fault: &record::Fault) -> proto::Fault {
    proto::Fault {
        reason: fault_reason(fault.reason).into(),
        message: fault.message.clone(),
    }
}

fn timings(timings: &Timings) -> proto::Timings {
    proto::Timings {
        queue: timings.queue.map(duration),
        preprocess: timings.preprocess.map(duration),
        inference: timings.inference.map(duration),
        judge: timings.judge.map(duration),
        total: Some(duration(timings.total)),
    }
}

fn view(view: &record::PartView) -> proto::View {
    proto::View {
        camera_id: view.camera.to_string(),
        sequence: view.sequence,
        frame_id: view.frame_id,
        decision: decision(view.decision).into(),
    }
}
