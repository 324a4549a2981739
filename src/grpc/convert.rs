//! The domain's types in the words of `proto/inspectd/v1`. Nothing is decided here.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::StreamCounts;
use super::proto;
use crate::audit::StoredEntry;
use crate::camera::CameraState;
use crate::config::settings::{Mode, Settings};
use crate::control::Configuration;
use crate::control::lifecycle::Phase;
use crate::control::persisted_state::Lock;
use crate::journal::Consumer;
use crate::pipeline::camera_stats::{DecisionCounts, Facts, FrameCounts};
use crate::pipeline::publisher::Totals;
use crate::pipeline::{JournalFacts, Snapshot};
use inspectd_core::decision::{AnomalyKind, Decision, Region};
use inspectd_core::id::CameraId;
use inspectd_core::record::{self, FaultReason, ModelId, Outcome, Timings, Verdict};
use inspectd_core::verdict::{Judgement, RegionScore};

fn timestamp(time: SystemTime) -> prost_types::Timestamp {
    time.into()
}

fn duration(duration: Duration) -> prost_types::Duration {
    // Longer than a prost duration holds is 292 billion years.
    duration.try_into().unwrap_or_default()
}

/// A decision, outwards.
pub(super) fn decision(decision: Decision) -> proto::Decision {
    match decision {
        Decision::Pass => proto::Decision::Pass,
        Decision::Reject => proto::Decision::Reject,
        Decision::Review => proto::Decision::Review,
        Decision::Fault => proto::Decision::Fault,
    }
}

/// A decision, inwards; nothing if it is unspecified or unknown.
pub(super) fn decision_of(value: i32) -> Option<Decision> {
    Decision::ALL
        .into_iter()
        .find(|&known| decision(known) as i32 == value)
}

fn kind(kind: AnomalyKind) -> proto::AnomalyKind {
    match kind {
        AnomalyKind::Structural => proto::AnomalyKind::Structural,
        AnomalyKind::Logical => proto::AnomalyKind::Logical,
    }
}

fn fault_reason(reason: FaultReason) -> proto::FaultReason {
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
        kind: kind(region.kind).into(),
        region: name(region.rule.as_ref()),
    }
}

fn name(name: Option<&Arc<str>>) -> String {
    name.map(ToString::to_string).unwrap_or_default()
}

fn region_score(part: &RegionScore) -> proto::RegionScore {
    proto::RegionScore {
        region: name(part.name.as_ref()),
        value: part.score,
        threshold: part.thresholds.reject_above,
        review_from: part.thresholds.review_from,
        decision: decision(part.decision).into(),
    }
}

fn score(judgement: &Judgement) -> proto::Score {
    proto::Score {
        value: judgement.score.score,
        structural: judgement.score.structural,
        logical: judgement.score.logical,
        threshold: judgement.thresholds.reject_above,
        review_from: judgement.thresholds.review_from,
        dominant: kind(judgement.dominant).into(),
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

/// A model's identity.
pub(super) fn model(id: &ModelId) -> proto::Model {
    proto::Model {
        name: id.name.clone(),
        version: id.version.clone(),
        sha256: id.sha256.clone(),
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

/// A recipe's identity.
pub(super) fn recipe_tag(tag: &record::RecipeTag) -> proto::RecipeTag {
    proto::RecipeTag {
        id: tag.id.clone(),
        version: tag.version.clone(),
        sha256: tag.sha256.clone(),
    }
}

/// A verdict.
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
        recipe: subject.stamp.recipe.as_ref().map(recipe_tag),
    }
}

fn camera_state(state: CameraState) -> proto::CameraState {
    match state {
        CameraState::Opening => proto::CameraState::Opening,
        CameraState::Running => proto::CameraState::Running,
        CameraState::Waiting => proto::CameraState::Waiting,
        CameraState::Ended => proto::CameraState::Ended,
    }
}

fn frames(counts: FrameCounts) -> proto::FrameCounts {
    proto::FrameCounts {
        captured: counts.captured,
        judged: counts.judged,
        skipped: counts.skipped,
        faulted: counts.faulted,
        late: counts.late,
    }
}

fn decisions(counts: DecisionCounts) -> proto::DecisionCounts {
    proto::DecisionCounts {
        pass: counts.pass,
        reject: counts.reject,
        review: counts.review,
        fault: counts.fault,
    }
}

fn camera(
    id: &CameraId,
    facts: &Facts,
    queued: usize,
    settings: &Settings,
    uptime: Duration,
) -> proto::Camera {
    let configured = settings.cameras.get(id);
    let [width, height] = facts.size.unwrap_or_default();
    let error = facts.last_error.as_ref();
    proto::Camera {
        id: id.to_string(),
        source: configured.map_or_else(String::new, |camera| camera.source.name().to_owned()),
        state: camera_state(facts.state).into(),
        simulated: configured.is_some_and(|camera| camera.source.simulated()),
        triggered: configured.is_some_and(|camera| camera.mode != Mode::FreeRunning),
        width,
        height,
        frames: Some(frames(facts.frames)),
        decisions: Some(decisions(facts.decisions)),
        queued: queued as u32,
        opened: facts.opened,
        last_error: error.map_or_else(String::new, |(message, _)| message.clone()),
        last_error_time: error.map(|(_, time)| timestamp(*time)),
        last_frame_time: facts.last_frame.map(timestamp),
        frames_per_second: facts.frames_per_second(uptime),
    }
}

/// All cameras, by id.
pub(super) fn cameras(snapshot: &Snapshot) -> Vec<proto::Camera> {
    let settings = &snapshot.active.settings;
    let all = snapshot.cameras.iter();
    all.map(|(id, (facts, queued))| camera(id, facts, *queued, settings, snapshot.uptime))
        .collect()
}

/// The configuration in force.
pub(super) fn configuration(configuration: &Configuration) -> proto::Configuration {
    let error = configuration.last_error.as_ref();
    proto::Configuration {
        generation: configuration.generation,
        hash: configuration.hash.clone(),
        loaded_time: Some(timestamp(configuration.since)),
        last_reload_error: error.map_or_else(String::new, |(message, _)| message.clone()),
        last_reload_error_time: error.map(|(_, time)| timestamp(*time)),
        restart_required_keys: configuration.restart_required.clone(),
    }
}

fn line_state(phase: Phase, snapshot: &Snapshot) -> proto::LineState {
    match phase {
        Phase::Starting => proto::LineState::Starting,
        Phase::Stopping => proto::LineState::Stopping,
        Phase::Running if snapshot.degraded() => proto::LineState::Degraded,
        Phase::Running => proto::LineState::Running,
    }
}

/// What the status is made of.
pub(super) struct StatusParts<'a> {
    pub(super) phase: Phase,
    pub(super) run_id: &'a str,
    pub(super) started: SystemTime,
    pub(super) snapshot: &'a Snapshot,
    pub(super) configuration: &'a Configuration,
    pub(super) streams: StreamCounts,
    pub(super) lock: Option<&'a Lock>,
}

/// The whole.
pub(super) fn status(parts: &StatusParts<'_>) -> proto::Status {
    let snapshot = parts.snapshot;
    let active = &snapshot.active;
    let loaded = &active.model;
    proto::Status {
        state: line_state(parts.phase, snapshot).into(),
        run_id: parts.run_id.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        start_time: Some(timestamp(parts.started)),
        uptime: Some(duration(snapshot.uptime)),
        model: Some(model(&loaded.id)),
        threshold: active
            .settings
            .verdict
            .thresholds
            .threshold
            .unwrap_or(loaded.threshold),
        engine: Some(proto::Engine {
            provider: loaded.provider.to_owned(),
            requested_provider: active.settings.engine.provider.name().to_owned(),
            fallback_reason: loaded.fallback_reason.clone().unwrap_or_default(),
            runtime_version: loaded.runtime_version.clone(),
            failures: snapshot.engine_failures,
        }),
        configuration: Some(configuration(parts.configuration)),
        cameras: cameras(snapshot),
        sequence: snapshot.totals.sequence,
        decisions: Some(decisions(snapshot.totals.decisions)),
        streams: parts.streams.open as u32,
        missed_by_slow_clients: parts.streams.missed,
        journal: snapshot
            .journal
            .as_ref()
            .map(|facts| journal(facts, snapshot.totals)),
        late_views: snapshot.late_views,
        recipe: active.stamp.recipe.as_ref().map(recipe_tag),
        lock: parts.lock.map(lock),
    }
}

/// A lock.
pub(super) fn lock(lock: &Lock) -> proto::Lock {
    proto::Lock {
        who: lock.who.clone(),
        reason: lock.reason.clone(),
        since_time: Some(timestamp(lock.since)),
        until_time: lock.until.map(timestamp),
    }
}

/// An entry of the audit log.
pub(super) fn audit_entry(entry: &StoredEntry) -> proto::AuditEntry {
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(entry.time_ns.unsigned_abs());
    proto::AuditEntry {
        number: entry.number,
        time: Some(timestamp(time)),
        who: entry.who.clone(),
        role: entry.role.clone(),
        origin: entry.origin.clone(),
        action: entry.action.clone(),
        subject: entry.subject.clone(),
        before: entry.before.clone(),
        after: entry.after.clone(),
        hash: entry.hash.to_string(),
    }
}

fn journal(facts: &JournalFacts, totals: Totals) -> proto::Journal {
    let trouble = facts.trouble.as_ref();
    let pending = |consumer: &Consumer| totals.sequence.saturating_sub(consumer.acknowledged);
    let evidence = facts.evidence.unwrap_or_default();
    proto::Journal {
        oldest_sequence: totals.oldest,
        unjournalled: totals.unjournalled,
        trouble: trouble.map_or_else(String::new, |trouble| trouble.message.clone()),
        trouble_time: trouble.map(|trouble| timestamp(trouble.since)),
        consumers: facts.consumers.len() as u32,
        most_pending: facts.consumers.values().map(pending).max().unwrap_or(0),
        evidence_kept: evidence.kept,
        evidence_bytes: evidence.bytes,
        evidence_missed: evidence.missed,
    }
}

/// A consumer. `waits_since` is when the oldest verdict was journalled that it has not acknowledged.
pub(super) fn consumer(
    name: &str,
    consumer: &Consumer,
    totals: Totals,
    waits_since: Option<SystemTime>,
    connected: bool,
) -> proto::Consumer {
    let lag = waits_since.map(|since| SystemTime::now().duration_since(since).unwrap_or_default());
    proto::Consumer {
        name: name.to_owned(),
        acknowledged: consumer.acknowledged,
        acknowledge_time: Some(timestamp(consumer.changed)),
        pending: totals.sequence.saturating_sub(consumer.acknowledged),
        lag: lag.map(duration),
        lost: totals.oldest.saturating_sub(consumer.acknowledged + 1),
        connected,
    }
}
