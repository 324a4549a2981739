//! A video capture of OpenCV, used by all of its sources: opening, grabbing and converting pixels.

use std::ffi::OsStr;
use std::sync::Once;

use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_core::moment::Moment;
use inspectd_core::preprocess::{Rotation, rotate};
use opencv::core::{
    CV_8U, LogLevel, Mat, MatTraitConst, Vec3b, Vector, get_version_major, get_version_minor,
    set_log_level,
};
use opencv::imgproc::{COLOR_BGR2RGB, COLOR_BGRA2RGB, COLOR_GRAY2RGB, cvt_color_def};
use opencv::videoio::{
    CAP_FFMPEG, CAP_PROP_ORIENTATION_AUTO, CAP_PROP_ORIENTATION_META, VideoCapture,
    VideoCaptureTrait, VideoCaptureTraitConst,
};

use super::error::SourceError;
use crate::clock::SharedClock;

/// A capture of OpenCV, with the image buffer that it reuses.
pub struct Video {
    capture: VideoCapture,
    image: Mat,
    rotation: Rotation,
    clock: SharedClock,
}

impl Video {
    /// Opens `name` with the backend `api` and pairs of property and value; returns none if that fails.
    pub fn open(
        name: impl AsRef<OsStr>,
        api: i32,
        properties: &[i32],
        clock: &SharedClock,
    ) -> Result<Option<Self>, SourceError> {
        silence_opencv();
        let properties = Vector::from_slice(properties);
        let mut capture = VideoCapture::from_file_with_params(name, api, &properties)?;
        if !capture.is_opened()? {
            return Ok(None);
        }
        // OpenCV 4.6 rotates in the wrong direction (opencv issue 22088).
        let rotates = api == CAP_FFMPEG && capture.set(CAP_PROP_ORIENTATION_AUTO, 0.0)?;
        let rotation = if rotates {
            clockwise(
                capture.get(CAP_PROP_ORIENTATION_META)?,
                [get_version_major(), get_version_minor()],
            )?
        } else {
            Rotation::R0
        };
        Ok(Some(Self {
            capture,
            rotation,
            image: Mat::default(),
            clock: clock.clone(),
        }))
    }

    /// Sets a property; returns false if the source does not accept it.
    pub fn set(&mut self, property: i32, value: f64) -> Result<bool, SourceError> {
        Ok(self.capture.set(property, value)?)
    }

    /// Returns a property; 0 if the source does not have it.
    pub fn get(&self, property: i32) -> Result<f64, SourceError> {
        Ok(self.capture.get(property)?)
    }

    /// Waits for the next frame; returns none if there are no more.
    pub fn read(&mut self) -> Result<Option<(Moment, Frame)>, SourceError> {
        let grabbed = self.capture.grab()?;
        let moment = self.clock.now();
        if !grabbed || !self.capture.retrieve_def(&mut self.image)? || self.image.empty() {
            return Ok(None);
        }
        Ok(Some((moment, rotate(frame(&self.image)?, self.rotation))))
    }
}

/// The clockwise rotation with which players show a video whose orientation OpenCV `version` reports as `reported` degrees.
fn clockwise(reported: f64, version: [i32; 2]) -> Result<Rotation, SourceError> {
    // Up to 4.6 the sign is that of the display matrix, which is counter-clockwise.
    let degrees = if version <= [4, 6] {
        -reported
    } else {
        reported
    };
    match degrees.rem_euclid(360.0) {
        0.0 => Ok(Rotation::R0),
        90.0 => Ok(Rotation::R90),
        180.0 => Ok(Rotation::R180),
        270.0 => Ok(Rotation::R270),
        _ => Err(SourceError::Orientation(reported)),
    }
}

/// Turns off OpenCV's own log on standard error, which would mix with the daemon's. The environment
/// variable `OPENCV_LOG_LEVEL` overrides that.
fn silence_opencv() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if std::env::var_os("OPENCV_LOG_LEVEL").is_none() {
            // Does not fail for a valid level; if it did, there would only be more log lines.
            let _ = set_log_level(LogLevel::LOG_LEVEL_SILENT);
        }
    });
}

/// Converts 8-bit pixels to RGB, with a single copy.
pub fn frame(image: &Mat) -> Result<Frame, SourceError> {
    let code = match (image.depth(), image.channels()) {
        (CV_8U, 1) => COLOR_GRAY2RGB,
        (CV_8U, 3) => COLOR_BGR2RGB,
        (CV_8U, 4) => COLOR_BGRA2RGB,
        (depth, channels) => return Err(SourceError::Pixels { channels, depth }),
    };
    let (rows, columns) = (image.rows(), image.cols());
    let mut rgb = vec![0; rows as usize * columns as usize * CHANNELS];
    let mut target = Mat::new_rows_cols_with_bytes_mut::<Vec3b>(rows, columns, &mut rgb)?;
    cvt_color_def(image, &mut target, code)?;
    drop(target);
    let frame = Frame::new(columns as u32, rows as u32, rgb);
    Ok(frame.expect("an image that is not empty has an area, and three bytes per pixel now"))
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC1, CV_8UC3, CV_8UC4, CV_16UC1, Scalar};

    use super::*;

    #[test]
    fn grey_bgr_and_bgra_pixels_are_converted_to_rgb() {
        let check = |kind, value: [f64; 4], expected: [u8; 3]| {
            let image = Mat::new_rows_cols_with_default(2, 3, kind, Scalar::from(value))
                .expect("memory suffices");
            let frame = frame(&image).expect("the pixels are of a known kind");
            assert_eq!((frame.width(), frame.height()), (3, 2));
            assert_eq!(frame.rgb(), expected.repeat(6));
        };
        check(CV_8UC1, [7.0, 0.0, 0.0, 0.0], [7, 7, 7]);
        check(CV_8UC3, [10.0, 20.0, 30.0, 0.0], [30, 20, 10]);
        check(CV_8UC4, [10.0, 20.0, 30.0, 255.0], [30, 20, 10]);
    }

    #[test]
    fn rotation_of_the_metadata_is_clockwise_in_every_version() {
        for (reported, version, expected) in [
            (0.0, [4, 6], Rotation::R0),
            (270.0, [4, 6], Rotation::R90),
            (180.0, [4, 6], Rotation::R180),
            (90.0, [4, 6], Rotation::R270),
            (-90.0, [4, 5], Rotation::R90),
            (90.0, [4, 7], Rotation::R90),
            (270.0, [5, 0], Rotation::R270),
        ] {
            let found = clockwise(reported, version).expect("a multiple of 90");
            assert_eq!(found, expected, "{reported} {version:?}");
        }
        let error = clockwise(45.0, [4, 6]).expect_err("not a multiple of 90");
        assert!(error.to_string().contains("must be 0, 90, 180 or 270"));
    }

    #[test]
    fn pixels_of_16_bits_are_refused() {
        let image = Mat::new_rows_cols_with_default(2, 2, CV_16UC1, Scalar::default())
            .expect("memory suffices");
        let error = frame(&image).expect_err("16 bits are not supported");
        let expected = "pixels of 1 channels, OpenCV depth 2; must be 8-bit grey, BGR or BGRA";
        assert_eq!(error.to_string(), expected);
    }
}
