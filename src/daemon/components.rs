//! The components that startup hands to the running daemon.

use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Notify;

use super::listeners::SocketFile;
use crate::access::Access;
use crate::clock::SharedClock;
use crate::config::settings::Settings;
use crate::control::Control;
use crate::control::running_cameras::RunningCameras;
use crate::grpc::Listeners;
use crate::http::metrics::Metrics;
use crate::on_panic::Failed;
use crate::pipeline::Pipeline;
use crate::shadow::SharedShadow;
use crate::telemetry::traces::Traces;

/// The bound listeners of all servers, with the access control of gRPC.
pub(super) struct Endpoints {
    /// Listeners of gRPC.
    pub(super) grpc: Listeners,
    /// Access control of gRPC.
    pub(super) access: Arc<Access>,
    /// Listener of clients of Lookout for Vision.
    pub(super) lookout: Option<UnixListener>,
    /// The files of the Unix sockets.
    pub(super) sockets: Vec<SocketFile>,
    /// Listener of metrics and liveness.
    pub(super) http: Option<TcpListener>,
    /// Listener of the page.
    pub(super) page: Option<TcpListener>,
}

/// The pipeline, with what observes and changes it.
pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) clock: SharedClock,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) cameras: Arc<RunningCameras>,
    pub(super) control: Arc<Control>,
    pub(super) shadow: SharedShadow,
    pub(super) metrics: Arc<Metrics>,
    pub(super) traces: Traces,
    /// Reports that a thread has failed.
    pub(super) failed: Failed,
    /// Notified by `failed`.
    pub(super) thread_failed: Arc<Notify>,
}
