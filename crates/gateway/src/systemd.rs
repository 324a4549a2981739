//! Notifications to systemd.

use sd_notify::NotifyState;
use tracing::warn;

/// Notifies systemd, if it started the process.
pub fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd cannot be notified");
    }
}
