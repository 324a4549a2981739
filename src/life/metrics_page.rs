//! `/metrics` for Prometheus, and `/healthz` for those who ask by HTTP.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;

use super::phase::{Phase, Stage};
use crate::grpc::StreamBook;
use crate::line::Line;
use crate::metrics;

/// What the pages show.
#[derive(Clone)]
pub(super) struct Pages {
    pub(super) line: Arc<Line>,
    pub(super) stage: Arc<Stage>,
    pub(super) streams: Arc<StreamBook>,
    pub(super) recorder: PrometheusHandle,
}

impl Pages {
    pub(super) fn router(self) -> Router {
        let stage = Arc::clone(&self.stage);
        Router::new()
            .route("/metrics", get(async move || self.metrics()))
            .route("/healthz", get(async move || healthz(stage.phase())))
    }

    fn metrics(&self) -> impl IntoResponse + use<> {
        metrics::sample(&self.line.snapshot(), self.streams.counts());
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        ([(header::CONTENT_TYPE, kind)], self.recorder.render())
    }
}

fn healthz(phase: Phase) -> (StatusCode, &'static str) {
    match phase {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Running => (StatusCode::OK, "running\n"),
        Phase::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}
