//! Converts the status of the daemon, and what it consists of.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use inspectd_core::id::CameraId;

use super::convert::{duration, model, recipe_tag, timestamp};
use super::proto;
use super::stream_registry::StreamCounts;
use crate::alarm::Alarm;
use crate::audit::StoredEntry;
use crate::camera::CameraState;
use crate::challenge::ChallengeResult;
use crate::config::settings::Mode;
use crate::control::Configuration;
use crate::control::lifecycle::Phase;
use crate::control::persisted_state::{CameraPause, Lock};
use crate::journal::Consumer;
use crate::pipeline::camera_stats::{CameraSnapshot, DecisionCounts, FrameCounts};
use crate::pipeline::publisher::{ShiftSnapshot, Totals};
use crate::pipeline::{JournalSnapshot, Snapshot};

fn camera_state(state: CameraState) -> proto::CameraState {
    match state {
        CameraState::Opening => proto::CameraState::Opening,
        CameraState::Running => proto::CameraState::Running,
        CameraState::Waiting => proto::CameraState::Waiting,
        CameraState::Ended => proto::CameraState::Ended,
        CameraState::Paused => proto::CameraState::Paused,
    }
}

fn frames(counts: FrameCounts) -> proto::FrameCounts {
    proto::FrameCounts {
        captured: counts.captured,
        judged: counts.judged,
        skipped: counts.skipped,
        lost: counts.lost,
        faulted: counts.faulted,
        late: counts.late,
    }
}

/// Converts counts by decision.
pub(super) fn decisions(counts: DecisionCounts) -> proto::DecisionCounts {
    proto::DecisionCounts {
        pass: counts.pass,
        reject: counts.reject,
        review: counts.review,
        fault: counts.fault,
    }
}

fn camera(
    id: &CameraId,
    facts: &CameraSnapshot,
    queued: usize,
    snapshot: &Snapshot,
    pause: Option<&CameraPause>,
) -> proto::Camera {
    let settings = &snapshot.active.settings;
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
        frames_per_second: facts.frames_per_second(snapshot.uptime),
        drift: facts.drift.as_ref().map(|drift| proto::ScoreDrift {
            time: Some(timestamp(drift.time)),
            references: drift.references as u64,
            learned: drift.learned,
            distance: drift.distance,
            p_value: drift.p_value,
            shift: drift.shift,
            drifting: drift.is_drifting(),
        }),
        pause: pause.map(|pause| proto::CameraPause {
            who: pause.who.clone(),
            reason: pause.reason.clone(),
            since_time: Some(timestamp(pause.since)),
        }),
        shift_decisions: Some(decisions(snapshot.shift.of(id))),
    }
}

/// Converts all cameras, by id.
pub(super) fn cameras(
    snapshot: &Snapshot,
    pauses: &BTreeMap<CameraId, CameraPause>,
) -> Vec<proto::Camera> {
    let all = snapshot.cameras.iter();
    all.map(|(id, (facts, queued))| camera(id, facts, *queued, snapshot, pauses.get(id)))
        .collect()
}

/// Converts the active configuration.
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

/// Converts the result of a challenge.
pub(super) fn challenge(result: &ChallengeResult) -> proto::ChallengeResult {
    proto::ChallengeResult {
        time: Some(timestamp(result.time)),
        passed: result.passed,
        error: result.error.clone(),
        good: result.good as u64,
        false_rejects: result.false_rejects as u64,
        defective: result.defective as u64,
        misses: result.misses as u64,
        failures: result.failures.clone(),
        model: Some(model(&result.stamp.model)),
        recipe: result.stamp.recipe.as_ref().map(recipe_tag),
    }
}

/// What the status consists of.
pub(super) struct StatusInput<'a> {
    pub(super) phase: Phase,
    pub(super) run_id: &'a str,
    pub(super) started: SystemTime,
    pub(super) snapshot: &'a Snapshot,
    pub(super) pauses: &'a BTreeMap<CameraId, CameraPause>,
    pub(super) configuration: &'a Configuration,
    pub(super) streams: StreamCounts,
    pub(super) lock: Option<&'a Lock>,
    pub(super) challenge: Option<&'a ChallengeResult>,
}

/// Converts the status.
pub(super) fn status(input: &StatusInput<'_>) -> proto::Status {
    let snapshot = input.snapshot;
    let active = &snapshot.active;
    let loaded = &active.model;
    proto::Status {
        state: line_state(input.phase, snapshot).into(),
        run_id: input.run_id.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        start_time: Some(timestamp(input.started)),
        uptime: Some(duration(snapshot.uptime)),
        model: Some(model(&loaded.id)),
        threshold: active
            .settings
            .verdict
            .thresholds
            .threshold
            .unwrap_or(loaded.threshold),
        engine: Some(proto::Engine {
            provider: loaded.provider_in_use().to_owned(),
            requested_provider: active.requested_provider().to_owned(),
            fallback_reason: loaded.fallback_reasons().unwrap_or_default(),
            runtime_version: loaded.runtime_version.clone(),
            failures: snapshot.engine_failures,
        }),
        configuration: Some(configuration(input.configuration)),
        cameras: cameras(snapshot, input.pauses),
        sequence: snapshot.totals.sequence,
        decisions: Some(decisions(snapshot.totals.decisions)),
        streams: input.streams.open as u32,
        missed_by_slow_clients: input.streams.missed,
        journal: snapshot
            .journal
            .as_ref()
            .map(|facts| journal(facts, snapshot.totals)),
        late_views: snapshot.late_views,
        recipe: active.stamp.recipe.as_ref().map(recipe_tag),
        lock: input.lock.map(lock),
        alarms: snapshot.alarms.iter().map(alarm).collect(),
        challenge: input.challenge.map(challenge),
        shift: Some(shift(&snapshot.shift)),
    }
}

fn shift(facts: &ShiftSnapshot) -> proto::Shift {
    proto::Shift {
        start_time: Some(timestamp(facts.shift.start)),
        end_time: Some(timestamp(facts.shift.end)),
        decisions: Some(decisions(facts.decisions)),
        counting: facts.counting,
    }
}

fn alarm(alarm: &Alarm) -> proto::Alarm {
    proto::Alarm {
        kind: alarm.kind.name().to_owned(),
        subject: alarm.subject.clone(),
        message: alarm.message.clone(),
        since_time: Some(timestamp(alarm.since)),
    }
}

/// Converts a change lock.
pub(super) fn lock(lock: &Lock) -> proto::Lock {
    proto::Lock {
        who: lock.who.clone(),
        reason: lock.reason.clone(),
        since_time: Some(timestamp(lock.since)),
        until_time: lock.until.map(timestamp),
    }
}

/// Converts an entry of the audit log.
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

fn journal(facts: &JournalSnapshot, totals: Totals) -> proto::Journal {
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
        epoch: totals.epoch,
        wal_bytes: facts.wal_bytes,
    }
}

/// Converts a consumer. `lag` is the age of the oldest verdict that it has not acknowledged.
pub(super) fn consumer(
    name: &str,
    consumer: &Consumer,
    totals: Totals,
    lag: Option<Duration>,
    connected: bool,
) -> proto::Consumer {
    proto::Consumer {
        name: name.to_owned(),
        acknowledged: consumer.acknowledged,
        acknowledge_time: Some(timestamp(consumer.changed)),
        pending: totals.sequence.saturating_sub(consumer.acknowledged),
        lag: lag.map(duration),
        lost: totals.oldest.saturating_sub(consumer.acknowledged + 1),
        connected,
        client: consumer.client.as_deref().unwrap_or_default().to_owned(),
    }
}
