//! The services: parse, call, convert. The only place of the daemon that names tonic and the generated
//! types.

mod acceptor;
mod auth;
mod connection;
mod convert;
mod health;
pub mod image;
mod inspection_service;
mod journal;
mod line_service;
mod recipe_service;
mod revocable;
mod status;
mod stream;
mod stream_registry;
mod tuning_service;

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tonic::transport::Server;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;

use crate::access::Access;
use crate::config::settings;
use crate::control::Control;
use crate::control::lifecycle::Stage;
use crate::pipeline::Line;

pub use acceptor::Doors;
use acceptor::connections;
pub use auth::identity;
use auth::{GateLayer, actor};
pub use health::Health;
pub use stream_registry::{StreamCounts, StreamRegistry};

pub mod proto {
    //! The package `inspectd.v1` as Rust types: the messages of `inspectd-client` and the generated services.
    #![allow(missing_docs, clippy::all, clippy::pedantic)]

    pub use inspectd_client::proto::*;

    tonic::include_proto!("inspectd.v1");

    /// The descriptors of all services, for reflection.
    pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("inspectd");
}

use proto::inspection_service_server::InspectionServiceServer;
use proto::line_service_server::LineServiceServer;
use proto::recipe_service_server::RecipeServiceServer;
use proto::tuning_service_server::TuningServiceServer;

/// What the services serve. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Services {
    line: Arc<Line>,
    control: Arc<Control>,
    stage: Arc<Stage>,
    streams: Arc<StreamRegistry>,
    run_id: String,
    /// What reads through the journal, a few at a time.
    tuning: Arc<Semaphore>,
}

impl Services {
    /// Serves this line.
    pub fn new(
        line: Arc<Line>,
        control: Arc<Control>,
        stage: Arc<Stage>,
        streams: Arc<StreamRegistry>,
    ) -> Self {
        Self {
            run_id: line.run_id().to_string(),
            line,
            control,
            stage,
            streams,
            tuning: Arc::new(Semaphore::new(tuning_service::LIMIT)),
        }
    }
}

/// The most calls that one connection may have under way: more than the streams that may be open.
const CALLS_PER_CONNECTION: u32 = 200;

/// The most bytes of a call's headers: a token and a tracing context, many times over.
const LARGEST_HEADERS: u32 = 16 << 10;

/// Serves those whom `access` lets in by `doors` until `shutdown`, and then until the last call has
/// ended.
///
/// # Errors
/// When the listener fails, or the descriptors are damaged.
pub async fn serve(
    services: Services,
    health: HealthServer<HealthService>,
    settings: &settings::Server,
    access: &Arc<Access>,
    doors: Doors,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let limit = settings.message_limit;
    let inspection = InspectionServiceServer::new(services.clone())
        .max_decoding_message_size(limit)
        .max_encoding_message_size(limit);
    // Clients of both ages are about: grpcio's reflection speaks v1alpha alone.
    let descriptors = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Server::builder()
        .http2_keepalive_interval(Some(settings.keepalive_interval))
        .http2_keepalive_timeout(Some(settings.keepalive_timeout))
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .http2_max_header_list_size(LARGEST_HEADERS)
        .layer(GateLayer::new(Arc::clone(access)))
        .add_service(inspection)
        .add_service(LineServiceServer::new(services.clone()))
        .add_service(RecipeServiceServer::new(services.clone()))
        .add_service(TuningServiceServer::new(services))
        .add_service(health)
        .add_service(descriptors().build_v1()?)
        .add_service(descriptors().build_v1alpha()?)
        .serve_with_incoming_shutdown(
            connections(doors, access, settings.connection_limit),
            shutdown,
        )
        .await?;
    Ok(())
}
