//! Inspections that clients request, and the requests of each camera that wait for a frame.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use inspectd_core::id::{CameraId, RecipeId};
use inspectd_core::moment::Moment;
use inspectd_core::record::{PartTag, Verdict};
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;
use uuid::Uuid;

use super::active::PreparedRecipe;
use super::response_slot::{Reply, ResponseSlot};
use crate::journal::JournalError;

/// How often a thread that waits for a request checks whether it should stop.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Largest part id and largest idempotency key, in bytes.
pub const NAME_LIMIT: usize = 128;

/// Largest client data of a request, in bytes.
pub const CLIENT_DATA_LIMIT: usize = 4096;

/// What a request inspects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One camera.
    Camera(CameraId),
    /// All cameras of a group.
    Group(String),
}

/// The recipe that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedRecipe {
    /// Its id.
    pub id: RecipeId,
    /// SHA-256 of its content; the content that was prepared last if unset.
    pub sha256: Option<String>,
}

impl RequestedRecipe {
    /// Whether this is the recipe with `id` and the SHA-256 `hash`.
    pub fn is(&self, id: &str, hash: &str) -> bool {
        self.id.as_str() == id && self.sha256.as_ref().is_none_or(|sha256| sha256 == hash)
    }
}

/// A client's request for an inspection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// What is inspected.
    pub target: Target,
    /// The recipe that judges the frame; the one that is active at its capture if unset.
    pub recipe: Option<RequestedRecipe>,
    /// The part; empty if it has no id.
    pub part_id: String,
    /// Copied into the verdict.
    pub client_data: Vec<u8>,
    /// Requests with the same key are one request. Empty: not compared with any other request.
    pub idempotency_key: String,
}

/// Receives the verdict of a request.
pub type AwaitedVerdict = watch::Receiver<Option<Arc<Verdict>>>;

/// An accepted request.
#[derive(Clone, Debug)]
pub struct AcceptedTrigger {
    /// The id of the request.
    pub trigger: Uuid,
    /// Receives the verdict: the camera's, or the part's for a group.
    pub verdict: AwaitedVerdict,
    /// Whether the same request was accepted before.
    pub repeated: bool,
}

impl AcceptedTrigger {
    /// The verdict, if it was made already.
    pub fn now(&self) -> Option<Arc<Verdict>> {
        self.verdict.borrow().clone()
    }
}

/// Why a request is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TriggerError {
    /// The camera is not configured.
    #[error("camera {0} is not configured")]
    NoCamera(CameraId),
    /// No camera has this group.
    #[error("group {0:?} is not configured for any camera")]
    NoGroup(String),
    /// The camera does not wait for requests.
    #[error("camera {0} is not in mode \"requested\"")]
    Mode(CameraId),
    /// The camera is paused.
    #[error("camera {0} is paused")]
    Paused(CameraId),
    /// The camera's queue of requests is full.
    #[error("camera {0}: as many requests wait as cameras.{0}.queue allows")]
    Busy(CameraId),
    /// The key was used for another request.
    #[error("the key {0:?} belongs to another request")]
    Key(String),
    /// The camera does not have the exposure or gain of the recipe.
    #[error(
        "recipe {recipe} sets another exposure_us or gain for camera {camera} than it has now: activate the recipe instead"
    )]
    CameraSettings {
        /// The recipe.
        recipe: RecipeId,
        /// The camera.
        camera: CameraId,
    },
    /// The pipeline is stopping.
    #[error("the daemon is stopping")]
    Stopping,
    /// Earlier requests cannot be looked up.
    #[error("the journal cannot be read: {0}")]
    Journal(Arc<JournalError>),
}

/// A request that waits for a frame.
#[derive(Debug)]
pub(super) struct PendingRequest {
    pub(super) tag: Arc<PartTag>,
    /// Time of the request. A frame that was captured earlier shows another part.
    pub(super) at: Moment,
    /// The recipe that judges the frame; the one that is active at its capture if unset.
    pub(super) recipe: Option<PreparedRecipe>,
    /// Taken by the frame, or by the deadline for one.
    pub(super) slot: ResponseSlot,
}

/// The requests of one camera, oldest first. Bounded by `cameras.ID.queue`, which
/// [`Self::is_full`] checks before a request is accepted.
#[derive(Debug, Default)]
pub(super) struct RequestQueue {
    requests: Mutex<VecDeque<PendingRequest>>,
    arrived: Condvar,
}

impl RequestQueue {
    /// Whether `limit` requests wait. Requests that missed their deadline do not count.
    pub(super) fn is_full(&self, limit: usize) -> bool {
        let mut requests = self.requests.lock();
        requests.retain(|request| request.slot.is_open());
        requests.len() >= limit
    }

    pub(super) fn push(&self, request: PendingRequest) {
        self.requests.lock().push_back(request);
        self.arrived.notify_all();
    }

    /// Takes the oldest request that was made before `captured`, and the reply of its slot.
    pub(super) fn take(&self, captured: Moment) -> Option<(PendingRequest, Option<Reply>)> {
        let mut requests = self.requests.lock();
        while let Some(request) = requests.front() {
            if request.at.monotonic > captured.monotonic {
                return None;
            }
            let request = requests.pop_front()?;
            if let Some(reply) = request.slot.take() {
                return Some((request, reply));
            }
        }
        None
    }

    /// Waits for a request, or until `stopped` returns true.
    pub(super) fn wait(&self, stopped: &dyn Fn() -> bool) {
        let mut requests = self.requests.lock();
        while requests.is_empty() && !stopped() {
            self.arrived.wait_for(&mut requests, POLL_INTERVAL);
        }
    }
}

/// A reply that sends the verdict to `sender`.
pub(super) fn reply(sender: watch::Sender<Option<Arc<Verdict>>>) -> Reply {
    Box::new(move |verdict| {
        sender.send_replace(Some(verdict));
    })
}
