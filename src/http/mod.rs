//! The HTTP server: `/metrics` for Prometheus, and `/healthz`.

pub mod listener;
mod metric_table;
pub mod metrics;
pub mod page;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

pub use metric_table::{METRICS, Metric, MetricKind};

use metrics::Metrics;

use crate::control::lifecycle::{Lifecycle, Phase, stalled_for};
use crate::grpc::StreamRegistry;
use crate::pipeline::Pipeline;
use crate::shadow::SharedShadow;

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
}

impl HttpState {
    /// Returns the routes of the HTTP server.
    pub fn router(self) -> Router {
        let state = self.clone();
        Router::new()
            .route("/metrics", get(async move || self.metrics()))
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

    fn metrics(&self) -> impl IntoResponse + use<> {
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        (
            [(header::CONTENT_TYPE, kind)],
            self.metrics.render(
                &self.pipeline.snapshot(),
                self.streams.counts(),
                &self.shadow.snapshot(),
            ),
        )
    }
}
