//! Encoding of images for files and for the page.

use std::io::Cursor;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, RgbImage};

/// JPEG quality for photographs with an overlay; higher values only increase the size.
const JPEG_QUALITY: u8 = 88;
/// White gap between the tiles of a strip, in pixels.
const GAP: u32 = 6;

pub(super) fn png(image: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .context("cannot encode a figure")?;
    Ok(bytes.into_inner())
}

pub(crate) fn jpeg(image: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode_image(image)
        .context("cannot encode an image")?;
    Ok(bytes.into_inner())
}

/// Returns a data URI with the image as JPEG.
pub(crate) fn data_uri(image: &RgbImage) -> Result<String> {
    let base64 = BASE64_STANDARD.encode(jpeg(image)?);
    Ok(format!("data:image/jpeg;base64,{base64}"))
}

/// Places tiles side by side.
pub(super) fn strip<'a>(tiles: impl Iterator<Item = &'a RgbImage> + Clone) -> RgbImage {
    let width: u32 = tiles.clone().map(|tile| tile.width() + GAP).sum();
    let height = tiles.clone().map(RgbImage::height).max().unwrap_or(1);
    let white = image::Rgb([255; 3]);
    let mut strip = RgbImage::from_pixel(width.saturating_sub(GAP).max(1), height, white);
    let mut left = 0;
    for tile in tiles {
        image::imageops::replace(&mut strip, tile, left, 0);
        left += i64::from(tile.width() + GAP);
    }
    strip
}
