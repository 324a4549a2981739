//! The table of metrics.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The type.
    pub kind: MetricKind,
    /// The name.
    pub name: &'static str,
    /// What it counts, with its labels in parentheses.
    pub help: &'static str,
}

/// Type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A counter.
    Counter,
    /// A gauge.
    Gauge,
    /// A histogram.
    Histogram,
}

impl MetricKind {
    /// `counter`, `gauge` or `histogram`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    let kind = MetricKind::Counter;
    Metric { kind, name, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    let kind = MetricKind::Gauge;
    Metric { kind, name, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    let kind = MetricKind::Histogram;
    Metric { kind, name, help }
}

/// All metrics, in the order of docs/operations.md.
pub const METRICS: [Metric; 51] = [
    counter(
        "inspectd_frames_captured_total",
        "Frames taken from a camera (camera)",
    ),
    counter(
        "inspectd_frames_judged_total",
        "Frames that ended as PASS, REJECT or REVIEW (camera)",
    ),
    counter(
        "inspectd_frames_skipped_total",
        "Frames replaced by a newer one before the engine was free (camera)",
    ),
    counter(
        "inspectd_frames_lost_total",
        "Frames that the driver lost, known for devices with fps (camera)",
    ),
    counter(
        "inspectd_frames_faulted_total",
        "Frames that ended as FAULT (camera)",
    ),
    counter(
        "inspectd_verdicts_total",
        "Verdicts, those of cameras without a frame included (camera, decision)",
    ),
    counter("inspectd_faults_total", "FAULT verdicts (camera, reason)"),
    counter(
        "inspectd_camera_opened_total",
        "How often a camera's source was opened (camera)",
    ),
    gauge(
        "inspectd_camera_state",
        "1 for the state that a camera is in, 0 for the others (camera, state)",
    ),
    gauge(
        "inspectd_score_drift",
        "Largest difference between the distributions of the last 200 passed scores and of the calibration, 0 to 1 (camera)",
    ),
    gauge(
        "inspectd_score_drift_p_value",
        "Probability of this difference, or a larger one, if nothing has changed; below 0.0001 is drift (camera)",
    ),
    gauge(
        "inspectd_shadow_frames",
        "Frames of the line that the shadow judged, skipped or could not judge, since it was started or reset (result: judged, skipped, failed)",
    ),
    gauge(
        "inspectd_shadow_disagreements",
        "Judged frames that the shadow decides otherwise, since it was started or reset",
    ),
    gauge(
        "inspectd_shadow_running",
        "1 while the shadow judges, 0 while it is loaded or cannot be used",
    ),
    gauge(
        "inspectd_queue_depth",
        "Frames that wait for the engine (camera)",
    ),
    histogram(
        "inspectd_stage_seconds",
        "Time in a stage (stage: queue, preprocess, inference, judge, commit)",
    ),
    histogram(
        "inspectd_verdict_seconds",
        "Time from capture to the verdict (camera)",
    ),
    histogram("inspectd_score", "Scores (camera)"),
    histogram(
        "inspectd_batch_size",
        "Frames that shared a run of the model",
    ),
    counter(
        "inspectd_engine_failures_total",
        "Runs of the model that failed",
    ),
    counter(
        "inspectd_remote_runs_total",
        "Runs that the server of engine.remote could have answered (result: used, hedged, timed_out, failed, skipped)",
    ),
    histogram(
        "inspectd_remote_seconds",
        "Time of a run on the server of engine.remote whose maps were judged",
    ),
    gauge(
        "inspectd_build_info",
        "1 for this program (version, commit, onnxruntime: version of the loaded library)",
    ),
    gauge(
        "inspectd_ready",
        "1 while the daemon runs, the engine works and verdicts are journalled, as grpc.health.v1 reports",
    ),
    gauge(
        "inspectd_engine_info",
        "1 for the active engine, 0 for the one that could take its place (provider, requested_provider, runtime_version)",
    ),
    gauge(
        "inspectd_model_info",
        "1 for the active model (name, version, sha256)",
    ),
    gauge(
        "inspectd_config_generation",
        "Generation of the active configuration",
    ),
    gauge(
        "inspectd_config_info",
        "1 for the active configuration (hash)",
    ),
    gauge("inspectd_alarms", "Active alarms (kind)"),
    gauge("inspectd_streams", "Open verdict streams"),
    gauge(
        "inspectd_connections",
        "Open connections (listener: its configuration key)",
    ),
    gauge(
        "inspectd_certificate_expiry_timestamp_seconds",
        "When the certificate of the daemon expires, seconds since 1970; only with TLS",
    ),
    counter(
        "inspectd_missed_by_slow_clients_total",
        "Verdicts that slow clients missed",
    ),
    counter(
        "inspectd_frames_late_total",
        "Judgements that came after their deadline (camera)",
    ),
    counter(
        "inspectd_late_views_total",
        "Views that came after their part was decided",
    ),
    gauge(
        "inspectd_journal_failing",
        "1 while verdicts cannot be journalled",
    ),
    counter(
        "inspectd_unjournalled_total",
        "Verdicts that could not be journalled",
    ),
    gauge(
        "inspectd_journal_verdicts",
        "Sequences from the oldest verdict that is kept to the newest",
    ),
    gauge(
        "inspectd_journal_wal_bytes",
        "Size of the write-ahead log of the journal",
    ),
    gauge(
        "inspectd_consumer_pending",
        "Sequences that a consumer has not acknowledged (consumer)",
    ),
    gauge("inspectd_evidence_kept", "Verdicts with evidence files"),
    gauge("inspectd_evidence_bytes", "Disk space of evidence files"),
    counter(
        "inspectd_evidence_missed_total",
        "Verdicts whose evidence should have been kept, and could not be",
    ),
    gauge(
        "inspectd_disk_free_bytes",
        "Free space of the disk with journal.folder; NaN while the disk does not answer",
    ),
    gauge(
        "inspectd_disk_bytes",
        "Size of the disk with journal.folder; NaN while the disk does not answer",
    ),
    counter(
        "inspectd_spans_sent_total",
        "Spans of traces that the collector has received",
    ),
    counter(
        "inspectd_spans_dropped_total",
        "Spans of traces that were not sent: the collector did not answer or was too slow",
    ),
    gauge("process_resident_memory_bytes", "Memory of the process"),
    gauge("process_open_fds", "Open files of the process"),
    counter("process_cpu_seconds_total", "CPU time of the process"),
    gauge(
        "process_start_time_seconds",
        "Start of the process, seconds since 1970",
    ),
];

/// Describes all metrics to the local recorder.
pub(super) fn describe() {
    for Metric { kind, name, help } in METRICS {
        match kind {
            MetricKind::Counter => describe_counter!(name, help),
            MetricKind::Gauge => describe_gauge!(name, help),
            MetricKind::Histogram => describe_histogram!(name, help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_operations_md_lists_every_metric() {
        let page = include_str!("../../docs/operations.md");
        for Metric { kind, name, help } in METRICS {
            let row = format!("| `{name}` | {} | {help} |", kind.name());
            assert!(page.contains(&row), "docs/operations.md lacks: {row}");
        }
    }
}
