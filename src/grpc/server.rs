//! The server: listeners, access control, services, health and reflection.

use std::future::Future;
use std::sync::Arc;

use tonic::transport::Server;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;

use super::acceptor::{Listeners, connections};
use super::auth::AuthLayer;
use super::proto::DESCRIPTORS;
use super::proto::inspection_service_server::InspectionServiceServer;
use super::proto::line_service_server::LineServiceServer;
use super::proto::recipe_service_server::RecipeServiceServer;
use super::proto::tuning_service_server::TuningServiceServer;
use super::service::GrpcService;
use crate::access::Access;
use crate::config::settings;

/// Maximum number of concurrent calls of one connection; more than the streams that may be open.
const CALLS_PER_CONNECTION: u32 = 200;

/// Maximum size of a call's headers, bytes: many times that of a token and a tracing context.
const HEADER_LIMIT: u32 = 16 << 10;

/// Serves the clients that `access` admits until `shutdown` completes, and then until the last call has
/// ended.
///
/// # Errors
/// When a listener fails, or the descriptors are damaged.
pub async fn serve(
    service: GrpcService,
    health: HealthServer<HealthService>,
    settings: &settings::Server,
    access: &Arc<Access>,
    listeners: Listeners,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let limit = settings.message_limit;
    let clock = service.clock.clone();
    let inspection = InspectionServiceServer::new(service.clone())
        .max_decoding_message_size(limit)
        .max_encoding_message_size(limit);
    // Both versions are in use: grpcio's reflection only speaks v1alpha.
    let descriptors = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Server::builder()
        .http2_keepalive_interval(Some(settings.keepalive_interval))
        .http2_keepalive_timeout(Some(settings.keepalive_timeout))
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .http2_max_header_list_size(HEADER_LIMIT)
        .layer(AuthLayer::new(Arc::clone(access), clock.clone()))
        .add_service(inspection)
        .add_service(LineServiceServer::new(service.clone()))
        .add_service(RecipeServiceServer::new(service.clone()))
        .add_service(TuningServiceServer::new(service))
        .add_service(health)
        .add_service(descriptors().build_v1()?)
        .add_service(descriptors().build_v1alpha()?)
        .serve_with_incoming_shutdown(connections(listeners, access, &clock), shutdown)
        .await?;
    Ok(())
}
