//! `inspectctl camera`: setting up, pausing and resuming a camera.

mod latency;
mod pause;

use clap::{Args, Subcommand};
use inspectd_client::Client;

use crate::failure::Failure;

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
}

/// Runs the subcommand.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Latency(arguments) => latency::run(client, arguments).await,
        Action::Pause(arguments) => pause::pause(client, arguments).await,
        Action::Resume(arguments) => pause::resume(client, arguments).await,
    }
}
