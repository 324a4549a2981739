//! Image files: atomic replacement, and two images side by side.

use std::io::Cursor;
use std::path::Path;

use anyhow::Context;
use image::{GenericImage, ImageFormat, RgbImage};
use inspectd_core::atomic_file;

/// Replaces the file at `path` atomically.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    atomic_file::write(path, bytes)
        .with_context(|| format!("{}: cannot be written", path.display()))
}

/// Returns a PNG of the frame on the left and its heatmap on the right; only the heatmap if the two do not
/// decode to the same size.
pub fn side_by_side(frame: &[u8], heatmap: &[u8]) -> Vec<u8> {
    pair(frame, heatmap).unwrap_or_else(|| heatmap.to_vec())
}

fn pair(frame: &[u8], heatmap: &[u8]) -> Option<Vec<u8>> {
    let left = image::load_from_memory(frame).ok()?.into_rgb8();
    let right = image::load_from_memory(heatmap).ok()?.into_rgb8();
    if left.dimensions() != right.dimensions() {
        return None;
    }
    let (width, height) = left.dimensions();
    let mut pair = RgbImage::new(width.checked_mul(2)?, height);
    pair.copy_from(&left, 0, 0).ok()?;
    pair.copy_from(&right, width, 0).ok()?;
    let mut png = Cursor::new(Vec::new());
    pair.write_to(&mut png, ImageFormat::Png).ok()?;
    Some(png.into_inner())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::Rgb;

    use super::*;

    fn png(width: u32, colour: [u8; 3]) -> Vec<u8> {
        let mut png = Cursor::new(Vec::new());
        RgbImage::from_pixel(width, 2, Rgb(colour))
            .write_to(&mut png, ImageFormat::Png)
            .expect("written");
        png.into_inner()
    }

    #[test]
    fn images_of_the_same_size_are_side_by_side() {
        let pair = side_by_side(&png(3, [1, 2, 3]), &png(3, [9, 8, 7]));
        let pair = image::load_from_memory(&pair).expect("a PNG").into_rgb8();
        assert_eq!(pair.dimensions(), (6, 2));
        assert_eq!(pair.get_pixel(2, 1).0, [1, 2, 3]);
        assert_eq!(pair.get_pixel(3, 0).0, [9, 8, 7]);
    }

    #[test]
    fn heatmap_without_a_matching_frame_is_returned_unchanged() {
        let heatmap = png(3, [9, 8, 7]);
        let check = |frame: &[u8]| assert_eq!(side_by_side(frame, &heatmap), heatmap);
        check(&png(4, [1, 2, 3]));
        check(b"not an image");
        check(b"");
    }

    #[test]
    fn file_is_replaced_without_leftovers() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("part.png");
        for bytes in [b"first".as_slice(), b"second"] {
            write(&path, bytes).expect("written");
            assert_eq!(fs::read(&path).expect("it is there"), bytes);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn write_error_names_the_file() {
        let check = |path: &str, expected: &str| {
            let error = write(Path::new(path), b"x").expect_err("no such folder");
            assert!(format!("{error:#}").starts_with(expected), "{error:#}");
        };
        check(
            "/nonexistent/part.png",
            "/nonexistent/part.png: cannot be written: ",
        );
        check("/", "/: ");
    }
}
