//! A client's image becomes a frame, or an error that names the field.

use std::path::Path;

use tonic::Status;

use super::proto::inspect_image_request::Image;
use super::proto::{PixelFormat, RawImage};
use super::refusal::invalid;
use crate::frame::Frame;
use crate::image_file::{MAX_PIXELS, MIN_SIDE, decode_bytes};

/// Decodes or unpacks. Takes as long as that takes: not for a thread that must not wait.
///
/// # Errors
/// `INVALID_ARGUMENT` with the field that is wrong, and what it may be.
///
/// # Panics
/// Never: the bytes of a frame are counted first.
pub fn frame(image: Image) -> Result<Frame, Status> {
    match image {
        Image::Encoded(bytes) => decode_bytes(Path::new("image"), &bytes)
            .map_err(|error| invalid("encoded", error.to_string())),
        Image::Raw(raw) => unpacked(&raw),
    }
}

fn unpacked(raw: &RawImage) -> Result<Frame, Status> {
    let (width, height) = (raw.width, raw.height);
    if width.min(height) < MIN_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(invalid(
            "raw.width",
            format!(
                "{width}x{height} pixels; must be at least {MIN_SIDE} a side and at most {MAX_PIXELS} in all"
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
    let row = width as usize * channels;
    let stride = match raw.stride as usize {
        0 => row,
        stride if stride < row => {
            let message = format!("{stride} bytes; a row of pixels alone has {row}");
            return Err(invalid("raw.stride", message));
        }
        stride => stride,
    };
    let (least, most) = (
        stride * (height as usize - 1) + row,
        stride * height as usize,
    );
    if !(least..=most).contains(&raw.data.len()) {
        let message = format!("{} bytes; must be {most}", raw.data.len());
        return Err(invalid("raw.data", message));
    }
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
    fn every_pixel_format_becomes_rgb() {
        let first = |format, stride, bytes| {
            let frame = unpacked(&raw(format, stride, bytes)).expect("fits");
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
    fn pixels_that_do_not_fit_are_refused_by_field() {
        let check = |image: &RawImage, field: &str| {
            let status = unpacked(image).expect_err("does not fit");
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
    }

    #[test]
    fn bytes_that_are_no_image_are_refused() {
        let status = frame(Image::Encoded(b"no image".to_vec())).expect_err("no image");
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(
            status.message().contains("PNG, JPEG, TIFF or BMP"),
            "{status}"
        );
    }
}
