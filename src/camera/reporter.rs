//! Reports a camera's events to its sink and to the log.

use std::sync::Arc;
use std::time::Duration;

use inspectd_core::id::CameraId;
use tracing::{debug, info, warn};

use super::event::{CameraEvent, CameraState, CameraTrouble, Sink};
use super::log_throttle::LogThrottle;
use crate::clock::SharedClock;

/// Interval at which repeated failures are logged.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// Why an opening ended before its source was finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningFailure {
    /// The kind.
    pub trouble: CameraTrouble,
    /// Explanation for people, without secrets.
    pub reason: String,
}

/// Reports a camera's state and each outage once, however often the source fails again.
pub struct Reporter {
    id: CameraId,
    sink: Arc<dyn Sink>,
    clock: SharedClock,
    /// Whether an outage was reported that is not over.
    in_outage: bool,
    failures: LogThrottle,
}

impl Reporter {
    /// A reporter that has reported nothing yet.
    pub fn new(id: CameraId, sink: Arc<dyn Sink>, clock: SharedClock) -> Self {
        Self {
            id,
            sink,
            clock,
            in_outage: false,
            failures: LogThrottle::new(LOG_INTERVAL),
        }
    }

    /// Reports that the source is being opened, for the first time or again.
    pub fn opening(&self) {
        self.state(CameraState::Opening);
    }

    /// Reports that an opening failed. `delivered` says whether it delivered frames; the next opening
    /// follows after `pause`.
    pub fn failed(&mut self, failure: &OpeningFailure, delivered: bool, pause: Duration) {
        let OpeningFailure { trouble, reason } = failure;
        let now = self.clock.now();
        if let Some(suppressed) = self.failures.allow(now.monotonic) {
            warn!(camera = %self.id, ?trouble, ?pause, suppressed, "camera failed: {reason}");
        }
        if delivered || !self.in_outage {
            self.in_outage = true;
            let event = CameraEvent::Trouble {
                trouble: *trouble,
                moment: now,
                reason: reason.clone(),
            };
            self.sink.event(&self.id, event);
        }
        self.state(CameraState::Waiting);
    }

    /// Reports that the source is finished.
    pub fn ended(&self) {
        info!(camera = %self.id, "camera ended");
        self.sink
            .event(&self.id, CameraEvent::State(CameraState::Ended));
    }

    /// During an outage the attempts are logged at debug level only.
    fn state(&self, state: CameraState) {
        if self.in_outage {
            debug!(camera = %self.id, ?state, "camera changed");
        } else {
            info!(camera = %self.id, ?state, "camera changed");
        }
        self.sink.event(&self.id, CameraEvent::State(state));
    }
}

/// Reports the first frame of an opening. The capture thread calls it, before it delivers the frame.
pub fn running(id: &CameraId, sink: &dyn Sink) {
    info!(camera = %id, state = ?CameraState::Running, "camera changed");
    sink.event(id, CameraEvent::State(CameraState::Running));
}
