//! `inspectctl camera pause` and `resume`.

use std::io::Write;

use clap::Args;
use inspectd_client::Client;
use inspectd_client::proto::{PauseCameraRequest, ResumeCameraRequest};

use crate::failure::Failure;

/// Arguments of `camera pause`.
#[derive(Debug, Args)]
pub struct Pause {
    /// Id of the camera.
    camera: String,
    /// Reason, shown to everyone until the camera is resumed.
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// Arguments of `camera resume`.
#[derive(Debug, Args)]
pub struct Resume {
    /// Id of the camera.
    camera: String,
}

/// Pauses a camera.
pub async fn pause(client: &Client, arguments: &Pause) -> Result<(), Failure> {
    let mut line = client.line();
    let call = line.pause_camera(PauseCameraRequest {
        camera_id: arguments.camera.clone(),
        reason: arguments.reason.clone(),
    });
    client.answer(call).await?;
    let camera = &arguments.camera;
    let text =
        format!("camera {camera} is paused: its parts are not inspected until it is resumed");
    Ok(writeln!(anstream::stdout(), "{text}")?)
}

/// Resumes a camera.
pub async fn resume(client: &Client, arguments: &Resume) -> Result<(), Failure> {
    let mut line = client.line();
    let call = line.resume_camera(ResumeCameraRequest {
        camera_id: arguments.camera.clone(),
    });
    client.answer(call).await?;
    let camera = &arguments.camera;
    Ok(writeln!(
        anstream::stdout(),
        "camera {camera} is being opened"
    )?)
}
