//! Metrics for Prometheus. Histograms are filled as verdicts are published; counters and states are read
//! from the pipeline on each scrape, so that they equal those of `GetStatus`.

use std::sync::Arc;
use std::time::Duration;

use inspectd_core::decision::Decision;
use inspectd_core::record::{FaultReason, Outcome, Timings, Verdict};
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusRecorder};
use metrics_util::MetricKindMask;
use uuid::Uuid;

use super::metric_table::describe;
use super::service_state::ServiceState;
use crate::alarm::AlarmKind;
use crate::camera::CameraState;
use crate::grpc::StreamCounts;
use crate::pipeline::publisher::{PublishTimes, Totals};
use crate::pipeline::remote::PROVIDER;
use crate::pipeline::{Active, JournalSnapshot, Observer, ServerUse, Snapshot};
use crate::shadow::{ShadowPhase, ShadowSnapshot};
use crate::telemetry::traces::RemoteContext;

/// Bounds of the latency histograms, seconds.
const SECONDS: [f64; 16] = [
    0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0,
    5.0,
];

/// Bounds of the score histogram. The anomaly maps of good parts are normalised to a few tenths.
const SCORES: [f64; 16] = [
    0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 4.0, 8.0,
];

/// Bounds of the batch size histogram.
const BATCHES: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// A gauge that no scrape sets for this long is removed: that of a camera, consumer, model or shadow that is gone.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);

/// The metrics of one daemon. It is a value, not a global: two daemons fit into one process.
pub struct Metrics {
    recorder: PrometheusRecorder,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// A registry with all metrics described and no values.
    ///
    /// # Errors
    /// When a histogram has no buckets, which does not happen.
    pub fn new() -> Result<Self, BuildError> {
        Self::with_idle_timeout(IDLE_TIMEOUT)
    }

    fn with_idle_timeout(timeout: Duration) -> Result<Self, BuildError> {
        let builder = builder()?.idle_timeout(MetricKindMask::GAUGE, Some(timeout));
        let recorder = builder.build_recorder();
        metrics::with_local_recorder(&recorder, describe);
        Ok(Self { recorder })
    }

    /// Samples counters and states, and renders all metrics in Prometheus' text format.
    pub fn render(
        &self,
        snapshot: &Snapshot,
        streams: StreamCounts,
        shadow: &ShadowSnapshot,
        service: &ServiceState,
    ) -> String {
        metrics::with_local_recorder(&self.recorder, || {
            sample(snapshot, streams);
            sample_shadow(shadow);
            service.sample(&snapshot.active.model.runtime_version);
        });
        self.recorder.handle().render()
    }

    /// Moves recorded samples into the histograms. Must be called every few seconds: memory grows in
    /// between.
    pub fn run_upkeep(&self) {
        self.recorder.handle().run_upkeep();
    }
}

impl Observer for Metrics {
    fn requested(&self, _: Uuid, _: Duration, _: Option<&RemoteContext>) {}

    fn published(&self, verdict: &Arc<Verdict>, times: PublishTimes) {
        metrics::with_local_recorder(&self.recorder, || record_verdict(verdict, times));
    }

    fn inferred(&self, timings: &Timings, batch_size: u32) {
        metrics::with_local_recorder(&self.recorder, || record_batch(timings, batch_size));
    }

    fn server_used(&self, server_use: ServerUse, time: Duration) {
        metrics::with_local_recorder(&self.recorder, || record_server_use(server_use, time));
    }

    fn replaced(&self, before: &Active) {
        metrics::with_local_recorder(&self.recorder, || set_active_info(before, 0.0));
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let bounds = |builder: PrometheusBuilder, name: &str, bounds: &[f64]| {
        builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
    };
    let builder = PrometheusBuilder::new();
    let builder = bounds(builder, "inspectd_stage_seconds", &SECONDS)?;
    let builder = bounds(builder, "inspectd_verdict_seconds", &SECONDS)?;
    let builder = bounds(builder, "inspectd_remote_seconds", &SECONDS)?;
    let builder = bounds(builder, "inspectd_score", &SCORES)?;
    bounds(builder, "inspectd_batch_size", &BATCHES)
}

fn record_verdict(verdict: &Verdict, times: PublishTimes) {
    let camera = camera_label(verdict);
    let timings = &verdict.subject.timings;
    let seconds = timings.total.as_secs_f64();
    histogram!("inspectd_verdict_seconds", "camera" => camera.clone()).record(seconds);
    counter!("inspectd_verdicts_total", "camera" => camera.clone(), "decision" => verdict.decision().name())
        .increment(1);
    match &verdict.outcome {
        Outcome::Judged(judgement) => {
            histogram!("inspectd_score", "camera" => camera)
                .record(f64::from(judgement.score.score));
        }
        Outcome::Fault(_) | Outcome::Part(_) => {
            if let Some(fault) = verdict.outcome.fault() {
                counter!("inspectd_faults_total", "camera" => camera, "reason" => fault.reason.name())
                    .increment(1);
            }
        }
    }
    stage("queue", timings.queue);
    stage("preprocess", timings.preprocess);
    stage("judge", timings.judge);
    let made = verdict.since_start + timings.total;
    stage("commit", Some(times.committed.saturating_sub(made)));
}

fn record_batch(timings: &Timings, size: u32) {
    stage("inference", timings.inference);
    histogram!("inspectd_batch_size").record(f64::from(size));
}

fn record_server_use(server_use: ServerUse, time: Duration) {
    counter!("inspectd_remote_runs_total", "result" => server_use.name()).increment(1);
    if server_use == ServerUse::Used {
        histogram!("inspectd_remote_seconds").record(time.as_secs_f64());
    }
}

fn stage(name: &'static str, time: Option<Duration>) {
    if let Some(time) = time {
        histogram!("inspectd_stage_seconds", "stage" => name).record(time.as_secs_f64());
    }
}

/// Returns the label `camera`. A client's image has no camera, and a part has several.
fn camera_label(verdict: &Verdict) -> String {
    match (&verdict.subject.camera, &verdict.subject.group) {
        (Some(camera), _) => camera.to_string(),
        (None, Some(group)) => format!("(part {group})"),
        (None, None) => "(client)".to_owned(),
    }
}

/// Samples the counters and states of the pipeline.
fn sample(snapshot: &Snapshot, streams: StreamCounts) {
    for (id, (facts, queued)) in &snapshot.cameras {
        let camera = id.to_string();
        let count = |name: &'static str, value: u64| {
            counter!(name, "camera" => camera.clone()).absolute(value);
        };
        count("inspectd_frames_captured_total", facts.frames.captured);
        count("inspectd_frames_judged_total", facts.frames.judged);
        count("inspectd_frames_skipped_total", facts.frames.skipped);
        count("inspectd_frames_lost_total", facts.frames.lost);
        count("inspectd_frames_faulted_total", facts.frames.faulted);
        count("inspectd_frames_late_total", facts.frames.late);
        count("inspectd_camera_opened_total", facts.opened);
        // Created at the start: a series that appears with its first reject has no rate at that time.
        for decision in Decision::ALL {
            counter!("inspectd_verdicts_total", "camera" => camera.clone(), "decision" => decision.name())
                .increment(0);
        }
        for reason in FaultReason::ALL {
            counter!("inspectd_faults_total", "camera" => camera.clone(), "reason" => reason.name())
                .increment(0);
        }
        if let Some(drift) = &facts.drift {
            gauge!("inspectd_score_drift", "camera" => camera.clone()).set(drift.distance);
            gauge!("inspectd_score_drift_p_value", "camera" => camera.clone()).set(drift.p_value);
        }
        gauge!("inspectd_queue_depth", "camera" => camera.clone()).set(*queued as f64);
        for state in CameraState::ALL {
            gauge!("inspectd_camera_state", "camera" => camera.clone(), "state" => state.name())
                .set(f64::from(u8::from(facts.state == state)));
        }
    }
    counter!("inspectd_engine_failures_total").absolute(snapshot.engine_failures);
    if !snapshot.active.settings.engine.remote.is_unset() {
        for server_use in ServerUse::ALL {
            counter!("inspectd_remote_runs_total", "result" => server_use.name()).increment(0);
        }
    }
    gauge!("inspectd_config_generation").set(snapshot.active.generation as f64);
    // On each scrape: activating another model or configuration sets its predecessor's series to 0.
    set_active_info(&snapshot.active, 1.0);
    for kind in AlarmKind::ALL {
        let active = snapshot
            .alarms
            .iter()
            .filter(|alarm| alarm.kind == kind)
            .count();
        gauge!("inspectd_alarms", "kind" => kind.name()).set(active as f64);
    }
    gauge!("inspectd_streams").set(streams.open as f64);
    counter!("inspectd_missed_by_slow_clients_total").absolute(streams.missed);
    counter!("inspectd_late_views_total").absolute(snapshot.late_views);
    counter!("inspectd_unjournalled_total").absolute(snapshot.unjournalled());
    if let Some(journal) = &snapshot.journal {
        sample_journal(journal, snapshot.totals);
    }
}

fn sample_shadow(shadow: &ShadowSnapshot) {
    if shadow.phase == ShadowPhase::Off {
        return;
    }
    for (result, count) in [
        ("judged", shadow.judged),
        ("skipped", shadow.skipped),
        ("failed", shadow.failed),
    ] {
        gauge!("inspectd_shadow_frames", "result" => result).set(count as f64);
    }
    gauge!("inspectd_shadow_disagreements").set(shadow.disagreements as f64);
    let running = f64::from(u8::from(shadow.phase == ShadowPhase::Running));
    gauge!("inspectd_shadow_running").set(running);
}

fn sample_journal(journal: &JournalSnapshot, totals: Totals) {
    let failing = u8::from(journal.trouble.is_some());
    gauge!("inspectd_journal_failing").set(f64::from(failing));
    gauge!("inspectd_journal_verdicts").set(totals.kept() as f64);
    gauge!("inspectd_journal_wal_bytes").set(journal.wal_bytes as f64);
    for (name, consumer) in &journal.consumers {
        let pending = totals.sequence.saturating_sub(consumer.acknowledged);
        gauge!("inspectd_consumer_pending", "consumer" => name.clone()).set(pending as f64);
    }
    if let Some(evidence) = journal.evidence {
        gauge!("inspectd_evidence_kept").set(evidence.kept as f64);
        gauge!("inspectd_evidence_bytes").set(evidence.bytes as f64);
        counter!("inspectd_evidence_missed_total").absolute(evidence.missed);
    }
}

/// Sets the series that name the active model, engine and configuration: 1 while active, 0 afterwards.
fn set_active_info(active: &Active, value: f64) {
    let model = &active.model;
    let requested = active.requested_provider();
    let server = model.remote.as_ref().map(|_| PROVIDER);
    for provider in server.into_iter().chain([model.provider]) {
        let is_in_use = f64::from(u8::from(provider == model.provider_in_use()));
        gauge!("inspectd_engine_info", "provider" => provider, "requested_provider" => requested,
            "runtime_version" => model.runtime_version.clone())
        .set(value * is_in_use);
    }
    gauge!("inspectd_model_info", "name" => model.id.name.clone(), "version" => model.id.version.clone(),
        "sha256" => model.id.sha256.clone())
    .set(value);
    gauge!("inspectd_config_info", "hash" => active.stamp.config_hash.clone()).set(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauge_that_no_scrape_sets_is_removed_and_counters_stay() {
        let metrics = Metrics::with_idle_timeout(Duration::from_millis(50)).expect("metrics");
        let set = |pending: &[&'static str]| {
            metrics::with_local_recorder(&metrics.recorder, || {
                for consumer in pending {
                    gauge!("inspectd_consumer_pending", "consumer" => *consumer).set(7.0);
                }
                counter!("inspectd_unjournalled_total").absolute(3);
            });
            metrics.recorder.handle().render()
        };
        let both = set(&["mes", "plc"]);
        assert!(both.contains("{consumer=\"mes\"} 7") && both.contains("{consumer=\"plc\"} 7"));
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            std::thread::sleep(Duration::from_millis(10));
            let text = set(&["plc"]);
            assert!(text.contains("{consumer=\"plc\"} 7"), "{text}");
            assert!(text.contains("inspectd_unjournalled_total 3"), "{text}");
            if !text.contains("{consumer=\"mes\"}") {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{text}");
        }
    }
}
