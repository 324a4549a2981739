//! `inspectctl camera`: setting up, pausing, adding and removing cameras.

mod controls;
mod entry;
mod latency;
mod pause;

use std::time::Duration;

use clap::{Args, Subcommand};
use inspectd_client::Client;

use crate::failure::Failure;

/// A camera is closed and opened again, which takes seconds.
const CHANGE_TIMEOUT: Duration = Duration::from_mins(2);

/// Arguments of `camera`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Measure the time from exposure to delivery, for `latency_ms`, by changes of the light.
    Latency(latency::Arguments),
    /// Stop capturing from a camera, also after a restart of the daemon, until it is resumed.
    Pause(pause::Pause),
    /// Capture from a paused camera again.
    Resume(pause::Resume),
    /// Set exposure and gain of a camera with the source `device`, in the file that sets them, and apply them.
    Set(controls::Set),
    /// Add a camera to the configuration file, and start it.
    Add(entry::Add),
    /// Stop a camera, remove it from the configuration file, and print its TOML, with which it can be added again.
    Remove(entry::Remove),
}

/// Runs the subcommand.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Latency(arguments) => latency::run(client, arguments).await,
        Action::Pause(arguments) => pause::pause(client, arguments).await,
        Action::Resume(arguments) => pause::resume(client, arguments).await,
        Action::Set(arguments) => controls::run(client, arguments).await,
        Action::Add(arguments) => entry::add(client, arguments).await,
        Action::Remove(arguments) => entry::remove(client, arguments).await,
    }
}
