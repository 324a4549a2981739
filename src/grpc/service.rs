//! The state of the services.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::blocking::READ_LIMIT;
use super::client_shares::ClientShares;
use super::encoded_response::EncodedVerdicts;
use super::stream_registry::StreamRegistry;
use crate::clock::SharedClock;
use crate::control::Control;
use crate::control::lifecycle::Lifecycle;
use crate::pipeline::Pipeline;
use crate::shadow::SharedShadow;
use crate::telemetry::traces::Traces;

/// Maximum number of concurrent reports, exports, and calls of the tuning service: each reads the journal while the
/// pipeline writes it. Further calls are refused.
pub(super) const TUNING_CALL_LIMIT: usize = 2;

/// Maximum number of calls that encode pictures at the same time, so that clients leave the CPU to the line. Further
/// calls wait until their clients give up, one of each client at a time for the permit.
const ENCODING_LIMIT: usize = 1;

/// Implements all services of `inspectd.v1`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GrpcService {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) control: Arc<Control>,
    pub(super) shadow: SharedShadow,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) streams: Arc<StreamRegistry>,
    pub(super) clock: SharedClock,
    pub(super) run_id: String,
    /// Permits of the tuning service, of reports and of exports.
    pub(super) tuning_permits: Arc<Semaphore>,
    /// The permit to install a model.
    pub(super) install_permit: Arc<Semaphore>,
    /// Permits to encode pictures of verdicts.
    pub(super) encoding_permits: Arc<Semaphore>,
    /// Calls of each client that encode, or wait for a permit to encode.
    pub(super) encoding_shares: Arc<ClientShares>,
    /// Permits to read the journal and stored evidence.
    pub(super) read_permits: Arc<Semaphore>,
    /// Encodings of the newest verdicts.
    pub(super) encoded: Arc<EncodedVerdicts>,
    pub(super) traces: Traces,
}

impl GrpcService {
    /// Serves a pipeline.
    pub fn new(
        pipeline: Arc<Pipeline>,
        control: Arc<Control>,
        shadow: SharedShadow,
        lifecycle: Arc<Lifecycle>,
        streams: Arc<StreamRegistry>,
        clock: SharedClock,
        traces: Traces,
    ) -> Self {
        Self {
            run_id: pipeline.run_id().to_string(),
            pipeline,
            control,
            shadow,
            lifecycle,
            streams,
            clock,
            tuning_permits: Arc::new(Semaphore::new(TUNING_CALL_LIMIT)),
            install_permit: Arc::new(Semaphore::new(1)),
            encoding_permits: Arc::new(Semaphore::new(ENCODING_LIMIT)),
            encoding_shares: Arc::new(ClientShares::new(1)),
            read_permits: Arc::new(Semaphore::new(READ_LIMIT)),
            encoded: Arc::default(),
            traces,
        }
    }
}
