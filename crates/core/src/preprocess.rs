//! From a camera's frame to the network's input: rotate, crop, antialiased bilinear resize.
//!
//! The trainer and the daemon call the same functions. A resize without antialiasing (such as `OpenCV`'s
//! `INTER_LINEAR`) gives other pixels, and the scores of a model that was trained with one method and runs
//! with the other are wrong.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use serde::Serialize;
use thiserror::Error;

use crate::frame::{CHANNELS, Frame};

/// Clockwise rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Rotation {
    /// No rotation.
    #[default]
    R0,
    /// 90 degrees.
    R90,
    /// 180 degrees.
    R180,
    /// 270 degrees.
    R270,
}

/// The inspected rectangle of a frame in pixels; `right` and `bottom` are exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Crop {
    /// First column inside.
    pub left: u32,
    /// First row inside.
    pub top: u32,
    /// First column to the right.
    pub right: u32,
    /// First row below.
    pub bottom: u32,
}

/// Why a frame cannot be cropped or resized.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PreprocessError {
    /// The crop has no area or is not within the frame.
    #[error(
        "crop left {}, top {}, right {}, bottom {} does not fit a {width}x{height} frame: needs left < right <= {width} and top < bottom <= {height}",
        crop.left, crop.top, crop.right, crop.bottom
    )]
    Crop {
        /// The crop.
        crop: Crop,
        /// Width of the frame in pixels.
        width: u32,
        /// Height of the frame in pixels.
        height: u32,
    },
    /// The target size has no area.
    #[error("cannot resize to {width}x{height} pixels: both must be at least 1")]
    Target {
        /// Target width in pixels.
        width: u32,
        /// Target height in pixels.
        height: u32,
    },
}

/// Rotates a frame clockwise.
///
/// # Panics
/// Never: a rotation keeps the number of pixels.
pub fn rotate(frame: Frame, rotation: Rotation) -> Frame {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let [new_width, new_height] = match rotation {
        Rotation::R0 => return frame,
        Rotation::R180 => [width, height],
        Rotation::R90 | Rotation::R270 => [height, width],
    };
    // Source position of a pixel of the rotated frame.
    let source = |x: usize, y: usize| match rotation {
        Rotation::R0 => (x, y),
        Rotation::R90 => (y, height - 1 - x),
        Rotation::R180 => (width - 1 - x, height - 1 - y),
        Rotation::R270 => (width - 1 - y, x),
    };
    let pixels = frame.rgb();
    let mut rgb = Vec::with_capacity(pixels.len());
    for y in 0..new_height {
        for x in 0..new_width {
            let (x, y) = source(x, y);
            let at = (y * width + x) * CHANNELS;
            rgb.extend_from_slice(&pixels[at..at + CHANNELS]);
        }
    }
    Frame::new(new_width as u32, new_height as u32, rgb)
        .expect("a rotation keeps the number of pixels")
}

/// Returns a copy of the rectangle `crop`, or of the whole frame.
///
/// # Errors
/// When the crop is not within the frame.
///
/// # Panics
/// Never: a checked crop has an area.
pub fn crop(frame: &Frame, crop: Option<Crop>) -> Result<Frame, PreprocessError> {
    let crop = checked(frame, crop)?;
    let row = |y: u32| {
        let start = (y as usize * frame.width() as usize + crop.left as usize) * CHANNELS;
        &frame.rgb()[start..start + (crop.right - crop.left) as usize * CHANNELS]
    };
    let rgb = (crop.top..crop.bottom).flat_map(row).copied().collect();
    let (width, height) = (crop.right - crop.left, crop.bottom - crop.top);
    Ok(Frame::new(width, height, rgb)
        .expect("a checked crop has an area, and its bytes were copied"))
}

/// Resizes `crop`, or the whole frame, to `width` x `height`. The result differs from Pillow's
/// `image.crop(..).resize(.., BILINEAR)` by at most one grey level.
///
/// # Errors
/// When the crop is not within the frame, or the target size has no area.
pub fn resize(
    frame: &Frame,
    crop: Option<Crop>,
    width: u32,
    height: u32,
) -> Result<Frame, PreprocessError> {
    if width == 0 || height == 0 {
        return Err(PreprocessError::Target { width, height });
    }
    Ok(resample(frame, checked(frame, crop)?, width, height))
}

/// Returns `crop`, or the whole frame for `None`, after checking that it is within the frame.
fn checked(frame: &Frame, crop: Option<Crop>) -> Result<Crop, PreprocessError> {
    let crop = crop.unwrap_or(Crop {
        left: 0,
        top: 0,
        right: frame.width(),
        bottom: frame.height(),
    });
    if crop.left >= crop.right
        || crop.top >= crop.bottom
        || crop.right > frame.width()
        || crop.bottom > frame.height()
    {
        return Err(PreprocessError::Crop {
            crop,
            width: frame.width(),
            height: frame.height(),
        });
    }
    Ok(crop)
}

/// Resizes a checked `crop` to a target size with an area.
fn resample(frame: &Frame, crop: Crop, width: u32, height: u32) -> Frame {
    // Views of one pixel type: views of dynamic type compile the filters of all pixel types, which takes minutes.
    let whole = TypedImageRef::<U8x3>::from_buffer(frame.width(), frame.height(), frame.rgb())
        .expect("a frame holds width * height * 3 bytes");
    // A cropped view, not `ResizeOptions::crop`, with which the filter reads pixels outside the crop.
    let (crop_width, crop_height) = (crop.right - crop.left, crop.bottom - crop.top);
    let source = TypedCroppedImage::from_ref(&whole, crop.left, crop.top, crop_width, crop_height)
        .expect("the crop was checked against the frame");
    let mut rgb = vec![0; width as usize * height as usize * CHANNELS];
    let mut target = TypedImage::<U8x3>::from_buffer(width, height, &mut rgb)
        .expect("the buffer has the target size");
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new()
        .resize_typed(&source, &mut target, &options)
        .expect("no crop option is set");
    Frame::new(width, height, rgb)
        .expect("the target size has an area, and the buffer has its bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: u32, height: u32) -> Frame {
        let rgb = (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, (x ^ y) as u8]))
            .collect();
        Frame::new(width, height, rgb).expect("sized")
    }

    #[test]
    fn resizing_to_the_same_size_keeps_every_pixel() {
        let frame = ramp(40, 30);
        assert_eq!(resize(&frame, None, 40, 30), Ok(frame));
    }

    #[test]
    fn resizing_a_crop_to_its_own_size_copies_its_pixels() {
        let crop = Crop {
            left: 3,
            top: 5,
            right: 5,
            bottom: 6,
        };
        let cropped = resize(&ramp(40, 30), Some(crop), 2, 1).expect("fits");
        assert_eq!(cropped.rgb(), [3, 5, 6, 4, 5, 1]);
    }

    #[test]
    fn pixels_outside_the_crop_do_not_affect_the_result() {
        let mut rgb = vec![255; 32 * 32 * CHANNELS];
        for y in 8..24 {
            rgb[(y * 32 + 8) * CHANNELS..(y * 32 + 24) * CHANNELS].fill(10);
        }
        let frame = Frame::new(32, 32, rgb).expect("sized");
        let crop = Crop {
            left: 8,
            top: 8,
            right: 24,
            bottom: 24,
        };
        let small = resize(&frame, Some(crop), 5, 5).expect("fits");
        assert!(small.rgb().iter().all(|&value| value == 10));
    }

    #[test]
    fn crop_outside_the_frame_is_rejected_with_its_coordinates() {
        let check = |left, top, right, bottom| {
            let crop = Crop {
                left,
                top,
                right,
                bottom,
            };
            let expected = PreprocessError::Crop {
                crop,
                width: 40,
                height: 30,
            };
            assert_eq!(resize(&ramp(40, 30), Some(crop), 8, 8), Err(expected));
        };
        check(0, 0, 41, 30);
        check(0, 0, 40, 31);
        check(7, 0, 7, 30);
        check(0, 9, 40, 8);
        let crop = Crop {
            left: 1,
            top: 2,
            right: 99,
            bottom: 4,
        };
        let message = resize(&ramp(40, 30), Some(crop), 8, 8)
            .expect_err("outside")
            .to_string();
        assert!(
            message
                .starts_with("crop left 1, top 2, right 99, bottom 4 does not fit a 40x30 frame")
        );
    }

    #[test]
    fn rotation_is_clockwise() {
        // The first row: 0 1 2; the second: 3 4 5.
        let pixel = |value: u8| [value; CHANNELS];
        let frame =
            Frame::new(3, 2, (0..6).flat_map(pixel).collect()).expect("the bytes fit the size");
        let check = |rotation, width, expected: [u8; 6]| {
            let rotated = rotate(frame.clone(), rotation);
            let values: Vec<u8> = rotated.rgb().iter().step_by(CHANNELS).copied().collect();
            assert_eq!((rotated.width(), values), (width, expected.to_vec()));
        };
        check(Rotation::R0, 3, [0, 1, 2, 3, 4, 5]);
        check(Rotation::R90, 2, [3, 0, 4, 1, 5, 2]);
        check(Rotation::R180, 3, [5, 4, 3, 2, 1, 0]);
        check(Rotation::R270, 2, [2, 5, 1, 4, 0, 3]);
    }

    #[test]
    fn crop_equals_resize_to_the_size_of_the_crop() {
        let frame = ramp(40, 30);
        let crop = Crop {
            left: 3,
            top: 5,
            right: 20,
            bottom: 30,
        };
        assert_eq!(
            super::crop(&frame, Some(crop)),
            resize(&frame, Some(crop), 17, 25)
        );
        assert_eq!(super::crop(&frame, None), Ok(frame.clone()));
        assert!(super::crop(&ramp(10, 10), Some(crop)).is_err());
    }

    #[test]
    fn resizing_to_a_zero_side_is_rejected() {
        assert_eq!(
            resize(&ramp(40, 30), None, 8, 0),
            Err(PreprocessError::Target {
                width: 8,
                height: 0
            })
        );
    }
}
