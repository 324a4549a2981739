//! Converts a client's image to a frame, or to an error that names the field.

use std::path::Path;

use inspectd_core::frame::Frame;
use inspectd_core::image_file::{MAX_PIXELS, MIN_SIDE, decode_within};
use tonic::Status;

use super::proto::inspect_image_request::Image;
use super::proto::{PixelFormat, RawImage};
use super::status::invalid;

/// Decodes or unpacks an image whose sides are at most `side_limit` pixels long; this is checked before
/// anything is decoded. Takes as long as decoding: call it on a thread that may block.
///
/// # Errors
/// `INVALID_ARGUMENT`, with the field and its allowed values.
///
/// # Panics
/// Never: the bytes of a frame are counted first.
pub fn frame(image: Image, side_limit: u32) -> Result<Frame, Status> {
    match image {
        Image::Encoded(bytes) => decode_within(Path::new("image"), &bytes, side_limit)
            .map_err(|error| invalid("encoded", error.to_string())),
        Image::Raw(raw) => unpack(&raw, side_limit),
    }
}

fn unpack(raw: &RawImage, side_limit: u32) -> Result<Frame, Status> {
    let (width, height) = (raw.width, raw.height);
    if !(MIN_SIDE..=side_limit).contains(&width)
        || !(MIN_SIDE..=side_limit).contains(&height)
        || u64::from(width) * u64::from(height) > MAX_PIXELS
    {
        return Err(invalid(
            "raw.width",
            format!(
                "{width}x{height} pixels; must be {MIN_SIDE} to {side_limit} a side and at most {MAX_PIXELS} in all"
            ),
        ));
    }
    let channels = match raw.format() {
        PixelFormat::Rgb8 | PixelFormat::Bgr8 => 3,
        PixelFormat::Mono8 => 1,
        PixelFormat::Unspecified => {
            return Err(invalid("raw.format", "must be RGB8, BGR8 or MONO8"));
        }
    };
    // 64 bits do not overflow: fewer than 2^27 pixels, and a stride below 2^32 for each row.
    let row = u64::from(width) * channels;
    let stride = match u64::from(raw.stride) {
        0 => row,
        stride if stride < row => {
            let message =
                format!("{stride} bytes; must be at least {row}, the size of a row of pixels");
            return Err(invalid("raw.stride", message));
        }
        stride => stride,
    };
    let rows = u64::from(height);
    let (least, most) = (stride * (rows - 1) + row, stride * rows);
    if !(least..=most).contains(&(raw.data.len() as u64)) {
        let message = format!("{} bytes; must be {most}", raw.data.len());
        return Err(invalid("raw.data", message));
    }
    // Both are at most the length of the data.
    let (stride, row) = (stride as usize, row as usize);
    let rows = raw.data.chunks(stride).map(|line| &line[..row]);
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for line in rows {
        match raw.format() {
            PixelFormat::Mono8 => rgb.extend(line.iter().flat_map(|&grey| [grey; 3])),
            PixelFormat::Bgr8 => {
                rgb.extend(line.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]));
            }
            _ => rgb.extend_from_slice(line),
        }
    }
    Ok(Frame::new(width, height, rgb).expect("the bytes were counted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(format: PixelFormat, stride: u32, bytes: usize) -> RawImage {
        RawImage {
            width: 32,
            height: 40,
            format: format.into(),
            data: (0..bytes).map(|byte| (byte % 251) as u8).collect(),
            stride,
        }
    }

    #[test]
    fn every_pixel_format_is_converted_to_rgb() {
        let first = |format, stride, bytes| {
            let frame = unpack(&raw(format, stride, bytes), 64).expect("fits");
            assert_eq!((frame.width(), frame.height()), (32, 40));
            let second_row = 32 * 3;
            [
                frame.rgb()[..3].to_vec(),
                frame.rgb()[second_row..second_row + 3].to_vec(),
            ]
        };
        assert_eq!(
            first(PixelFormat::Rgb8, 0, 3840),
            [vec![0, 1, 2], vec![96, 97, 98]]
        );
        assert_eq!(
            first(PixelFormat::Bgr8, 0, 3840),
            [vec![2, 1, 0], vec![98, 97, 96]]
        );
        assert_eq!(
            first(PixelFormat::Mono8, 0, 1280),
            [vec![0; 3], vec![32; 3]]
        );
        // Rows of 32 pixels, 40 bytes apart; the last one may end after its pixels.
        let padded = [vec![0; 3], vec![40; 3]];
        assert_eq!(first(PixelFormat::Mono8, 40, 1600), padded);
        assert_eq!(first(PixelFormat::Mono8, 40, 1592), padded);
    }

    #[test]
    fn raw_images_with_invalid_size_stride_or_format_are_refused_by_field() {
        let check = |image: &RawImage, field: &str| {
            let status = unpack(image, 64).expect_err("does not fit");
            assert!(status.message().starts_with(field), "{status}");
        };
        check(&raw(PixelFormat::Rgb8, 0, 3839), "raw.data");
        check(&raw(PixelFormat::Rgb8, 0, 3841), "raw.data");
        check(&raw(PixelFormat::Mono8, 31, 1280), "raw.stride");
        check(&raw(PixelFormat::Unspecified, 0, 1280), "raw.format");
        let narrow = RawImage {
            width: 31,
            ..raw(PixelFormat::Mono8, 0, 1240)
        };
        check(&narrow, "raw.width");
        let huge = RawImage {
            width: u32::MAX,
            height: u32::MAX,
            ..raw(PixelFormat::Mono8, 0, 0)
        };
        check(&huge, "raw.width");
        let long = RawImage {
            width: 65,
            ..raw(PixelFormat::Mono8, 0, 2600)
        };
        check(&long, "raw.width");
        // 40 rows of 4 GiB: more than 2^37 bytes, which overflows 32 bits.
        check(&raw(PixelFormat::Mono8, u32::MAX, 1280), "raw.data");
    }

    /// The beginning of a PNG of grey pixels: only its header.
    fn header(width: u32, height: u32) -> Image {
        let mut chunk = b"IHDR".to_vec();
        chunk.extend([width.to_be_bytes(), height.to_be_bytes()].concat());
        chunk.extend([8, 0, 0, 0, 0]);
        let sum = crc32(&chunk);
        let parts = [
            b"\x89PNG\r\n\x1a\n\0\0\0\r",
            &*chunk,
            &sum.to_be_bytes(),
            b"\0\0\xff\xffIDAT",
        ];
        Image::Encoded(parts.concat())
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let bit = |sum: u32, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg());
        let byte = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), bit);
        !bytes.iter().fold(u32::MAX, byte)
    }

    #[test]
    fn a_png_header_with_an_invalid_size_is_refused_before_decoding() {
        let check = |width, height, words: &str| {
            let status = frame(header(width, height), 8192).expect_err("refused");
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            assert!(status.message().contains(words), "{status}");
        };
        check(
            60_000,
            60_000,
            "60000x60000 pixels; must be at least 32 a side and at most",
        );
        check(8193, 64, "8193x64 pixels; must be at most 8192 a side");
        check(64, 8193, "64x8193 pixels; must be at most 8192 a side");
        check(16, 64, "16x64 pixels; must be at least 32 a side");
        // An allowed size, but nothing follows the header.
        check(64, 64, "corrupt or truncated");
    }

    #[test]
    fn bytes_that_are_not_an_image_are_refused() {
        let status = frame(Image::Encoded(b"not an image".to_vec()), 64).expect_err("not an image");
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(
            status.message().contains("PNG, JPEG, TIFF or BMP"),
            "{status}"
        );
    }
}
