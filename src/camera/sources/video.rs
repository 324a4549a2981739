//! A video capture of OpenCV, used by all of its sources: opening, grabbing and converting pixels.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_core::image_file;
use inspectd_core::moment::Moment;
use inspectd_core::preprocess::{Rotation, rotate};
use opencv::core::{
    CV_8U, CV_16U, LogLevel, Mat, MatTraitConst, MatTraitConstManual, Vec3b, Vector,
    get_version_major, get_version_minor, set_log_level,
};
use opencv::imgproc::{COLOR_BGR2RGB, COLOR_BGRA2RGB, COLOR_GRAY2RGB, cvt_color_def};
use opencv::videoio::{
    CAP_FFMPEG, CAP_PROP_ORIENTATION_AUTO, CAP_PROP_ORIENTATION_META, CAP_PROP_POS_MSEC,
    VideoCapture, VideoCaptureTrait, VideoCaptureTraitConst,
};

use super::error::SourceError;
use super::source::Shot;
use super::transit_time::TransitTime;
use crate::camera::event::CaptureError;
use crate::clock::{SharedClock, monotonic_ms};

/// A frame is not delivered later than this; an older timestamp is of another clock.
const OLDEST_FRAME_MS: f64 = 10_000.0;

/// A capture of OpenCV, with the image buffer that it reuses.
pub struct Video {
    capture: VideoCapture,
    image: Mat,
    rotation: Rotation,
    /// Significant bits of pixels of 16 bits.
    bit_depth: u32,
    /// Whether it delivers JPEG images as they were sent. FFMPEG and OpenCV fill up one that is cut short; our decoder
    /// refuses it.
    jpeg: bool,
    timing: Timing,
    transit: TransitTime,
    clock: SharedClock,
}

/// When a frame counts as captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// This long before it was delivered.
    Latency(Duration),
    /// This long before it was delivered, and longer if the timestamps of the stream show that it waited in a buffer.
    Stream(Duration),
    /// At the timestamp of the driver. If there is none, when it was delivered, unless it is `required`.
    Driver {
        /// Whether a frame without a timestamp is an error.
        required: bool,
    },
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
            bit_depth: 16,
            jpeg: false,
            timing: Timing::Latency(Duration::ZERO),
            transit: TransitTime::default(),
            image: Mat::default(),
            clock: clock.clone(),
        }))
    }

    /// The same capture, whose frames count as captured as `timing` says.
    pub fn timed(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// The same capture, whose pixels of 16 bits have this number of significant bits.
    pub fn with_bit_depth(self, bit_depth: Option<u32>) -> Self {
        Self {
            bit_depth: bit_depth.unwrap_or(16),
            ..self
        }
    }

    /// The same capture, which now delivers JPEG images as they were sent.
    pub fn of_jpeg(self) -> Self {
        Self { jpeg: true, ..self }
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
    pub fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        let Some(moment) = self.retrieve()? else {
            return Ok(None);
        };
        let frame = if self.jpeg {
            let name = Path::new("the camera's JPEG image");
            image_file::decode_bytes(name, self.image.data_bytes()?).map_err(CaptureError::from)
        } else {
            Ok(frame(&self.image, self.bit_depth)?)
        };
        let frame = frame.map(|frame| rotate(frame, self.rotation));
        Ok(Some(Shot::unnamed(moment, frame)))
    }

    /// Waits for the next image; returns when it was captured.
    fn retrieve(&mut self) -> Result<Option<Moment>, SourceError> {
        let grabbed = self.capture.grab()?;
        let moment = self.clock.now();
        if !grabbed {
            return Ok(None);
        }
        let age = match self.timing {
            Timing::Latency(latency) => latency,
            Timing::Stream(latency) => {
                let stamp = self.capture.get(CAP_PROP_POS_MSEC)?;
                let delay_ms = self.transit.delay_ms(stamp, monotonic_ms());
                latency + Duration::from_secs_f64(delay_ms / 1e3)
            }
            Timing::Driver { required } => {
                let stamp = self.capture.get(CAP_PROP_POS_MSEC)?;
                match age_of(stamp, monotonic_ms()) {
                    Some(age) => age,
                    None if required => return Err(SourceError::NoTimestamp),
                    None => Duration::ZERO,
                }
            }
        };
        if !self.capture.retrieve_def(&mut self.image)? || self.image.empty() {
            return Ok(None);
        }
        Ok(Some(moment.before(age)))
    }
}

/// The age of a frame whose driver has the timestamp `stamp_ms`, by the monotonic clock as V4L2 uses it; none if that
/// cannot be its time of capture.
fn age_of(stamp_ms: f64, now_ms: f64) -> Option<Duration> {
    let age = now_ms - stamp_ms;
    let plausible = stamp_ms > 0.0 && (0.0..=OLDEST_FRAME_MS).contains(&age);
    plausible.then(|| Duration::from_secs_f64(age / 1e3))
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

/// Converts pixels to RGB, those of 8 bits with a single copy. Grey pixels of 16 bits are scaled so that the largest
/// value of `bit_depth` bits becomes 255.
pub fn frame(image: &Mat, bit_depth: u32) -> Result<Frame, SourceError> {
    if (image.depth(), image.channels()) == (CV_16U, 1) {
        return scaled(image, bit_depth);
    }
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

fn scaled(image: &Mat, bit_depth: u32) -> Result<Frame, SourceError> {
    let largest = (1_u32 << bit_depth) - 1;
    let (rows, columns) = (image.rows(), image.cols());
    let mut rgb = Vec::with_capacity(rows as usize * columns as usize * CHANNELS);
    for row in 0..rows {
        for &value in image.at_row::<u16>(row)? {
            let value = u32::from(value);
            if value > largest {
                return Err(SourceError::BitDepth { value, bit_depth });
            }
            let grey = ((value * 255 + largest / 2) / largest) as u8;
            rgb.extend([grey; CHANNELS]);
        }
    }
    let frame = Frame::new(columns as u32, rows as u32, rgb);
    Ok(frame.expect("an image that is not empty has an area, and three bytes per pixel now"))
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC1, CV_8UC3, CV_8UC4, CV_16UC1, CV_32FC1, Scalar};

    use super::*;

    #[test]
    fn grey_bgr_and_bgra_pixels_are_converted_to_rgb() {
        let check = |kind, value: [f64; 4], expected: [u8; 3]| {
            let image = Mat::new_rows_cols_with_default(2, 3, kind, Scalar::from(value))
                .expect("memory suffices");
            let frame = frame(&image, 16).expect("the pixels are of a known kind");
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
    fn grey_pixels_of_16_bits_are_scaled_by_their_significant_bits() {
        let grey = |value: f64, bit_depth| {
            let image = Mat::new_rows_cols_with_default(2, 2, CV_16UC1, Scalar::from(value))
                .expect("memory suffices");
            frame(&image, bit_depth).map(|frame| frame.rgb().to_vec())
        };
        for (value, bit_depth, expected) in [
            (0.0, 16, 0),
            (65535.0, 16, 255),
            (32768.0, 16, 128),
            (4095.0, 12, 255),
            (2048.0, 12, 128),
            (1023.0, 10, 255),
            (128.0, 16, 0),
            (129.0, 16, 1),
        ] {
            let found = grey(value, bit_depth).expect("within its bits");
            assert_eq!(found, [expected; 12], "{value} of {bit_depth} bits");
        }
        let error = grey(4096.0, 12).expect_err("13 bits").to_string();
        assert!(
            error.contains("4096") && error.contains("bit_depth"),
            "{error}"
        );
    }

    #[test]
    fn pixels_of_another_kind_are_refused() {
        let image = Mat::new_rows_cols_with_default(2, 2, CV_32FC1, Scalar::default())
            .expect("memory suffices");
        let error = frame(&image, 16).expect_err("floats are not supported");
        let expected =
            "pixels of 1 channels, OpenCV depth 5; must be grey of 8 or 16 bits, BGR or BGRA";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn timestamp_of_a_driver_counts_if_it_is_plausible() {
        let age = |stamp_ms| age_of(stamp_ms, 50_000.0).map(|age| age.as_millis());
        assert_eq!(age(49_960.0), Some(40));
        assert_eq!(age(50_000.0), Some(0));
        assert_eq!(age(50_001.0), None);
        assert_eq!(age(0.0), None);
        assert_eq!(age(-1.0), None);
        assert_eq!(age(1_000.0), None);
    }
}
