//! An image file becomes a frame, or an error that names it. Trainer and line call the same function: two
//! decoders of JPEG make two pictures.
//!
//! Orientation tags and colour profiles are ignored, as the published pipelines do.

use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use thiserror::Error;

use crate::frame::Frame;

/// Fewer pixels a side hold nothing that a network of stride 4 could judge.
pub const MIN_SIDE: u32 = 32;
/// More pixels than any camera of a line has, but a few bytes of a file can claim them.
pub const MAX_PIXELS: u64 = 100_000_000;

/// The most memory that decoding may take beside the picture itself: of 4 bytes a pixel at most.
const MOST_MEMORY: u64 = 4 * MAX_PIXELS + (64 << 20);

/// Why a file is not an image that can be used.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The file system says no.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// Not one of the formats.
    #[error("{}: {found}; must be a PNG, JPEG, TIFF or BMP file", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// Damaged, or cut off.
    #[error("{}: the image is corrupt or truncated: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        reason: String,
    },
    /// Pixels of more than 8 bits a channel.
    #[error("{}: pixels are {found:?}; must be 8-bit RGB, RGBA (alpha is dropped) or grey: convert it, at a fixed scale", path.display())]
    Pixels {
        /// The file.
        path: PathBuf,
        /// What they are.
        found: ColorType,
    },
    /// Too small or too large.
    #[error("{}: {width}x{height} pixels; must be at least {MIN_SIDE} a side and at most {MAX_PIXELS} in all", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Longer than allowed.
    #[error("{}: {width}x{height} pixels; must be at most {limit} a side", path.display())]
    Side {
        /// The file.
        path: PathBuf,
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
        /// The longest side allowed, pixels.
        limit: u32,
    },
    /// A mask that does not fit its image.
    #[error("{}: a mask of {width}x{height} pixels; must be {}x{} as its image {}", path.display(), image_size.0, image_size.1, image.display())]
    MaskSize {
        /// The mask.
        path: PathBuf,
        /// Its pixels a row.
        width: u32,
        /// Its rows.
        height: u32,
        /// The image.
        image: PathBuf,
        /// The image's pixels a row, and rows.
        image_size: (u32, u32),
    },
}

/// Reads an 8-bit image; alpha is dropped, grey becomes RGB.
///
/// # Errors
/// When the file cannot be read, is no image of an allowed kind, or is damaged. It is named.
pub fn decode(path: &Path) -> Result<Frame, ImageError> {
    Ok(frame(read(path)?.into_rgb8()))
}

/// As [`decode`], from a file's bytes; `path` is for messages alone.
///
/// # Errors
/// As [`decode`].
pub fn decode_bytes(path: &Path, bytes: &[u8]) -> Result<Frame, ImageError> {
    decode_within(path, bytes, u32::MAX)
}

/// As [`decode_bytes`], where no side may be longer than `side_limit` pixels.
///
/// # Errors
/// As [`decode`]; a side that is too long is found before anything is decoded.
pub fn decode_within(path: &Path, bytes: &[u8], side_limit: u32) -> Result<Frame, ImageError> {
    Ok(frame(image(path, bytes, side_limit)?.into_rgb8()))
}

fn frame(image: RgbImage) -> Frame {
    Frame::new(image.width(), image.height(), image.into_raw())
        .expect("a side is at least MIN_SIDE")
}

/// Reads an image of 8 bits a channel, whatever its channels.
///
/// # Errors
/// As [`decode`].
pub fn read(path: &Path) -> Result<DynamicImage, ImageError> {
    let bytes = fs::read(path).map_err(|source| ImageError::Read {
        path: path.to_owned(),
        source,
    })?;
    image(path, &bytes, u32::MAX)
}

/// Nothing is decoded before its size is known to be within the bounds.
fn image(path: &Path, bytes: &[u8], side_limit: u32) -> Result<DynamicImage, ImageError> {
    let damaged = |error: image::ImageError| corrupt(path, &error.to_string());
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .expect("reading memory cannot fail");
    let format = allowed(path, reader.format())?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if width.min(height) < MIN_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        let path = path.to_owned();
        return Err(ImageError::Size {
            path,
            width,
            height,
        });
    }
    if width.max(height) > side_limit {
        return Err(ImageError::Side {
            path: path.to_owned(),
            width,
            height,
            limit: side_limit,
        });
    }
    decoder.set_limits(limits).map_err(damaged)?;
    let found = decoder.color_type();
    if !matches!(
        found,
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8
    ) {
        let path = path.to_owned();
        return Err(ImageError::Pixels { path, found });
    }
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    if format == ImageFormat::Jpeg && !ends(bytes) {
        return Err(corrupt(path, "the end-of-image marker is missing"));
    }
    Ok(image)
}

fn corrupt(path: &Path, reason: &str) -> ImageError {
    ImageError::Corrupt {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn allowed(path: &Path, format: Option<ImageFormat>) -> Result<ImageFormat, ImageError> {
    let found = match format {
        Some(
            format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Tiff | ImageFormat::Bmp),
        ) => return Ok(format),
        Some(other) => format!("a {other:?} file"),
        None => "no image".to_owned(),
    };
    let path = path.to_owned();
    Err(ImageError::Format { path, found })
}

/// Whether a JPEG's last scan is followed by the end of the image. The decoder fills what is missing
/// with grey and says nothing.
fn ends(bytes: &[u8]) -> bool {
    const START_OF_SCAN: [u8; 2] = [0xFF, 0xDA];
    const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    // A thumbnail in the header has an end too, but before the picture's own scan.
    last(END_OF_IMAGE) > last(START_OF_SCAN)
}
