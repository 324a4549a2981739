//! The HTTP pages: `/metrics` for Prometheus, and `/healthz`.

pub mod metrics;

use std::sync::Arc;

use crate::control::lifecycle::{Phase, Stage};
use crate::grpc::StreamRegistry;
use crate::pipeline::Line;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics::Metrics;

/// The state that the pages show.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The pipeline.
    pub line: Arc<Line>,
    /// The phase of the process.
    pub stage: Arc<Stage>,
    /// The open verdict streams.
    pub streams: Arc<StreamRegistry>,
    /// The metrics registry.
    pub metrics: Arc<Metrics>,
}

impl Pages {
    /// The routes of the HTTP listener.
    pub fn router(self) -> Router {
        let stage = Arc::clone(&self.stage);
        Router::new()
            .route("/metrics", get(async move || self.metrics()))
            .route("/healthz", get(async move || healthz(stage.phase())))
    }

    fn metrics(&self) -> impl IntoResponse + use<> {
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        (
            [(header::CONTENT_TYPE, kind)],
            self.metrics
                .render(&self.line.snapshot(), self.streams.counts()),
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
