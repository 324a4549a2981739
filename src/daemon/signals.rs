//! Signals to the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The action that a signal requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignalAction {
    /// SIGTERM, SIGINT: stop.
    Terminate,
    /// SIGHUP: reload the configuration.
    Reload,
}

/// The handled signals.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Installs the handlers: from now on none of the signals ends the process by itself.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> SignalAction {
        tokio::select! {
            _ = self.terminate.recv() => SignalAction::Terminate,
            _ = self.interrupt.recv() => SignalAction::Terminate,
            _ = self.hang_up.recv() => SignalAction::Reload,
        }
    }

    /// Waits for the next termination signal.
    pub(super) async fn terminated(&mut self) {
        while self.next().await != SignalAction::Terminate {}
    }
}
