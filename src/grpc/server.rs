//! The server: listeners, access control, services, health and reflection.

use std::future::Future;
use std::sync::Arc;

use tokio::net::UnixListener;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;

use super::acceptor::{Listeners, connections, unix_connections};
use super::auth::AuthLayer;
use super::calls::Calls;
use super::lookout::EdgeAgentService;
use super::lookout::proto::edge_agent_server::EdgeAgentServer;
use super::proto::DESCRIPTORS;
use super::proto::inspection_service_server::InspectionServiceServer;
use super::proto::line_service_server::LineServiceServer;
use super::proto::model_service_server::ModelServiceServer;
use super::proto::recipe_service_server::RecipeServiceServer;
use super::proto::report_service_server::ReportServiceServer;
use super::proto::tuning_service_server::TuningServiceServer;
use super::service::GrpcService;
use crate::access::Access;
use crate::clock::SharedClock;
use crate::config::settings;
use crate::on_panic::Failed;

/// Maximum number of concurrent calls of one connection; more than the streams that may be open.
const CALLS_PER_CONNECTION: u32 = 200;

/// Maximum size of a call's headers, bytes: many times that of a token and a tracing context.
const HEADER_LIMIT: u32 = 16 << 10;

/// All services, behind access control.
#[derive(Clone)]
pub struct Services {
    layer: AuthLayer,
    routes: Routes,
    message_limit: usize,
    access: Arc<Access>,
    clock: SharedClock,
}

impl Services {
    /// The services for the clients that `access` admits.
    ///
    /// # Panics
    /// When the descriptors are damaged, which were compiled with this program.
    pub fn new(
        service: GrpcService,
        health: HealthServer<HealthService>,
        message_limit: usize,
        access: &Arc<Access>,
    ) -> Self {
        let clock = service.clock.clone();
        let inspection = InspectionServiceServer::new(service.clone())
            .max_decoding_message_size(message_limit)
            .max_encoding_message_size(message_limit);
        // Both versions are in use: grpcio's reflection only speaks v1alpha.
        let descriptors = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let intact = "the descriptors were compiled with this program";
        let routes = Routes::new(inspection)
            .add_service(LineServiceServer::new(service.clone()))
            .add_service(
                ModelServiceServer::new(service.clone()).max_decoding_message_size(message_limit),
            )
            .add_service(RecipeServiceServer::new(service.clone()))
            .add_service(ReportServiceServer::new(service.clone()))
            .add_service(TuningServiceServer::new(service))
            .add_service(health)
            .add_service(descriptors().build_v1().expect(intact))
            .add_service(descriptors().build_v1alpha().expect(intact));
        Self {
            layer: AuthLayer::new(Arc::clone(access), clock.clone()),
            routes,
            message_limit,
            access: Arc::clone(access),
            clock,
        }
    }

    /// The edge agent of Lookout for Vision, behind the same access control, with the same limits on images.
    pub fn edge_agent(&self, service: GrpcService) -> EdgeAgent {
        let server = EdgeAgentServer::new(EdgeAgentService::new(service))
            .max_decoding_message_size(self.message_limit)
            .max_encoding_message_size(self.message_limit);
        EdgeAgent(Self {
            routes: Routes::new(server),
            ..self.clone()
        })
    }

    /// Calls from within this process.
    pub fn calls(&self) -> Calls {
        Calls::new(&self.layer, self.routes.clone(), self.message_limit)
    }
}

/// The service of clients of Lookout for Vision: on its socket, there is no other.
pub struct EdgeAgent(Services);

/// Serves clients until `shutdown` completes, and then until the last call has ended. `failed` is called if connections can
/// no longer be accepted because of a panic.
///
/// # Errors
/// When a listener fails.
pub async fn serve(
    services: Services,
    settings: &settings::Server,
    listeners: Listeners,
    failed: Failed,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    builder(settings)
        .layer(services.layer)
        .add_routes(services.routes)
        .serve_with_incoming_shutdown(
            connections(listeners, &services.access, &services.clock, &failed),
            shutdown,
        )
        .await
}

/// Serves clients of Lookout for Vision as [`serve`]. `key` is the configuration key of the listener.
///
/// # Errors
/// When the listener fails.
pub async fn serve_edge_agent(
    EdgeAgent(services): EdgeAgent,
    settings: &settings::Server,
    key: &'static str,
    listener: UnixListener,
    connection_limit: usize,
    failed: Failed,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let Services { access, clock, .. } = &services;
    let accepted = unix_connections(key, listener, connection_limit, access, clock, failed);
    builder(settings)
        .layer(services.layer.clone())
        .add_routes(services.routes)
        .serve_with_incoming_shutdown(accepted, shutdown)
        .await
}

fn builder(settings: &settings::Server) -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(settings.keepalive_interval))
        .http2_keepalive_timeout(Some(settings.keepalive_timeout))
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .http2_max_header_list_size(HEADER_LIMIT)
}
