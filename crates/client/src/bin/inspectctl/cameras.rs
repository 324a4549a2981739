//! `inspectctl cameras`: the configured cameras.

use std::io::Write;

use clap::Args;
use inspectd_client::proto::ListCamerasRequest;

use crate::connection::{ANSWER_TIMEOUT, Daemon};
use crate::failure::Failure;
use crate::{json, table};

/// Of `cameras`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// One JSON object a camera, a line each.
    #[arg(long)]
    json: bool,
}

/// Prints them.
pub async fn run(daemon: &Daemon, arguments: &Arguments) -> Result<(), Failure> {
    let mut line = daemon.line();
    let call = line.list_cameras(ListCamerasRequest {});
    let cameras = daemon.answer(ANSWER_TIMEOUT, call).await?.cameras;
    let mut out = anstream::stdout();
    if !arguments.json {
        return Ok(write!(out, "{}", table::cameras(&cameras))?);
    }
    for camera in &cameras {
        let line = serde_json::to_string(&json::Camera::from(camera));
        writeln!(out, "{}", line.expect("plain data becomes JSON"))?;
    }
    Ok(())
}
