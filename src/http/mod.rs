//! The HTTP server: `/metrics` for Prometheus, and `/healthz`.

mod disk_space;
pub mod listener;
mod metric_table;
pub mod metrics;
pub mod page;
mod process;
mod service_state;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

pub use disk_space::DiskReader;
pub use metric_table::{METRICS, Metric, MetricKind};

use metrics::Metrics;
use process::ProcessUsage;
use service_state::ServiceState;

use crate::access::Access;
use crate::control::lifecycle::{Lifecycle, Phase, stalled_for};
use crate::grpc::StreamRegistry;
use crate::pipeline::Pipeline;
use crate::shadow::SharedShadow;
use crate::telemetry::traces::Traces;

/// The state of the HTTP handlers.
#[derive(Clone, Debug)]
pub struct HttpState {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// The lifecycle of the process.
    pub lifecycle: Arc<Lifecycle>,
    /// The open verdict streams.
    pub streams: Arc<StreamRegistry>,
    /// The shadow.
    pub shadow: SharedShadow,
    /// The metrics registry.
    pub metrics: Arc<Metrics>,
    /// Access control of gRPC, which knows the connections.
    pub access: Arc<Access>,
    /// The traces.
    pub traces: Traces,
    /// The disk of the journal, if there is one.
    pub disk: Option<DiskReader>,
}

impl HttpState {
    /// Returns the routes of the HTTP server.
    pub fn router(self) -> Router {
        let state = self.clone();
        Router::new()
            .route("/metrics", get(async move || self.metrics().await))
            .route("/healthz", get(async move || state.healthz()))
    }

    /// Liveness: a restart of the process would help if it fails.
    fn healthz(&self) -> (StatusCode, &'static str) {
        match self.lifecycle.phase() {
            Phase::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
            _ if stalled_for(&self.pipeline).is_some() => {
                (StatusCode::SERVICE_UNAVAILABLE, "the engine is stalled\n")
            }
            Phase::Starting => (StatusCode::OK, "starting\n"),
            Phase::Running => (StatusCode::OK, "running\n"),
        }
    }

    async fn metrics(&self) -> impl IntoResponse + use<> {
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        let disk = match &self.disk {
            Some(disk) => Some(disk.read().await),
            None => None,
        };
        let snapshot = self.pipeline.snapshot();
        let progresses = stalled_for(&self.pipeline).is_none();
        let service = ServiceState {
            ready: self.lifecycle.phase() == Phase::Running && progresses && snapshot.works(),
            connections: self.access.connections(),
            certificate_expires: self.access.certificate_expires(),
            spans: self.traces.totals(),
            disk,
            process: ProcessUsage::read(),
        };
        (
            [(header::CONTENT_TYPE, kind)],
            self.metrics.render(
                &snapshot,
                self.streams.counts(),
                &self.shadow.snapshot(),
                &service,
            ),
        )
    }
}
