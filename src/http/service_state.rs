//! The state of the service around the pipeline, for metrics: version, readiness, connections, disk, traces.

use std::time::{SystemTime, UNIX_EPOCH};

use metrics::{counter, gauge};

use super::disk_space::{DiskSpace, NoAnswer};
use super::process::ProcessUsage;
use crate::telemetry::traces::SpanTotals;

/// The commit that the program was built from; `unknown` for a build without one.
const COMMIT: &str = env!("INSPECTD_COMMIT");

/// The state of the service at one moment.
#[derive(Debug)]
pub struct ServiceState {
    /// Whether the daemon is ready, as `grpc.health.v1` reports.
    pub ready: bool,
    /// Open connections by listener.
    pub connections: Vec<(&'static str, usize)>,
    /// When the certificate of the daemon expires, with TLS.
    pub certificate_expires: Option<SystemTime>,
    /// The spans of traces.
    pub spans: SpanTotals,
    /// The disk of the journal, if there is one.
    pub disk: Option<Result<DiskSpace, NoAnswer>>,
    /// What the process uses, where the system reports it.
    pub process: Option<ProcessUsage>,
}

impl ServiceState {
    /// Sets the metrics.
    pub(super) fn sample(&self, runtime_version: &str) {
        gauge!("inspectd_build_info", "version" => env!("CARGO_PKG_VERSION"), "commit" => COMMIT,
            "onnxruntime" => runtime_version.to_owned())
        .set(1.0);
        gauge!("inspectd_ready").set(f64::from(u8::from(self.ready)));
        for (listener, open) in &self.connections {
            gauge!("inspectd_connections", "listener" => *listener).set(*open as f64);
        }
        if let Some(expires) = self.certificate_expires {
            let seconds = expires.duration_since(UNIX_EPOCH).unwrap_or_default();
            gauge!("inspectd_certificate_expiry_timestamp_seconds").set(seconds.as_secs_f64());
        }
        counter!("inspectd_spans_sent_total").absolute(self.spans.sent);
        counter!("inspectd_spans_dropped_total").absolute(self.spans.dropped);
        if let Some(disk) = &self.disk {
            let bytes =
                |of: fn(&DiskSpace) -> u64| disk.as_ref().map_or(f64::NAN, |disk| of(disk) as f64);
            gauge!("inspectd_disk_free_bytes").set(bytes(|disk| disk.free));
            gauge!("inspectd_disk_bytes").set(bytes(|disk| disk.total));
        }
        if let Some(process) = &self.process {
            gauge!("process_resident_memory_bytes").set(process.resident_bytes as f64);
            gauge!("process_open_fds").set(process.open_files as f64);
            gauge!("process_start_time_seconds").set(process.started_s);
            counter!("process_cpu_seconds_total").absolute(process.cpu_s);
        }
    }
}
