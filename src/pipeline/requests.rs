//! Inspections that clients ask for: who waits for a frame, and what became of a request that is made
//! twice.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::job::Reply;
use super::response_slot::ResponseSlot;
use inspectd_core::id::CameraId;
use inspectd_core::moment::Moment;
use inspectd_core::record::{PartTag, Verdict};

/// Requests with a key that are remembered; older ones are found in the journal.
const REMEMBERED: usize = 4096;

/// How long a sleeper sleeps at most before it looks again.
const PATIENCE: Duration = Duration::from_millis(20);

/// The largest part id, and the largest idempotency key, bytes.
pub const NAME_LIMIT: usize = 128;

/// The most that a client may send along, bytes.
pub const CLIENT_DATA_LIMIT: usize = 4096;

/// What is to be inspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A camera.
    Camera(CameraId),
    /// All cameras of a group.
    Group(String),
}

/// A client's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// What is to be inspected.
    pub target: Target,
    /// The part; empty if it has no name.
    pub part_id: String,
    /// Echoed in the verdict.
    pub client_data: Vec<u8>,
    /// Two requests with the same key are one; empty: this is one of its own.
    pub idempotency_key: String,
}

/// Where the verdict will be.
pub type Awaited = watch::Receiver<Option<Arc<Verdict>>>;

/// A request that was accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Its name.
    pub trigger: Uuid,
    /// Its verdict: a camera's, or the part's for a group.
    pub verdict: Awaited,
    /// Whether it had been made before.
    pub repeated: bool,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// There is no such camera.
    #[error("there is no camera {0}")]
    NoCamera(CameraId),
    /// No camera has this group.
    #[error("there is no group {0:?}")]
    NoGroup(String),
    /// The camera takes its frames by itself.
    #[error("camera {0} is not in mode \"requested\"")]
    Mode(CameraId),
    /// Too many requests wait for this camera's frames.
    #[error("camera {0}: as many requests wait as cameras.{0}.queue allows")]
    Busy(CameraId),
    /// A key was used for another request.
    #[error("the key {0:?} belongs to another request")]
    Key(String),
    /// The line is ending.
    #[error("the line is stopping")]
    Stopping,
    /// Whether it was made before cannot be looked up.
    #[error("the journal cannot be read: {0}")]
    Journal(String),
}

/// A request that waits for a frame.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) tag: Arc<PartTag>,
    /// A frame that was captured before is of another part.
    pub(super) at: Moment,
    /// Taken by the frame, or by the time that none came in.
    pub(super) claim: ResponseSlot,
}

/// The requests of one camera, oldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    requests: Mutex<VecDeque<Request>>,
    asked: Condvar,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `limit` requests wait already. Those that were answered without a frame do not count.
    pub(super) fn is_full(&self, limit: usize) -> bool {
        let mut requests = self.lock();
        requests.retain(|request| request.claim.is_open());
        requests.len() >= limit
    }

    pub(super) fn push(&self, request: Request) {
        self.lock().push_back(request);
        self.asked.notify_all();
    }

    /// The oldest request that was made before `captured`, with who waits for it.
    pub(super) fn take(&self, captured: Moment) -> Option<(Request, Option<Reply>)> {
        let mut requests = self.lock();
        while let Some(request) = requests.front() {
            if request.at.monotonic > captured.monotonic {
                return None;
            }
            let request = requests.pop_front()?;
            if let Some(reply) = request.claim.take() {
                return Some((request, reply));
            }
        }
        None
    }

    /// Waits until there is a request, or until `stopped` says that none is wanted.
    pub(super) fn wait(&self, stopped: &dyn Fn() -> bool) {
        let mut requests = self.lock();
        while requests.is_empty() && !stopped() {
            let woken = self.asked.wait_timeout(requests, PATIENCE);
            requests = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[derive(Debug)]
struct Known {
    request: Trigger,
    accepted: Accepted,
}

#[derive(Debug, Default)]
struct Pages {
    known: HashMap<String, Known>,
    order: VecDeque<String>,
    /// Who waits for a part's verdict, by trigger.
    parts: HashMap<Uuid, watch::Sender<Option<Arc<Verdict>>>>,
}

/// What is known of requests.
#[derive(Debug, Default)]
pub(super) struct Book {
    pages: Mutex<Pages>,
    turn: Mutex<()>,
}

impl Book {
    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests are accepted one at a time: of two with the same key the second one finds the first,
    /// and room that one has found no other takes.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What became of a request with the same key, if it is remembered.
    pub(super) fn look_up(&self, request: &Trigger) -> Result<Option<Accepted>, TriggerError> {
        let pages = self.lock();
        let Some(known) = pages.known.get(&request.idempotency_key) else {
            return Ok(None);
        };
        if known.request != *request {
            return Err(TriggerError::Key(request.idempotency_key.clone()));
        }
        Ok(Some(Accepted {
            repeated: true,
            ..known.accepted.clone()
        }))
    }

    /// Remembers a request that has a key.
    pub(super) fn remember(&self, request: &Trigger, accepted: &Accepted) {
        if request.idempotency_key.is_empty() {
            return;
        }
        let mut pages = self.lock();
        let known = Known {
            request: request.clone(),
            accepted: accepted.clone(),
        };
        pages.known.insert(request.idempotency_key.clone(), known);
        pages.order.push_back(request.idempotency_key.clone());
        if pages.order.len() > REMEMBERED
            && let Some(oldest) = pages.order.pop_front()
        {
            pages.known.remove(&oldest);
        }
    }

    /// `sender` waits for the part's verdict.
    pub(super) fn await_part(&self, trigger: Uuid, sender: watch::Sender<Option<Arc<Verdict>>>) {
        self.lock().parts.insert(trigger, sender);
    }

    /// Who waits for the part's verdict.
    pub(super) fn part_reply(&self, trigger: Uuid) -> Option<Reply> {
        let sender = self.lock().parts.remove(&trigger)?;
        Some(reply(sender))
    }
}

/// Puts the verdict where it is awaited.
pub(super) fn reply(sender: watch::Sender<Option<Arc<Verdict>>>) -> Reply {
    Box::new(move |verdict| {
        sender.send_replace(Some(verdict));
    })
}
