//! What a camera tells its sink, and the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::{CameraEvent, CameraState, CameraTrouble, LogThrottle, Sink};
use inspectd_core::id::CameraId;
use inspectd_core::moment::Moment;

/// Failures that repeat are logged once in so long.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Why an opening is over, though its source did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub trouble: CameraTrouble,
    /// In words, without secrets.
    pub reason: String,
}

/// Tells what becomes of a camera: each loss once, to the sink, however often its source fails anew.
pub struct Report {
    id: CameraId,
    sink: Arc<dyn Sink>,
    /// Whether a loss was told that is not over.
    lost: bool,
    failures: LogThrottle,
}

impl Report {
    /// Nothing is told yet.
    pub fn new(id: CameraId, sink: Arc<dyn Sink>) -> Self {
        Self {
            id,
            sink,
            lost: false,
            failures: LogThrottle::new(LOG_INTERVAL),
        }
    }

    /// Its source is being opened, for the first time or again.
    pub fn opening(&self) {
        self.state(CameraState::Opening);
    }

    /// An opening has failed, which gave frames or did not; another one follows after `pause`.
    pub fn failed(&mut self, failure: &Failure, delivered: bool, pause: Duration) {
        let Failure { trouble, reason } = failure;
        if let Some(suppressed) = self.failures.allow(Instant::now()) {
            warn!(camera = %self.id, ?trouble, ?pause, suppressed, "camera failed: {reason}");
        }
        if delivered || !self.lost {
            self.lost = true;
            let event = CameraEvent::Trouble {
                trouble: *trouble,
                moment: Moment::now(),
                reason: reason.clone(),
            };
            self.sink.event(&self.id, event);
        }
        self.state(CameraState::Waiting);
    }

    /// Its source has come to its end.
    pub fn ended(&self) {
        info!(camera = %self.id, "camera ended");
        self.sink
            .event(&self.id, CameraEvent::State(CameraState::Ended));
    }

    /// While a camera is lost, each of its attempts is no news.
    fn state(&self, state: CameraState) {
        if self.lost {
            debug!(camera = %self.id, ?state, "camera changed");
        } else {
            info!(camera = %self.id, ?state, "camera changed");
        }
        self.sink.event(&self.id, CameraEvent::State(state));
    }
}

/// An opening has given its first frame. Told by the thread that captures, before the frame.
pub fn running(id: &CameraId, sink: &dyn Sink) {
    info!(camera = %id, state = ?CameraState::Running, "camera changed");
    sink.event(id, CameraEvent::State(CameraState::Running));
}
