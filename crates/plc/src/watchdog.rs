//! The watchdog of systemd.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd_gateway::systemd::notify;
use sd_notify::NotifyState;
use tracing::warn;

use crate::station::Station;

/// A station whose time limits were not checked for this long hangs.
const HANG: Duration = Duration::from_secs(2);

/// Keeps systemd's watchdog alive while all stations make progress, until the future is dropped.
pub async fn keep_alive(stations: Vec<Arc<Station>>) {
    let Some(timeout) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    // Half of the timeout, as sd_watchdog_enabled(3) recommends.
    let mut interval = tokio::time::interval(timeout / 2);
    loop {
        interval.tick().await;
        if progresses(&stations, Instant::now()) {
            notify(&[NotifyState::Watchdog]);
        } else {
            warn!("a station hangs: systemd's watchdog is not notified");
        }
    }
}

fn progresses(stations: &[Arc<Station>], now: Instant) -> bool {
    let idle = |station: &Station| now.saturating_duration_since(station.ticked());
    stations.iter().all(|station| idle(station) < HANG)
}
