//! How far the process is in its life.

use tokio::sync::watch;

/// Where the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Cameras are being opened and the model warmed.
    Starting,
    /// The line runs.
    Running,
    /// The daemon is stopping; the line may still have frames to judge.
    Stopping,
}

/// What the life of the process tells those who serve it: its phase, and when streams have to end.
#[derive(Debug)]
pub struct Stage {
    phase: watch::Sender<Phase>,
    streams_end: watch::Sender<bool>,
}

impl Stage {
    /// A process that starts.
    pub fn new() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Starting),
            streams_end: watch::Sender::new(false),
        }
    }

    /// Where the process is.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Goes on to `phase`.
    pub fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Has all streams end: all verdicts are published.
    pub fn end_streams(&self) {
        self.streams_end.send_replace(true);
    }

    /// Becomes true when streams have to end.
    pub fn streams_end(&self) -> watch::Receiver<bool> {
        self.streams_end.subscribe()
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}
