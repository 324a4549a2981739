//! `inspectctl camera`: setting up a camera.

mod latency;

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
}

/// Runs the subcommand.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Latency(arguments) => latency::run(client, arguments).await,
    }
}
