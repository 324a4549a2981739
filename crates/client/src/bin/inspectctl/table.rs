//! A table whose columns are as wide as what is in them.

use std::fmt::Write as _;

use anstyle::Style;
use inspectd_client::proto::{Camera, CameraState};

use crate::format;

/// One field: what it says and how it looks.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    style: Style,
    /// Numbers are aligned to the right.
    right: bool,
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            style: Style::new(),
            right: false,
        }
    }

    /// A number.
    pub fn number(text: impl Into<String>) -> Self {
        Self {
            right: true,
            ..Self::text(text)
        }
    }

    /// The same in another look.
    pub fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }
}

/// The rows under their headings, a line each. A heading is aligned as the first row is.
pub fn render<const N: usize>(headings: [&str; N], rows: &[[Cell; N]]) -> String {
    let bold = Style::new().bold();
    let header: [Cell; N] = std::array::from_fn(|column| Cell {
        text: headings[column].to_owned(),
        style: bold,
        right: rows.first().is_some_and(|row| row[column].right),
    });
    let lines = || std::iter::once(&header).chain(rows);
    let widths: [usize; N] = std::array::from_fn(|column| {
        lines()
            .map(|row| row[column].text.chars().count())
            .max()
            .unwrap_or(0)
    });
    let mut out = String::new();
    for row in lines() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let Cell { text, style, right } = cell;
            let pad = " ".repeat(width - text.chars().count());
            let (before, after) = if *right {
                (pad, String::new())
            } else {
                (String::new(), pad)
            };
            let _ = write!(line, "{before}{style}{text}{style:#}{after}  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// Cameras with what they delivered and what came of it.
pub fn cameras(cameras: &[Camera]) -> String {
    const HEADINGS: [&str; 15] = [
        "camera", "source", "state", "size", "fps", "captured", "judged", "skipped", "faulted",
        "late", "pass", "reject", "review", "fault", "queued",
    ];
    let rows: Vec<_> = cameras.iter().map(camera).collect();
    let mut out = render(HEADINGS, &rows);
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
    out
}

fn camera(camera: &Camera) -> [Cell; 15] {
    let frames = camera.frames.unwrap_or_default();
    let decisions = camera.decisions.unwrap_or_default();
    let count = |count: u64| Cell::number(count.to_string());
    let mode = if camera.triggered {
        "triggered"
    } else {
        "free-running"
    };
    let size = match (camera.width, camera.height) {
        (0, _) | (_, 0) => "-".to_owned(),
        (width, height) => format!("{width}x{height}"),
    };
    let state = Cell::text(format::camera_state(camera.state()));
    let state = match camera.state() {
        CameraState::Running => state,
        _ => state.styled(format::warning_style()),
    };
    [
        Cell::text(&camera.id),
        Cell::text(format!("{}, {mode}", camera.source)),
        state,
        Cell::text(size),
        Cell::number(format!("{:.1}", camera.frames_per_second)),
        count(frames.captured),
        count(frames.judged),
        count(frames.skipped),
        count(frames.faulted),
        count(frames.late),
        count(decisions.pass),
        count(decisions.reject),
        count(decisions.review),
        count(decisions.fault),
        count(camera.queued.into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_field() {
        let rows = [
            [Cell::text("top"), Cell::number("7"), Cell::text("good")],
            [Cell::text("bottom"), Cell::number("12345"), Cell::text("")],
        ];
        assert_eq!(
            plain(&render(["camera", "n", "note"], &rows)),
            "camera      n  note\ntop         7  good\nbottom  12345\n"
        );
    }

    #[test]
    fn a_table_without_rows_is_its_headings() {
        assert_eq!(plain(&render(["a", "b"], &[])), "a  b\n");
    }

    #[test]
    fn a_cameras_last_error_has_its_own_line() {
        let text = plain(&cameras(&[Camera {
            id: "top".into(),
            source: "device".into(),
            state: CameraState::Waiting.into(),
            last_error: "cannot be opened".into(),
            ..Camera::default()
        }]));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(
            lines[1].starts_with("top     device, free-running  waiting  -"),
            "{text}"
        );
        assert_eq!(lines[2], "top: last error: cannot be opened");
    }
}
