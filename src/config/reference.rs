//! Reference images of cameras: whether they can be read and have the expected size of frames. They are
//! checked with the configuration, so that a fault is reported before the first frame.

use std::fs::Metadata;
use std::path::Path;

use inspectd_core::image_file::{self, ImageError};

use super::error::Fault;
use super::kind::Setting;
use super::table::CAMERAS;
use super::values::{Part, Values};

/// Maximum size of a reference image, bytes: more than any camera's image.
const LARGEST_FILE: u64 = 256 << 20;

/// Notes every reference image that cannot be used.
pub(super) fn check(values: &Values, faults: &mut Vec<Fault>) {
    for id in &values.cameras {
        let camera = values.part(format!("{CAMERAS}.{id}"));
        let Some(Setting::Path(path)) = camera.get("check.reference") else {
            continue;
        };
        if let Some((found, allowed)) = fault(&camera, path) {
            let place = camera.place("check.reference").unwrap_or("defaults");
            faults.push(Fault::Value {
                place: place.to_owned(),
                key: camera.path("check.reference"),
                found,
                allowed,
            });
        }
    }
}

/// Returns what was found and what is allowed, if the image cannot be used. Without an expected size,
/// which is another fault, every size is allowed.
fn fault(camera: &Part<'_>, path: &Path) -> Option<(String, String)> {
    // Reading a pipe or a device might not terminate.
    let unsuitable = |of: Metadata| (!of.is_file() && !of.is_dir()) || of.len() > LARGEST_FILE;
    if path.metadata().is_ok_and(unsuitable) {
        let found = format!("{}: a device, or more than 256 MiB", path.display());
        return Some((found, "an image that can be read".to_owned()));
    }
    let frame = match image_file::decode(path) {
        Ok(frame) => frame,
        Err(error) => return Some((described(&error), "an image that can be read".to_owned())),
    };
    let side = |key| match camera.get(key) {
        Some(Setting::Whole(side)) => Some(*side),
        _ => None,
    };
    let (width, height) = (side("expected_width")?, side("expected_height")?);
    if (u64::from(frame.width()), u64::from(frame.height())) == (width, height) {
        return None;
    }
    let found = format!(
        "{}: {}x{} pixels",
        path.display(),
        frame.width(),
        frame.height()
    );
    Some((
        found,
        format!("of the expected size, {width}x{height} pixels"),
    ))
}

/// The error and its source, if there is one.
fn described(error: &ImageError) -> String {
    let reason = std::error::Error::source(error);
    reason.map_or_else(|| error.to_string(), |reason| format!("{error}: {reason}"))
}
