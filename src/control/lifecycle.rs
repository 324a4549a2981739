//! The lifecycle of the process: its phase, and when streams must end.

use std::time::Duration;

use tokio::sync::watch;

use crate::pipeline::Pipeline;

/// Phase of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The cameras are being opened and the model is warming up.
    Starting,
    /// The pipeline runs.
    Running,
    /// The daemon is stopping; the pipeline may still judge frames.
    Stopping,
}

/// The lifecycle of the process, shared with the servers.
#[derive(Debug)]
pub struct Lifecycle {
    phase: watch::Sender<Phase>,
    streams_ending: watch::Sender<bool>,
}

impl Lifecycle {
    /// A process that is starting.
    pub fn new() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Starting),
            streams_ending: watch::Sender::new(false),
        }
    }

    /// Returns the current phase.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Enters a phase.
    pub fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Ends all streams, after all verdicts have been published.
    pub fn end_streams(&self) {
        self.streams_ending.send_replace(true);
    }

    /// Returns a receiver of a value that becomes true when streams must end.
    pub fn streams_ending(&self) -> watch::Receiver<bool> {
        self.streams_ending.subscribe()
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

/// How long the engine has been busy with its present work, if that is longer than `engine.hang_timeout_s`.
pub fn stalled_for(pipeline: &Pipeline) -> Option<Duration> {
    let limit = pipeline.active().settings.engine.hang_timeout;
    pipeline.busy_for().filter(|busy| *busy >= limit)
}
