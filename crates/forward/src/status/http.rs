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

use super::listener::{LimitedListener, Limits};
use super::metrics;
use crate::state::{SinkState, Snapshot};

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
    serve_within(Limits::STATUS, listener, states).await;
}

async fn serve_within(limits: Limits, listener: TcpListener, states: States) {
    let listener = LimitedListener::new(listener, limits);
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

/// 200 while every sink forwards and acknowledges; otherwise 503 with the faults of the others.
async fn health(State(states): State<States>) -> impl IntoResponse {
    let others: Vec<String> = snapshots(&states)
        .into_iter()
        .filter_map(|snapshot| Some(format!("{}: {}\n", snapshot.sink, snapshot.fault()?)))
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::*;

    /// Longer than anything takes on a busy machine.
    const PATIENCE: Duration = Duration::from_mins(1);
    const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: box\r\n\r\n";

    /// A listener with these limits, and connections to it.
    async fn connections<const N: usize>(limits: Limits, states: States) -> [TcpStream; N] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(serve_within(limits, listener, states));
        let mut connections = Vec::new();
        for _ in 0..N {
            connections.push(TcpStream::connect(address).await.expect("connected"));
        }
        connections.try_into().expect("as many")
    }

    /// The next bytes that arrive; none: the connection was closed.
    async fn read(connection: &mut TcpStream) -> String {
        let mut bytes = vec![0; 1000];
        let read = timeout(PATIENCE, connection.read(&mut bytes)).await;
        let count = read.expect("in time").unwrap_or(0);
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[tokio::test]
    async fn sinks_that_do_not_acknowledge_are_not_healthy() {
        let state = |id: &str| {
            let state = SinkState::new(id, "files", "forward");
            state.opened(1, 1);
            Arc::new(state)
        };
        let states: States = vec![state("good"), state("bad")].into();
        let [mut first, mut second] = connections::<2>(Limits::STATUS, Arc::clone(&states)).await;
        first.write_all(REQUEST).await.expect("sent");
        let answer = read(&mut first).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let minute_ago = Instant::now().checked_sub(Duration::from_secs(61));
        states[1].acknowledgement_failed("no", minute_ago.expect("the machine runs longer"));
        second.write_all(REQUEST).await.expect("sent");
        let answer = read(&mut second).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.ends_with("bad: acknowledgements fail\n"), "{answer}");
    }

    #[tokio::test]
    async fn head_that_is_not_completed_ends_the_connection() {
        let limits = Limits {
            head: Duration::from_secs(1),
            ..Limits::STATUS
        };
        let [mut slow] = connections::<1>(limits, Arc::default()).await;
        slow.write_all(&REQUEST[..10]).await.expect("sent");
        assert_eq!(read(&mut slow).await, "");
    }

    #[tokio::test]
    async fn silent_connection_is_closed() {
        let limits = Limits {
            idle: Duration::from_secs(1),
            ..Limits::STATUS
        };
        let [mut silent] = connections::<1>(limits, Arc::default()).await;
        silent.write_all(REQUEST).await.expect("sent");
        let answer = read(&mut silent).await;
        assert!(answer.ends_with("ok\n"), "{answer}");
        assert_eq!(read(&mut silent).await, "");
    }

    #[tokio::test]
    async fn connection_above_the_limit_waits_until_another_one_is_closed() {
        let limits = Limits {
            connections: 1,
            ..Limits::STATUS
        };
        let [mut first, mut second] = connections::<2>(limits, Arc::default()).await;
        first.write_all(REQUEST).await.expect("sent");
        let answer = read(&mut first).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        second.write_all(REQUEST).await.expect("sent");
        let early = timeout(Duration::from_millis(300), read(&mut second)).await;
        assert!(early.is_err(), "{early:?}");
        drop(first);
        let answer = read(&mut second).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
