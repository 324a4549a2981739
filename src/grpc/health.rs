//! `grpc.health.v1`: the daemon (as the empty name and as each service), and each camera as `camera/ID`.

use std::collections::BTreeMap;

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use super::proto::inspection_service_server::SERVICE_NAME as INSPECTION;
use super::proto::line_service_server::SERVICE_NAME as LINE;
use super::proto::recipe_service_server::SERVICE_NAME as RECIPE;
use super::proto::tuning_service_server::SERVICE_NAME as TUNING;
use crate::camera::CameraState;
use crate::control::lifecycle::Phase;
use crate::pipeline::Snapshot;

/// The reported health. Watching clients are only notified of changes.
#[derive(Debug)]
pub struct Health {
    reporter: HealthReporter,
    reported: BTreeMap<String, bool>,
}

impl Health {
    /// Health of a daemon that does not serve yet.
    pub async fn new() -> Self {
        let mut health = Self {
            reporter: HealthReporter::new(),
            reported: BTreeMap::new(),
        };
        for name in ["", INSPECTION, LINE, RECIPE, TUNING] {
            health.set(name, false).await;
        }
        health
    }

    /// Returns the health service.
    pub fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    /// Reports the health. The daemon serves while it runs, its engine works, its threads make progress
    /// and its verdicts are journalled. A lost camera only affects the health of that camera.
    pub async fn report(&mut self, phase: Phase, snapshot: &Snapshot, progresses: bool) {
        let serves = phase == Phase::Running && progresses && snapshot.works();
        for name in ["", INSPECTION, LINE, RECIPE, TUNING] {
            self.set(name, serves).await;
        }
        for (id, (facts, _)) in &snapshot.cameras {
            let serves = phase == Phase::Running && facts.state == CameraState::Running;
            self.set(&format!("camera/{id}"), serves).await;
        }
    }

    /// Ends the streams of all watching clients: nothing else does, and the server waits for them.
    pub async fn end(&mut self) {
        for name in std::mem::take(&mut self.reported).into_keys() {
            self.reporter.clear_service_status(&name).await;
        }
    }

    async fn set(&mut self, name: &str, serves: bool) {
        if self.reported.insert(name.to_owned(), serves) == Some(serves) {
            return;
        }
        let status = if serves {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        self.reporter.set_service_status(name, status).await;
    }
}
