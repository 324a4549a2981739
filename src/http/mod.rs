//! The HTTP server: `/metrics` for Prometheus, and `/healthz`.

pub mod listener;
mod metric_table;
pub mod metrics;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

pub use metric_table::{METRICS, Metric, MetricKind};

use metrics::Metrics;

use crate::control::lifecycle::{Lifecycle, Phase};
use crate::grpc::StreamRegistry;
use crate::pipeline::Pipeline;

/// The state of the HTTP handlers.
#[derive(Clone, Debug)]
pub struct HttpState {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// The lifecycle of the process.
    pub lifecycle: Arc<Lifecycle>,
    /// The open verdict streams.
    pub streams: Arc<StreamRegistry>,
    /// The metrics registry.
    pub metrics: Arc<Metrics>,
}

impl HttpState {
    /// Returns the routes of the HTTP server.
    pub fn router(self) -> Router {
        let lifecycle = Arc::clone(&self.lifecycle);
        Router::new()
            .route("/metrics", get(async move || self.metrics()))
            .route("/healthz", get(async move || healthz(lifecycle.phase())))
    }

    fn metrics(&self) -> impl IntoResponse + use<> {
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        (
            [(header::CONTENT_TYPE, kind)],
            self.metrics
                .render(&self.pipeline.snapshot(), self.streams.counts()),
        )
    }
}

fn healthz(phase: Phase) -> (StatusCode, &'static str) {
    match phase {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Running => (StatusCode::OK, "running\n"),
        Phase::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}
