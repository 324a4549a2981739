//! What `inspectd init` prints about a camera.

use std::io::{self, Write};
use std::path::PathBuf;

use inspectd::camera::redact;
use inspectd::commissioning::{
    Album, CameraPlan, CropProposal, DeviceInfo, ExposureResult, PictureMeasurements, PlannedSource,
};
use inspectd::config::settings::Crop;
use inspectd_core::id::CameraId;

/// Sharpness below which a picture is probably out of focus; docs/camera-faults.md has measurements.
const SOFT: f32 = 0.2;

/// Mean levels outside of which a picture is dark or bright.
const DARK: f32 = 50.0;
const BRIGHT: f32 = 200.0;

/// A larger share of clipped pixels hides defects.
const CLIPPED: f32 = 0.01;

/// Prints the heading of a camera.
///
/// # Errors
/// When standard output is closed.
pub fn camera(
    id: &CameraId,
    source: &PlannedSource,
    device: Option<&DeviceInfo>,
) -> io::Result<()> {
    let what = match (source, device) {
        (PlannedSource::Device { path, .. }, Some(device)) => {
            format!("{}, {}", path.display(), named(device))
        }
        (PlannedSource::Device { path, .. }, None) => path.display().to_string(),
        (PlannedSource::Url { url }, _) => redact(url),
        (PlannedSource::Folder { path } | PlannedSource::File { path }, _) => {
            path.display().to_string()
        }
        (PlannedSource::Simulator, _) => "rendered parts".to_owned(),
    };
    writeln!(io::stdout(), "\nCamera {id}: {what}")
}

/// Name, place and formats of a device.
pub fn named(device: &DeviceInfo) -> String {
    let formats = device
        .formats
        .iter()
        .map(|format| match format.sizes.first() {
            Some([width, height]) => format!("{} up to {width}x{height}", format.code),
            None => format.code.clone(),
        });
    let formats: Vec<String> = formats.collect();
    let place = if device.bus.is_empty() {
        String::new()
    } else {
        format!(" at {}", device.bus)
    };
    if formats.is_empty() {
        format!("{}{place}", device.name)
    } else {
        format!("{}{place}: {}", device.name, formats.join(", "))
    }
}

/// Prints what was measured, and what to do about it.
///
/// # Errors
/// When standard output is closed.
pub fn measurements(
    plan: &CameraPlan,
    album: &Album,
    measured: &PictureMeasurements,
) -> io::Result<()> {
    let mut out = io::stdout();
    let size = plan.size.map_or_else(
        || "of different sizes".to_owned(),
        |[width, height]| format!("of {width}x{height} pixels"),
    );
    let rate = match album.fps.filter(|_| plan.source.live()) {
        Some(fps) => format!(", {fps:.1} frames per second"),
        None => String::new(),
    };
    writeln!(out, "  pictures    {} {size}{rate}", measured.pictures)?;
    if let Some((count, reason)) = &album.unusable {
        writeln!(out, "  unusable    {count} captures; the first: {reason}")?;
    }
    match measured.sharpness {
        Some(sharpness) => writeln!(
            out,
            "  sharpness   {sharpness:.2} from 0 (blurred) to 1{}",
            advice(sharpness < SOFT, "soft: focus the lens")
        )?,
        None => writeln!(out, "  sharpness   no edges in the pictures")?,
    }
    let light = if measured.clipped > CLIPPED {
        "clipped: less light or a shorter exposure"
    } else if measured.mean < DARK {
        "dark: more light, or a longer exposure if parts do not move"
    } else if measured.mean > BRIGHT {
        "bright: less light or a shorter exposure"
    } else {
        ""
    };
    writeln!(
        out,
        "  light       mean level {:.0} of 255, {:.1} % black, {:.1} % clipped{}",
        measured.mean,
        100.0 * measured.black,
        100.0 * measured.clipped,
        advice(!light.is_empty(), light)
    )?;
    writeln!(out, "  noise       {:.1} grey levels", measured.noise)?;
    if let Some(motion) = measured.motion {
        writeln!(
            out,
            "  motion      {:.0} % of the frame changes from picture to picture",
            100.0 * motion
        )?;
    }
    Ok(())
}

fn advice(given: bool, text: &str) -> String {
    if given {
        format!(" ({text})")
    } else {
        String::new()
    }
}

/// Prints the names of pictures.
///
/// # Errors
/// When standard output is closed.
pub fn files(files: &[PathBuf]) -> io::Result<()> {
    let mut names = files.iter().map(|file| file.display().to_string());
    let Some(first) = names.next() else {
        return Ok(());
    };
    match names.next_back() {
        None => writeln!(io::stdout(), "              {first}"),
        Some(last) => writeln!(io::stdout(), "              {first} to {last}"),
    }
}

/// Prints the result of a search for an exposure.
///
/// # Errors
/// When standard output is closed.
pub fn exposure(result: &ExposureResult) -> io::Result<()> {
    let best = &result.best;
    let complaint = result.complaint.as_deref();
    writeln!(
        io::stdout(),
        "  exposure    {} us: mean level {:.0} of 255, {:.1} % clipped{}",
        best.exposure_us,
        best.mean,
        100.0 * best.clipped,
        complaint.map_or_else(String::new, |complaint| format!(" ({complaint})"))
    )
}

/// Prints a proposal of a crop.
///
/// # Errors
/// When standard output is closed.
pub fn crop(proposal: &CropProposal) -> io::Result<()> {
    let crop = match proposal.crop {
        Some(crop) => sides(crop),
        None => "the whole frame".to_owned(),
    };
    writeln!(io::stdout(), "  crop        {crop}: {}", proposal.reason)
}

/// The sides of a crop.
pub fn sides(crop: Crop) -> String {
    let Crop {
        left,
        top,
        right,
        bottom,
    } = crop;
    format!("left {left}, top {top}, right {right}, bottom {bottom}")
}

/// The comment before the table of a camera.
pub fn about(plan: &CameraPlan, device: Option<&DeviceInfo>, album: &Album) -> String {
    let what = match (&plan.source, device) {
        (PlannedSource::Device { .. }, Some(device)) if device.bus.is_empty() => {
            device.name.clone()
        }
        (PlannedSource::Device { .. }, Some(device)) => {
            format!("{} at {}", device.name, device.bus)
        }
        (PlannedSource::Device { .. }, None) => "A V4L2 camera".to_owned(),
        (PlannedSource::Url { .. }, _) => "A network camera".to_owned(),
        (PlannedSource::Folder { .. }, _) => "The images of a folder".to_owned(),
        (PlannedSource::File { .. }, _) => "A video file".to_owned(),
        (PlannedSource::Simulator, _) => "Rendered parts".to_owned(),
    };
    let size = plan.size.map_or_else(
        || ", images of different sizes".to_owned(),
        |[width, height]| format!(", {width}x{height} pixels"),
    );
    let rate = match album.fps.filter(|_| plan.source.live()) {
        Some(fps) => format!(", {fps:.0} frames per second"),
        None => String::new(),
    };
    format!("{what}{size}{rate}.")
}
