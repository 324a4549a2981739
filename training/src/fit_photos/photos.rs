//! Photographs of good parts: found, checked and prepared as the daemon prepares a camera's frames.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail, ensure};
use inspectd_core::frame::Frame;
use inspectd_core::image_file::{self, ImageError};
use inspectd_core::preprocess::{self, Crop, Rotation};
use rayon::prelude::*;

use crate::dataset::ImageSize;

/// The inspected part of a photograph: the same keys, in the same order, as a camera's in the daemon's
/// configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Clockwise rotation, first.
    pub rotation: Rotation,
    /// Rectangle of the rotated photograph; all of it if unset.
    pub crop: Option<Crop>,
}

/// A photograph that is ready for the network.
#[derive(Clone, Debug)]
pub struct Photo {
    /// Its file.
    pub path: PathBuf,
    /// Its inspected part, resized to the network input.
    pub frame: Arc<Frame>,
    /// Width and height of the inspected part before resizing, pixels.
    pub size: (u32, u32),
}

/// Sizes and oddities of photographs, from their headers.
#[derive(Debug)]
pub struct PhotoFacts {
    /// Width and height of the inspected part of each photograph, pixels.
    pub sizes: Vec<(u32, u32)>,
    /// Texts for the user.
    pub warnings: Vec<String>,
}

impl Photo {
    /// The network's input in the aspect ratio of the photograph, for people.
    ///
    /// # Errors
    /// When it cannot be resized.
    pub(crate) fn inspected(&self) -> Result<Frame> {
        let (width, height) = self.size;
        let longest = width.max(height).max(1);
        let side = |length: u32| (SHOWN_SIDE * length / longest).max(32);
        Ok(preprocess::resize(
            &self.frame,
            None,
            side(width),
            side(height),
        )?)
    }
}

/// Longer side of a photograph that is shown, in pixels.
const SHOWN_SIDE: u32 = 320;

/// Largest number of file names in a message.
const NAMES: usize = 5;

impl View {
    /// Width and height of the inspected part of a photograph of `size`.
    ///
    /// # Errors
    /// When the crop does not fit.
    pub fn size(self, (width, height): (u32, u32)) -> Result<(u32, u32), String> {
        let (width, height) = match self.rotation {
            Rotation::R0 | Rotation::R180 => (width, height),
            Rotation::R90 | Rotation::R270 => (height, width),
        };
        match self.crop {
            None => Ok((width, height)),
            Some(crop) if crop.right <= width && crop.bottom <= height => {
                Ok((crop.right - crop.left, crop.bottom - crop.top))
            }
            Some(crop) => Err(format!(
                "the crop left {}, top {}, right {}, bottom {} does not fit {width}x{height} pixels",
                crop.left, crop.top, crop.right, crop.bottom
            )),
        }
    }
}

/// Reads the headers of the photographs at `paths`.
///
/// # Errors
/// When a file is not a supported image or the crop does not fit it. The message names all such files.
pub fn examine(paths: &[PathBuf], view: View) -> Result<PhotoFacts> {
    let mut sizes = Vec::with_capacity(paths.len());
    let mut bad = Vec::new();
    let mut turned = Vec::new();
    for path in paths {
        let header = match image_file::header(path) {
            Ok(header) => header,
            Err(error) => {
                bad.push(text(&error));
                continue;
            }
        };
        match view.size((header.width, header.height)) {
            Ok(size) => sizes.push(size),
            Err(reason) => bad.push(format!("{}: {reason}", path.display())),
        }
        if header.oriented {
            turned.push(path.as_path());
        }
    }
    refuse(&bad, paths.len())?;
    let mut warnings = Vec::new();
    if !turned.is_empty() {
        warnings.push(format!(
            "{} of {} photographs have an orientation tag ({}). It is ignored, as on the line: the pixels are used as they are stored",
            turned.len(),
            paths.len(),
            names(&turned)
        ));
    }
    warnings.extend(differing_sizes(&sizes));
    Ok(PhotoFacts { sizes, warnings })
}

/// Warns if photographs differ in their aspect ratio: all are resized to the same size.
fn differing_sizes(sizes: &[(u32, u32)]) -> Option<String> {
    let mut counts: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for size in sizes {
        *counts.entry(*size).or_default() += 1;
    }
    let aspects = sizes
        .iter()
        .map(|&(width, height)| f64::from(width) / f64::from(height));
    let low = aspects.clone().fold(f64::INFINITY, f64::min);
    let high = aspects.fold(0.0, f64::max);
    (high > 1.05 * low).then(|| {
        let mut listed: Vec<_> = counts.into_iter().collect();
        listed.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let listed: Vec<String> = listed
            .iter()
            .take(NAMES)
            .map(|((width, height), count)| format!("{width}x{height}: {count}"))
            .collect();
        format!(
            "the photographs differ in their aspect ratio ({}); all are resized to one size",
            listed.join(", ")
        )
    })
}

/// Decodes, rotates, crops and resizes the photographs at `paths`, on all cores. Calls `progress` with the
/// number done.
///
/// # Errors
/// When photographs are damaged. The message names all of them.
pub fn load(
    paths: &[PathBuf],
    view: View,
    size: ImageSize,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Photo>> {
    let done = AtomicU64::new(0);
    let loaded: Vec<Result<Photo, String>> = paths
        .par_iter()
        .map(|path| {
            let photo = one(path, view, size);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            photo
        })
        .collect();
    let mut photos = Vec::with_capacity(paths.len());
    let mut bad = Vec::new();
    for photo in loaded {
        match photo {
            Ok(photo) => photos.push(photo),
            Err(error) => bad.push(error),
        }
    }
    refuse(&bad, paths.len())?;
    Ok(photos)
}

/// Decodes, rotates, crops and resizes one photograph.
///
/// # Errors
/// When it cannot be used. The text names the file.
pub(crate) fn one(path: &Path, view: View, size: ImageSize) -> Result<Photo, String> {
    let frame = image_file::decode(path).map_err(|error| text(&error))?;
    let frame = preprocess::rotate(frame, view.rotation);
    let inspected = view.crop.map_or((frame.width(), frame.height()), |crop| {
        (crop.right - crop.left, crop.bottom - crop.top)
    });
    let resized = preprocess::resize(&frame, view.crop, size.width, size.height)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Photo {
        path: path.to_owned(),
        frame: Arc::new(resized),
        size: inspected,
    })
}

/// The error with its cause, which [`ImageError::Read`] keeps apart.
fn text(error: &ImageError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn refuse(bad: &[String], total: usize) -> Result<()> {
    if bad.is_empty() {
        return Ok(());
    }
    bail!(
        "{} of {total} photographs cannot be used; repair or remove them:\n  {}",
        bad.len(),
        bad.join("\n  ")
    )
}

/// The first file names of `paths`.
fn names(paths: &[&Path]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .take(NAMES)
        .map(|path| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            name.to_string_lossy().into_owned()
        })
        .collect();
    let more = if paths.len() > NAMES { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// Parses a crop, `LEFT,TOP,RIGHT,BOTTOM` in pixels.
///
/// # Errors
/// When the text is not four numbers with left < right and top < bottom.
pub fn parse_crop(text: &str) -> Result<Crop> {
    let numbers: Vec<u32> = text
        .split(',')
        .map(|part| part.trim().parse())
        .collect::<Result<_, _>>()
        .unwrap_or_default();
    let &[left, top, right, bottom] = &*numbers else {
        bail!("{text}: must be LEFT,TOP,RIGHT,BOTTOM in pixels");
    };
    ensure!(
        left < right && top < bottom,
        "{text}: LEFT must be below RIGHT, and TOP below BOTTOM"
    );
    Ok(Crop {
        left,
        top,
        right,
        bottom,
    })
}

/// Parses a clockwise rotation in degrees.
///
/// # Errors
/// When it is not 0, 90, 180 or 270.
pub fn parse_rotation(text: &str) -> Result<Rotation> {
    match text {
        "0" => Ok(Rotation::R0),
        "90" => Ok(Rotation::R90),
        "180" => Ok(Rotation::R180),
        "270" => Ok(Rotation::R270),
        _ => bail!("{text}: must be 0, 90, 180 or 270 (degrees, clockwise)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crop_and_rotation_are_parsed_as_documented() {
        let crop = parse_crop("10, 20,300,400").expect("a crop");
        assert_eq!(
            [crop.left, crop.top, crop.right, crop.bottom],
            [10, 20, 300, 400]
        );
        for text in ["", "1,2,3", "5,0,5,10", "0,9,5,9", "a,b,c,d", "-1,0,5,5"] {
            assert!(parse_crop(text).is_err(), "{text}");
        }
        assert_eq!(parse_rotation("270").expect("a rotation"), Rotation::R270);
        assert!(parse_rotation("45").is_err());
    }

    #[test]
    fn crop_applies_to_the_rotated_photograph() {
        let view = View {
            rotation: Rotation::R90,
            crop: Some(parse_crop("0,0,300,600").expect("a crop")),
        };
        assert_eq!(view.size((640, 480)), Ok((300, 600)));
        assert!(view.size((480, 640)).is_err());
    }
}
