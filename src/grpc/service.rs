//! The state of the services.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tonic::Status;

use super::blocking::{CLIENT_READ_LIMIT, KEY_READ_LIMIT, READ_LIMIT, ReadPermits};
use super::client_shares::ClientShares;
use super::encoded_response::EncodedVerdicts;
use super::status;
use super::stream_registry::StreamRegistry;
use crate::access::Identity;
use crate::clock::SharedClock;
use crate::control::Control;
use crate::control::lifecycle::Lifecycle;
use crate::pipeline::Pipeline;
use crate::shadow::SharedShadow;
use crate::telemetry::traces::Traces;

/// Maximum number of concurrent reports, exports, and calls of the tuning service: each reads the journal while the
/// pipeline writes it. Further calls are refused.
const TUNING_CALL_LIMIT: usize = 2;

/// Those of one client with credentials.
const CLIENT_TUNING_CALL_LIMIT: usize = 1;

/// Longest wait of such a call for an earlier one of the same client.
const TUNING_WAIT: Duration = Duration::from_secs(5);

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
    tuning_permits: Arc<Semaphore>,
    /// The permits of each client.
    tuning_shares: Arc<ClientShares>,
    /// The permit to install a model.
    pub(super) install_permit: Arc<Semaphore>,
    /// Permits to encode pictures of verdicts.
    pub(super) encoding_permits: Arc<Semaphore>,
    /// Calls of each client that encode, or wait for a permit to encode.
    pub(super) encoding_shares: Arc<ClientShares>,
    /// Permits to read the journal and stored evidence.
    pub(super) read_permits: ReadPermits,
    /// Permits to look up the keys of requests in the journal.
    pub(super) key_permits: ReadPermits,
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
            tuning_shares: Arc::new(ClientShares::new(CLIENT_TUNING_CALL_LIMIT)),
            install_permit: Arc::new(Semaphore::new(1)),
            encoding_permits: Arc::new(Semaphore::new(ENCODING_LIMIT)),
            encoding_shares: Arc::new(ClientShares::new(1)),
            read_permits: ReadPermits::new(READ_LIMIT, CLIENT_READ_LIMIT),
            key_permits: ReadPermits::new(KEY_READ_LIMIT, CLIENT_READ_LIMIT),
            encoded: Arc::default(),
            traces,
        }
    }

    /// The same services, whose reads take the client's share.
    pub(super) fn of_client(&self, client: &Identity) -> Self {
        Self {
            read_permits: self.read_permits.of(client),
            key_permits: self.key_permits.of(client),
            ..self.clone()
        }
    }

    /// A permit of the tuning service, of reports and of exports. A client waits for its own earlier call, such as one
    /// for an earlier selection of the page.
    ///
    /// # Errors
    /// When all are taken, or the earlier call takes too long.
    pub(super) async fn tuning_permit(&self, client: &Identity) -> Result<TuningPermit, Status> {
        let mut permits = Vec::new();
        if let Some(share) = self.tuning_shares.of(client) {
            let own = timeout(TUNING_WAIT, share.acquire_owned()).await;
            let own = own.map_err(|_| {
                let name = &client.name;
                let text = format!(
                    "{name} has a report, export, evaluation, suggestion or replay in progress"
                );
                status::exhausted("tuning", text)
            })?;
            permits.push(own.map_err(|_| status::stopping())?);
        }
        let permit = Arc::clone(&self.tuning_permits).try_acquire_owned();
        permits.push(permit.map_err(|_| {
            let text = format!(
                "{TUNING_CALL_LIMIT} reports, exports, evaluations, suggestions or replays are already in progress"
            );
            status::exhausted("tuning", text)
        })?);
        Ok(TuningPermit { _permits: permits })
    }
}

/// The permit of a report, an export or a call of the tuning service, until it is dropped.
#[derive(Debug)]
pub(super) struct TuningPermit {
    _permits: Vec<OwnedSemaphorePermit>,
}
