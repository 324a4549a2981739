//! Notifications to systemd.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tracing::warn;

use crate::pipeline::Snapshot;

/// Notifies systemd, if it started the process.
pub(super) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd cannot be notified");
    }
}

/// Keeps systemd's watchdog alive while the pipeline makes progress.
pub(super) struct Watchdog {
    interval: Option<Duration>,
    last: Option<Instant>,
}

impl Watchdog {
    pub(super) fn new() -> Self {
        Self {
            // Half of the timeout, as sd_watchdog_enabled(3) recommends.
            interval: sd_notify::watchdog_enabled().map(|timeout| timeout / 2),
            last: None,
        }
    }

    /// Notifies the watchdog at `now` if it is due and the pipeline makes progress.
    pub(super) fn check(&mut self, progresses: bool, snapshot: &Snapshot, now: Instant) {
        let Some(interval) = self.interval else {
            return;
        };
        let early = self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < interval);
        if !progresses || early {
            return;
        }
        self.last = Some(now);
        let counts = snapshot.totals.decisions;
        let status = format!(
            "{} cameras; {} PASS, {} REJECT, {} REVIEW, {} FAULT",
            snapshot.cameras.len(),
            counts.pass,
            counts.reject,
            counts.review,
            counts.fault
        );
        notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
    }
}
