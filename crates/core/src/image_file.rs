//! Decodes image files to frames. Every error names the file. The trainer and the daemon call the same
//! function, because two JPEG decoders give different pixels.
//!
//! Orientation tags and colour profiles are ignored, as in the published pipelines.

use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use thiserror::Error;

use crate::frame::Frame;

/// Minimum width and height in pixels. A network with stride 4 cannot judge smaller images.
pub const MIN_SIDE: u32 = 32;
/// Maximum number of pixels. No inspection camera has more, but a file header of a few bytes can claim
/// more.
pub const MAX_PIXELS: u64 = 100_000_000;

/// Maximum memory for decoding in bytes, in addition to the image itself (at most 4 bytes per pixel).
const MAX_DECODER_BYTES: u64 = 4 * MAX_PIXELS + (64 << 20);

/// Why an image file cannot be used.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The file cannot be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The format is not supported.
    #[error("{}: {found}; must be a PNG, JPEG, TIFF or BMP file", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: String,
    },
    /// The image is corrupt or truncated.
    #[error("{}: the image is corrupt or truncated: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The decoder's message.
        reason: String,
    },
    /// The pixels are not 8 bits per channel.
    #[error("{}: pixels are {found:?}; must be 8-bit RGB, RGBA (alpha is dropped) or grey: convert it, at a fixed scale", path.display())]
    Pixels {
        /// The file.
        path: PathBuf,
        /// The pixel format found.
        found: ColorType,
    },
    /// The image is too small or too large.
    #[error("{}: {width}x{height} pixels; must be at least {MIN_SIDE} a side and at most {MAX_PIXELS} in total", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A side is longer than the limit.
    #[error("{}: {width}x{height} pixels; must be at most {limit} a side", path.display())]
    Side {
        /// The file.
        path: PathBuf,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Maximum side in pixels.
        limit: u32,
    },
    /// The mask does not have the size of its image.
    #[error("{}: mask is {width}x{height} pixels; must be {}x{} like its image {}", path.display(), image_size.0, image_size.1, image.display())]
    MaskSize {
        /// The mask.
        path: PathBuf,
        /// Width of the mask in pixels.
        width: u32,
        /// Height of the mask in pixels.
        height: u32,
        /// The image.
        image: PathBuf,
        /// Width and height of the image in pixels.
        image_size: (u32, u32),
    },
}

/// Reads an 8-bit image as RGB: alpha is dropped, and grey is copied to the three channels.
///
/// # Errors
/// When the file cannot be read, has an unsupported format or size, or is damaged.
pub fn decode(path: &Path) -> Result<Frame, ImageError> {
    Ok(frame(read(path)?.into_rgb8()))
}

/// As [`decode`], from the bytes of a file; `path` is used only in messages.
///
/// # Errors
/// As [`decode`].
pub fn decode_bytes(path: &Path, bytes: &[u8]) -> Result<Frame, ImageError> {
    decode_within(path, bytes, u32::MAX)
}

/// As [`decode_bytes`], with a maximum side of `side_limit` pixels.
///
/// # Errors
/// As [`decode`], and when a side is longer than `side_limit`; this is checked before decoding.
pub fn decode_within(path: &Path, bytes: &[u8], side_limit: u32) -> Result<Frame, ImageError> {
    Ok(frame(image(path, bytes, side_limit)?.into_rgb8()))
}

fn frame(image: RgbImage) -> Frame {
    Frame::new(image.width(), image.height(), image.into_raw())
        .expect("image() requires sides of at least MIN_SIDE")
}

/// Reads an image with 8 bits per channel and keeps its channels.
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

/// What the header of an image file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageHeader {
    /// Width in pixels, as stored.
    pub width: u32,
    /// Height in pixels, as stored.
    pub height: u32,
    /// Whether an orientation tag (EXIF) asks for a rotation or a reflection, which [`decode`] ignores.
    pub oriented: bool,
}

/// Reads the header of an image and checks format, size and pixels without decoding it.
///
/// # Errors
/// As [`decode`], except that damage after the header is not found.
pub fn header(path: &Path) -> Result<ImageHeader, ImageError> {
    let bytes = fs::read(path).map_err(|source| ImageError::Read {
        path: path.to_owned(),
        source,
    })?;
    let (mut decoder, _) = checked_decoder(path, &bytes, u32::MAX)?;
    let (width, height) = decoder.dimensions();
    Ok(ImageHeader {
        width,
        height,
        // A tag that cannot be read asks for nothing.
        oriented: decoder
            .orientation()
            .is_ok_and(|orientation| orientation != Orientation::NoTransforms),
    })
}

/// Decodes an image after its size was checked against the bounds.
fn image(path: &Path, bytes: &[u8], side_limit: u32) -> Result<DynamicImage, ImageError> {
    let (decoder, format) = checked_decoder(path, bytes, side_limit)?;
    let image =
        DynamicImage::from_decoder(decoder).map_err(|error| corrupt(path, &error.to_string()))?;
    if format == ImageFormat::Jpeg && !is_complete_jpeg(bytes) {
        return Err(corrupt(path, "the end-of-image marker is missing"));
    }
    Ok(image)
}

/// Returns a decoder of an image with supported format, size and pixels.
fn checked_decoder<'a>(
    path: &Path,
    bytes: &'a [u8],
    side_limit: u32,
) -> Result<(impl ImageDecoder + 'a, ImageFormat), ImageError> {
    let damaged = |error: image::ImageError| corrupt(path, &error.to_string());
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .expect("reading from memory cannot fail");
    let format = supported_format(path, reader.format())?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
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
    Ok((decoder, format))
}

fn corrupt(path: &Path, reason: &str) -> ImageError {
    ImageError::Corrupt {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn supported_format(path: &Path, format: Option<ImageFormat>) -> Result<ImageFormat, ImageError> {
    let found = match format {
        Some(
            format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Tiff | ImageFormat::Bmp),
        ) => return Ok(format),
        Some(other) => format!("a {other:?} file"),
        None => "not an image".to_owned(),
    };
    let path = path.to_owned();
    Err(ImageError::Format { path, found })
}

/// Returns whether the last scan of a JPEG is followed by an end-of-image marker. The decoder fills
/// missing data with grey and reports no error.
fn is_complete_jpeg(bytes: &[u8]) -> bool {
    const START_OF_SCAN: [u8; 2] = [0xFF, 0xDA];
    const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    // A thumbnail in the header also has an end-of-image marker, but before the scan of the image itself.
    last(END_OF_IMAGE) > last(START_OF_SCAN)
}
