//! The process of the daemon: start, supervision, orderly stop.

mod challenge_schedule;
mod components;
mod descriptors;
mod exit;
pub mod failure;
mod listeners;
mod observers;
mod recipes;
mod running;
mod servers;
mod signals;
mod startup;
mod systemd;

use std::mem::ManuallyDrop;
use std::sync::Arc;

use inspectd_core::bundle::Bundle;
use tracing::warn;

pub use exit::exit;

use failure::Failure;
use signals::Signals;

use crate::access::Access;
use crate::alarm::Alarms;
use crate::clock::{SharedClock, SystemClock};
use crate::config::settings::Settings;
use crate::config::{self, Loaded, Sources};
use crate::pipeline::model::ModelError;
use crate::pipeline::remote::RemoteEngine;
use crate::telemetry::traces::Traces;
use crate::telemetry::{self, Telemetry};

/// Exit code after a second termination signal.
const EXIT_SECOND_SIGNAL: u8 = 130;

/// Runs the daemon until a signal stops it, or until all cameras have ended if the settings say so.
///
/// # Errors
/// Why it could not start, or did not stop in order.
pub fn run(sources: Sources) -> Result<(), Failure> {
    let loaded = config::load(&sources)?;
    let telemetry = telemetry::init(&loaded.settings.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("serve")
        .worker_threads(2)
        .build()
        .map_err(Failure::Runtime)?;
    let result = runtime.block_on(run_until_stopped(sources, loaded, telemetry));
    // A blocking call that hangs must not delay the exit.
    runtime.shutdown_background();
    result
}

async fn run_until_stopped(
    sources: Sources,
    loaded: Loaded,
    telemetry: Telemetry,
) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(Failure::Signals)?;
    let clock = Arc::new(SystemClock);
    let started = startup::start(sources, loaded, telemetry, clock, &mut signals).await?;
    // None: a termination signal came while the model was being loaded.
    let Some(daemon) = started else {
        return Ok(());
    };
    // Never dropped: closing the audit log waits for its disk, and the process exits anyway.
    let mut daemon = ManuallyDrop::new(daemon);
    let result = daemon.supervise(&mut signals).await;
    tokio::select! {
        stopped = daemon.stop() => result.and(stopped),
        () = signals.terminated() => {
            warn!("second termination signal: exiting immediately");
            exit(EXIT_SECOND_SIGNAL)
        }
    }
}

/// Implements `inspectd check`: reads the configuration and opens the bundle, and starts nothing.
///
/// # Errors
/// The failure with which the daemon would not start.
pub fn check(sources: &Sources) -> Result<Settings, Failure> {
    let loaded = config::load(sources)?;
    let clock: SharedClock = Arc::new(SystemClock);
    Access::open(&loaded.settings, clock.clone(), Alarms::new(clock))?;
    let precisions = loaded.settings.engine.graph_precisions();
    Bundle::open_in(&loaded.settings.model.bundle, precisions).map_err(ModelError::from)?;
    RemoteEngine::address(&loaded.settings.engine.remote).map_err(ModelError::from)?;
    recipes::check_all(&loaded.settings)?;
    // The exporter of traces belongs to an async runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(Failure::Runtime)?;
    let _entered = runtime.enter();
    Traces::check(&loaded.settings.traces)?;
    Ok(loaded.settings)
}
