//! The listener: `/healthz`, `/metrics`, `/status`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tracing::error;

use super::metrics;
use crate::state::{Activity, SinkState, Snapshot};

/// The answer of `/status`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// The sinks, by id.
    pub sinks: Vec<Snapshot>,
}

type States = Arc<[Arc<SinkState>]>;

/// Serves until the task is aborted.
pub async fn serve(listener: TcpListener, states: States) {
    let router = Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(prometheus))
        .route("/status", get(status))
        .with_state(states);
    if let Err(error) = axum::serve(listener, router).await {
        error!(%error, "the status is no longer served");
    }
}

fn snapshots(states: &States) -> Vec<Snapshot> {
    states.iter().map(|state| state.snapshot()).collect()
}

/// 200 while every sink forwards; otherwise 503 with the states of the others.
async fn health(State(states): State<States>) -> impl IntoResponse {
    let others: Vec<String> = snapshots(&states)
        .into_iter()
        .filter(|snapshot| snapshot.state != Activity::Running)
        .map(|snapshot| format!("{}: {}\n", snapshot.sink, snapshot.state.name()))
        .collect();
    if others.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, others.concat())
    }
}

async fn prometheus(State(states): State<States>) -> impl IntoResponse {
    let text = metrics::render(&snapshots(&states));
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
}

async fn status(State(states): State<States>) -> Json<Status> {
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sinks: snapshots(&states),
    })
}
