//! The watchdog of systemd.

use inspectd_gateway::systemd::notify;
use sd_notify::NotifyState;

/// Keeps systemd's watchdog alive while the threads of the runtime make progress, until the future is dropped.
pub async fn keep_alive(threads: usize) {
    let Some(timeout) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    // Half of the timeout, as sd_watchdog_enabled(3) recommends.
    let mut interval = tokio::time::interval(timeout / 2);
    loop {
        interval.tick().await;
        // A task that never yields holds its thread. If all are held, this task does not run either.
        let probes: Vec<_> = (0..threads).map(|_| tokio::spawn(async {})).collect();
        for probe in probes {
            let _ = probe.await;
        }
        notify(&[NotifyState::Watchdog]);
    }
}
