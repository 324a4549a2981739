//! The state of the line and of its cameras.

use inspectd_client::proto;
use serde::Serialize;

use super::{Model, time};
use crate::format;

/// The fields of [`proto::Status`].
#[derive(Serialize)]
pub struct Status<'a> {
    state: String,
    run_id: &'a str,
    version: &'a str,
    start_time: Option<String>,
    uptime_ms: Option<f64>,
    model: Option<Model<'a>>,
    threshold: f32,
    engine: Option<Engine<'a>>,
    configuration: Option<Configuration<'a>>,
    cameras: Vec<Camera<'a>>,
    sequence: u64,
    decisions: Option<Decisions>,
    streams: u32,
    missed_by_slow_clients: u64,
    journal: Option<Journal<'a>>,
    late_views: u64,
    alarms: Vec<Alarm<'a>>,
    shift: Option<Shift>,
}

#[derive(Serialize)]
struct Shift {
    start_time: Option<String>,
    end_time: Option<String>,
    decisions: Option<Decisions>,
    counting: bool,
}

#[derive(Serialize)]
struct Alarm<'a> {
    kind: &'a str,
    subject: &'a str,
    message: &'a str,
    since_time: Option<String>,
}

#[derive(Serialize)]
struct Journal<'a> {
    oldest_sequence: u64,
    unjournalled: u64,
    trouble: &'a str,
    trouble_time: Option<String>,
    consumers: u32,
    most_pending: u64,
    evidence_kept: u64,
    evidence_bytes: u64,
    evidence_missed: u64,
    epoch: u64,
    wal_bytes: u64,
}

#[derive(Serialize)]
struct Engine<'a> {
    provider: &'a str,
    requested_provider: &'a str,
    fallback_reason: &'a str,
    runtime_version: &'a str,
    failures: u64,
}

#[derive(Serialize)]
struct Configuration<'a> {
    generation: u64,
    hash: &'a str,
    loaded_time: Option<String>,
    last_reload_error: &'a str,
    last_reload_error_time: Option<String>,
    restart_required_keys: &'a [String],
}

/// The fields of [`proto::Camera`].
#[derive(Serialize)]
pub struct Camera<'a> {
    id: &'a str,
    source: &'a str,
    state: String,
    simulated: bool,
    triggered: bool,
    width: u32,
    height: u32,
    frames: Option<Frames>,
    decisions: Option<Decisions>,
    queued: u32,
    opened: u64,
    last_error: &'a str,
    last_error_time: Option<String>,
    last_frame_time: Option<String>,
    frames_per_second: f32,
    pause: Option<Pause<'a>>,
    drift: Option<Drift>,
    shift_decisions: Option<Decisions>,
}

/// The last comparison of the scores with the calibration.
#[derive(Serialize)]
struct Drift {
    time: Option<String>,
    references: u64,
    distance: f64,
    p_value: f64,
    shift: f64,
    learned: bool,
    drifting: bool,
}

/// Why a camera is paused.
#[derive(Serialize)]
struct Pause<'a> {
    who: &'a str,
    reason: &'a str,
    since_time: Option<String>,
}

#[derive(Serialize)]
struct Frames {
    captured: u64,
    judged: u64,
    skipped: u64,
    lost: u64,
    faulted: u64,
    late: u64,
}

#[derive(Serialize)]
struct Decisions {
    pass: u64,
    reject: u64,
    review: u64,
    fault: u64,
}

impl<'a> From<&'a proto::Status> for Status<'a> {
    fn from(status: &'a proto::Status) -> Self {
        Self {
            state: format::line_state(status.state()),
            run_id: &status.run_id,
            version: &status.version,
            start_time: time(status.start_time.as_ref()),
            uptime_ms: status.uptime.map(format::milliseconds),
            model: status.model.as_ref().map(Model::from),
            threshold: status.threshold,
            engine: status.engine.as_ref().map(Engine::from),
            configuration: status.configuration.as_ref().map(Configuration::from),
            cameras: status.cameras.iter().map(Camera::from).collect(),
            sequence: status.sequence,
            decisions: status.decisions.as_ref().map(Decisions::from),
            streams: status.streams,
            missed_by_slow_clients: status.missed_by_slow_clients,
            journal: status.journal.as_ref().map(Journal::from),
            late_views: status.late_views,
            alarms: status.alarms.iter().map(Alarm::from).collect(),
            shift: status.shift.as_ref().map(Shift::from),
        }
    }
}

impl From<&proto::Shift> for Shift {
    fn from(shift: &proto::Shift) -> Self {
        Self {
            start_time: time(shift.start_time.as_ref()),
            end_time: time(shift.end_time.as_ref()),
            decisions: shift.decisions.as_ref().map(Decisions::from),
            counting: shift.counting,
        }
    }
}

impl<'a> From<&'a proto::Alarm> for Alarm<'a> {
    fn from(alarm: &'a proto::Alarm) -> Self {
        Self {
            kind: &alarm.kind,
            subject: &alarm.subject,
            message: &alarm.message,
            since_time: time(alarm.since_time.as_ref()),
        }
    }
}

impl<'a> From<&'a proto::Journal> for Journal<'a> {
    fn from(journal: &'a proto::Journal) -> Self {
        Self {
            oldest_sequence: journal.oldest_sequence,
            unjournalled: journal.unjournalled,
            trouble: &journal.trouble,
            trouble_time: time(journal.trouble_time.as_ref()),
            consumers: journal.consumers,
            most_pending: journal.most_pending,
            evidence_kept: journal.evidence_kept,
            evidence_bytes: journal.evidence_bytes,
            evidence_missed: journal.evidence_missed,
            epoch: journal.epoch,
            wal_bytes: journal.wal_bytes,
        }
    }
}

impl<'a> From<&'a proto::Engine> for Engine<'a> {
    fn from(engine: &'a proto::Engine) -> Self {
        Self {
            provider: &engine.provider,
            requested_provider: &engine.requested_provider,
            fallback_reason: &engine.fallback_reason,
            runtime_version: &engine.runtime_version,
            failures: engine.failures,
        }
    }
}

impl<'a> From<&'a proto::Configuration> for Configuration<'a> {
    fn from(configuration: &'a proto::Configuration) -> Self {
        Self {
            generation: configuration.generation,
            hash: &configuration.hash,
            loaded_time: time(configuration.loaded_time.as_ref()),
            last_reload_error: &configuration.last_reload_error,
            last_reload_error_time: time(configuration.last_reload_error_time.as_ref()),
            restart_required_keys: &configuration.restart_required_keys,
        }
    }
}

impl<'a> From<&'a proto::Camera> for Camera<'a> {
    fn from(camera: &'a proto::Camera) -> Self {
        Self {
            id: &camera.id,
            source: &camera.source,
            state: format::camera_state(camera.state()),
            simulated: camera.simulated,
            triggered: camera.triggered,
            width: camera.width,
            height: camera.height,
            frames: camera.frames.as_ref().map(|frames| Frames {
                captured: frames.captured,
                judged: frames.judged,
                skipped: frames.skipped,
                lost: frames.lost,
                faulted: frames.faulted,
                late: frames.late,
            }),
            decisions: camera.decisions.as_ref().map(Decisions::from),
            queued: camera.queued,
            opened: camera.opened,
            last_error: &camera.last_error,
            last_error_time: time(camera.last_error_time.as_ref()),
            last_frame_time: time(camera.last_frame_time.as_ref()),
            frames_per_second: camera.frames_per_second,
            drift: camera.drift.as_ref().map(|drift| Drift {
                time: time(drift.time.as_ref()),
                references: drift.references,
                distance: drift.distance,
                p_value: drift.p_value,
                shift: drift.shift,
                learned: drift.learned,
                drifting: drift.drifting,
            }),
            pause: camera.pause.as_ref().map(|pause| Pause {
                who: &pause.who,
                reason: &pause.reason,
                since_time: time(pause.since_time.as_ref()),
            }),
            shift_decisions: camera.shift_decisions.as_ref().map(Decisions::from),
        }
    }
}

impl From<&proto::DecisionCounts> for Decisions {
    fn from(counts: &proto::DecisionCounts) -> Self {
        Self {
            pass: counts.pass,
            reject: counts.reject,
            review: counts.review,
            fault: counts.fault,
        }
    }
}
