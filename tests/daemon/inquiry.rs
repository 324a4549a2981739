//! Queries of a daemon other than its verdicts: status, health, HTTP pages, memory, and the counts that
//! it logs at shutdown.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use inspectd_client::proto::{Camera, FrameCounts, Status};
use tonic::Streaming;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::harness::{Daemon, PATIENCE};

impl Daemon {
    /// Waits until `wanted` holds for the status.
    pub async fn status_when(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status().await;
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never {what}: {status:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether `name` is SERVING by `grpc.health.v1`; an error for an unknown name.
    pub async fn serves(&self, name: &str) -> Result<bool, tonic::Status> {
        let mut client = HealthClient::new(self.channel().await);
        let request = HealthCheckRequest {
            service: name.to_owned(),
        };
        let response = client.check(request).await?;
        Ok(response.into_inner().status() == ServingStatus::Serving)
    }

    /// The changes of the health of `name` from now on.
    pub async fn health(&self, name: &str) -> Streaming<HealthCheckResponse> {
        let mut client = HealthClient::new(self.channel().await);
        let request = HealthCheckRequest {
            service: name.to_owned(),
        };
        client.watch(request).await.expect("a stream").into_inner()
    }

    /// Waits until `name` is SERVING, or is not.
    pub async fn serves_when(&self, name: &str, wanted: bool) {
        let deadline = Instant::now() + PATIENCE;
        while self.serves(name).await.expect("a known name") != wanted {
            assert!(Instant::now() < deadline, "{name:?} serves: never {wanted}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A page by HTTP: its status code and body.
    pub fn page(&self, path: &str) -> (u16, String) {
        let address = self.address("server.metrics_listen");
        let mut stream = TcpStream::connect(address).expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: line\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (code.expect("a status code"), body.to_owned())
    }

    /// The memory that the process holds, KiB.
    pub fn memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let text = std::fs::read_to_string(path).expect("a running process");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("a number of KiB")
    }
}

/// A camera of a status.
pub fn camera<'a>(status: &'a Status, id: &str) -> &'a Camera {
    let found = status.cameras.iter().find(|camera| camera.id == id);
    found.expect("a configured camera")
}

/// The counts of a camera's frames.
pub fn frames(status: &Status, id: &str) -> FrameCounts {
    camera(status, id).frames.expect("counts")
}

/// The number of frames that were judged, skipped or faulted.
pub fn ended(counts: &FrameCounts) -> u64 {
    counts.judged + counts.skipped + counts.faulted
}

/// The counts of each camera that the daemon logs at shutdown.
pub fn last_counts(log: &[String]) -> BTreeMap<String, FrameCounts> {
    let line = |text: &String| {
        let line: serde_json::Value = serde_json::from_str(text).ok()?;
        let count = |name: &str| line[name].as_u64();
        let counts = FrameCounts {
            captured: count("captured")?,
            judged: count("judged")?,
            skipped: count("skipped")?,
            lost: 0,
            faulted: count("faulted")?,
            late: count("late")?,
        };
        Some((line["camera"].as_str()?.to_owned(), counts))
    };
    log.iter().filter_map(line).collect()
}
