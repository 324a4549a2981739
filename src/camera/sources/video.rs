//! What all sources of OpenCV share: opening, grabbing, and pixels that become a frame.

use std::ffi::OsStr;
use std::sync::Once;

use opencv::core::{CV_8U, LogLevel, Mat, MatTraitConst, Vec3b, Vector, set_log_level};
use opencv::imgproc::{COLOR_BGR2RGB, COLOR_BGRA2RGB, COLOR_GRAY2RGB, cvt_color_def};
use opencv::videoio::{VideoCapture, VideoCaptureTrait, VideoCaptureTraitConst};

use super::SourceError;
use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_core::moment::Moment;

/// A capture of OpenCV, and the picture that it fills again and again.
pub struct Video {
    capture: VideoCapture,
    picture: Mat,
}

impl Video {
    /// Opens `name` by the backend `api` with pairs of property and value; none if it cannot.
    pub fn open(
        name: impl AsRef<OsStr>,
        api: i32,
        properties: &[i32],
    ) -> Result<Option<Self>, SourceError> {
        quieten();
        let properties = Vector::from_slice(properties);
        let capture = VideoCapture::from_file_with_params(name, api, &properties)?;
        if !capture.is_opened()? {
            return Ok(None);
        }
        let picture = Mat::default();
        Ok(Some(Self { capture, picture }))
    }

    /// Sets a property; false if the source does not take it.
    pub fn set(&mut self, property: i32, value: f64) -> Result<bool, SourceError> {
        Ok(self.capture.set(property, value)?)
    }

    /// A property; 0 if the source does not have it.
    pub fn get(&self, property: i32) -> Result<f64, SourceError> {
        Ok(self.capture.get(property)?)
    }

    /// Waits for the next frame; none if no more come.
    pub fn read(&mut self) -> Result<Option<(Moment, Frame)>, SourceError> {
        let grabbed = self.capture.grab()?;
        let moment = Moment::now();
        if !grabbed || !self.capture.retrieve_def(&mut self.picture)? || self.picture.empty() {
            return Ok(None);
        }
        Ok(Some((moment, frame(&self.picture)?)))
    }
}

/// OpenCV writes lines of its own to standard error, which would stand between the daemon's. Whoever
/// looks for them sets `OPENCV_LOG_LEVEL`.
fn quieten() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if std::env::var_os("OPENCV_LOG_LEVEL").is_none() {
            // It fails for no level that there is; and if so, there are only lines too many.
            let _ = set_log_level(LogLevel::LOG_LEVEL_SILENT);
        }
    });
}

/// Reorders 8-bit pixels to RGB in the only copy that is made of them.
pub fn frame(picture: &Mat) -> Result<Frame, SourceError> {
    let code = match (picture.depth(), picture.channels()) {
        (CV_8U, 1) => COLOR_GRAY2RGB,
        (CV_8U, 3) => COLOR_BGR2RGB,
        (CV_8U, 4) => COLOR_BGRA2RGB,
        (depth, channels) => return Err(SourceError::Pixels { channels, depth }),
    };
    let (rows, columns) = (picture.rows(), picture.cols());
    let mut rgb = vec![0; rows as usize * columns as usize * CHANNELS];
    let mut target = Mat::new_rows_cols_with_bytes_mut::<Vec3b>(rows, columns, &mut rgb)?;
    cvt_color_def(picture, &mut target, code)?;
    drop(target);
    let frame = Frame::new(columns as u32, rows as u32, rgb);
    Ok(frame.expect("a picture that is not empty has an area, and three bytes a pixel now"))
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC1, CV_8UC3, CV_8UC4, CV_16UC1, Scalar};

    use super::*;

    #[test]
    fn eight_bit_pixels_become_rgb() {
        let check = |kind, value: [f64; 4], expected: [u8; 3]| {
            let picture = Mat::new_rows_cols_with_default(2, 3, kind, Scalar::from(value))
                .expect("memory suffices");
            let frame = frame(&picture).expect("the pixels are of a known kind");
            assert_eq!((frame.width(), frame.height()), (3, 2));
            assert_eq!(frame.rgb(), expected.repeat(6));
        };
        check(CV_8UC1, [7.0, 0.0, 0.0, 0.0], [7, 7, 7]);
        check(CV_8UC3, [10.0, 20.0, 30.0, 0.0], [30, 20, 10]);
        check(CV_8UC4, [10.0, 20.0, 30.0, 255.0], [30, 20, 10]);
    }

    #[test]
    fn other_pixels_are_refused() {
        let picture = Mat::new_rows_cols_with_default(2, 2, CV_16UC1, Scalar::default())
            .expect("memory suffices");
        let error = frame(&picture).expect_err("16 bits are too many");
        let expected = "pixels of 1 channels, OpenCV depth 2; must be 8-bit grey, BGR or BGRA";
        assert_eq!(error.to_string(), expected);
    }
}
