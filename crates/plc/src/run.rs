//! The life of the program: stations, listener, readiness, signals, ordered stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use inspectd_gateway::systemd::notify;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::{error, info};

use crate::config::Settings;
use crate::daemon::{self, DaemonState};
use crate::driver::{Clients, drive};
use crate::failure::Failure;
use crate::server::ModbusServer;
use crate::state_file::StateFile;
use crate::station::Station;
use crate::watchdog::keep_alive;

/// The longest time for an orderly stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs until a signal ends it.
///
/// # Errors
/// If a prerequisite is missing, or a part of the program fails.
pub async fn run(settings: Settings) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(internal)?;
    let client = settings.daemon.client()?;
    let (state_sender, state) = watch::channel(DaemonState::default());
    let (stop, stopped) = watch::channel(false);
    let mut by_unit = BTreeMap::new();
    let mut drivers = JoinSet::new();
    for (id, station_settings) in settings.stations {
        let file = StateFile::new(&settings.state_folder, &id)?;
        let memory = file.load(&id)?;
        let unit = station_settings.unit;
        let station = Station::new(id, station_settings, memory, Instant::now());
        let station = Arc::new(station);
        by_unit.insert(unit, Arc::clone(&station));
        // A stream that waits for its PLC keeps data in its connection, which would block the other stations.
        let clients = Clients {
            calls: client.clone(),
            stream: settings.daemon.client()?,
        };
        drivers.spawn(drive(
            station,
            file,
            clients,
            state.clone(),
            stopped.clone(),
        ));
    }
    let stations = by_unit.values().cloned().collect();
    let address = settings.modbus.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Failure::Address { address, error })?;
    let address = listener.local_addr().map_err(internal)?;
    info!(%address, stations = by_unit.len(), "modbus.listen");
    let timeout = settings.daemon.answer_timeout;
    let mut watcher = tokio::spawn(daemon::watch_state(client, timeout, state_sender));
    let server = ModbusServer::new(Arc::new(by_unit), settings.modbus);
    notify(&[NotifyState::Ready]);
    info!("ready");
    let ended = tokio::select! {
        () = server.serve(listener) => Err(anyhow!("the Modbus server ended").into()),
        () = keep_alive(stations) => Err(anyhow!("the watchdog ended").into()),
        _ = drivers.join_next() => Err(anyhow!("a station ended").into()),
        ended = &mut watcher => Err(watch_ended(ended)),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    info!("stopping");
    notify(&[NotifyState::Stopping]);
    // The connections are closed by now: a PLC sees that at once.
    drop(stop);
    let finished = async { while drivers.join_next().await.is_some() {} };
    tokio::select! {
        result = tokio::time::timeout(STOP_TIMEOUT, finished) => {
            if result.is_err() {
                error!("a station did not stop in time");
            }
        }
        _ = terminate.recv() => return Err(Failure::Interrupted),
        _ = interrupt.recv() => return Err(Failure::Interrupted),
    }
    watcher.abort();
    info!("stopped");
    ended
}

/// The watch of the daemon's state ends only by a panic. Without it, the stations would show an old state.
fn watch_ended(ended: Result<(), JoinError>) -> Failure {
    match ended {
        Ok(()) => anyhow!("the watch of the daemon's state ended").into(),
        Err(error) => anyhow!("the watch of the daemon's state failed: {error}").into(),
    }
}

fn internal(error: std::io::Error) -> Failure {
    anyhow::Error::from(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn watch_that_ends_or_panics_is_an_internal_error() {
        let failed: Result<(), JoinError> = tokio::spawn(async { panic!("of the test") }).await;
        for ended in [Ok(()), failed] {
            let failure = watch_ended(ended);
            assert!(matches!(failure, Failure::Internal(_)), "{failure}");
        }
    }
}
