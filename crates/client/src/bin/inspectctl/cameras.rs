//! `inspectctl cameras`: the configured cameras.

use std::fmt::Write as _;
use std::io::Write;

use clap::Args;
use comfy_table::Cell;
use inspectd_client::Client;
use inspectd_client::proto::{Camera, CameraState};

use crate::failure::Failure;
use crate::table::{self, Column, styled};
use crate::{format, json};

/// Arguments of `cameras`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print one JSON object per camera, one per line.
    #[arg(long)]
    json: bool,
}

/// Prints the cameras.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    let cameras = client.cameras().await?;
    let mut out = anstream::stdout();
    if !arguments.json {
        return Ok(write!(out, "{}", describe(&cameras))?);
    }
    for camera in &cameras {
        json::write(&mut out, &json::Camera::from(camera))?;
    }
    Ok(())
}

/// The cameras with counts of their frames and verdicts.
pub fn describe(cameras: &[Camera]) -> String {
    const COLUMNS: [Column; 15] = [
        Column::text("camera"),
        Column::text("source"),
        Column::text("state"),
        Column::text("size"),
        Column::number("fps"),
        Column::number("captured"),
        Column::number("judged"),
        Column::number("skipped"),
        Column::number("faulted"),
        Column::number("late"),
        Column::number("pass"),
        Column::number("reject"),
        Column::number("review"),
        Column::number("fault"),
        Column::number("queued"),
    ];
    let mut out = table::render(COLUMNS, cameras.iter().map(row).collect());
    let warning = format::warning_style();
    for camera in cameras
        .iter()
        .filter(|camera| !camera.last_error.is_empty())
    {
        let time = camera.last_error_time.as_ref();
        let _ = writeln!(
            out,
            "{warning}{}: last error{}: {}{warning:#}",
            camera.id,
            time.map(|time| format!(" at {time}")).unwrap_or_default(),
            camera.last_error
        );
    }
    for (camera, pause) in cameras
        .iter()
        .filter_map(|camera| Some((camera, camera.pause.as_ref()?)))
    {
        let since = pause.since_time.as_ref();
        let _ = writeln!(
            out,
            "{warning}{}: paused by {}{}{}{warning:#}",
            camera.id,
            pause.who,
            since
                .map(|time| format!(" since {time}"))
                .unwrap_or_default(),
            match pause.reason.as_str() {
                "" => String::new(),
                reason => format!(": {reason}"),
            }
        );
    }
    out
}

fn row(camera: &Camera) -> [Cell; 15] {
    let frames = camera.frames.unwrap_or_default();
    let decisions = camera.decisions.unwrap_or_default();
    let mode = if camera.triggered {
        "triggered"
    } else {
        "free-running"
    };
    let size = match (camera.width, camera.height) {
        (0, _) | (_, 0) => "-".to_owned(),
        (width, height) => format!("{width}x{height}"),
    };
    let state = format::camera_state(camera.state());
    [
        Cell::new(&camera.id),
        Cell::new(format!("{}, {mode}", camera.source)),
        match camera.state() {
            CameraState::Running => Cell::new(state),
            _ => styled(state, format::warning_style()),
        },
        Cell::new(size),
        Cell::new(format!("{:.1}", camera.frames_per_second)),
        Cell::new(frames.captured),
        Cell::new(frames.judged),
        Cell::new(frames.skipped),
        Cell::new(frames.faulted),
        Cell::new(frames.late),
        Cell::new(decisions.pass),
        Cell::new(decisions.reject),
        Cell::new(decisions.review),
        Cell::new(decisions.fault),
        Cell::new(camera.queued),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_error_of_a_camera_has_its_own_line() {
        let text = describe(&[Camera {
            id: "top".into(),
            source: "device".into(),
            state: CameraState::Waiting.into(),
            last_error: "cannot be opened".into(),
            ..Camera::default()
        }]);
        let text = anstream::adapter::strip_str(&text).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(
            lines[1].starts_with("top     device, free-running  waiting  -"),
            "{text}"
        );
        assert_eq!(lines[2], "top: last error: cannot be opened");
    }
}
