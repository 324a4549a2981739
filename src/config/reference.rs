//! Cameras' reference images: whether they can be read and have the size that frames must have. It is
//! found out while the configuration is read, so that it is one of its faults and not the first frame's.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::error::Fault;
use super::table::CAMERAS;
use super::values::{Part, Values};
use inspectd_core::image_file::{self, ImageError};

/// A larger file is no picture of a camera, bytes.
const LARGEST_FILE: u64 = 256 << 20;

/// Notes every reference image that is of no use.
pub(super) fn check(values: &Values, faults: &mut Vec<Fault>) {
    for id in &values.cameras {
        let camera = values.part(format!("{CAMERAS}.{id}"));
        let Some(path) = camera.get::<PathBuf>("check.reference") else {
            continue;
        };
        if let Some((found, allowed)) = fault(&camera, &path) {
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

/// What is wrong with the image, and what is allowed. Without an expected size, which is another fault,
/// any will do.
fn fault(camera: &Part<'_>, path: &Path) -> Option<(String, String)> {
    // Not a pipe or a device, which might never end.
    let odd = |of: Metadata| (!of.is_file() && !of.is_dir()) || of.len() > LARGEST_FILE;
    if path.metadata().is_ok_and(odd) {
        let found = format!("{}: a device, or more than 256 MiB", path.display());
        return Some((found, "an image that can be read".to_owned()));
    }
    let frame = match image_file::decode(path) {
        Ok(frame) => frame,
        Err(error) => return Some((told(&error), "an image that can be read".to_owned())),
    };
    let width: u64 = camera.get("expected_width")?;
    let height: u64 = camera.get("expected_height")?;
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

/// The error, and the system's words if there are any.
fn told(error: &ImageError) -> String {
    let reason = std::error::Error::source(error);
    reason.map_or_else(|| error.to_string(), |reason| format!("{error}: {reason}"))
}
