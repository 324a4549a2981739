//! A V4L2 camera.

use std::fs::File;
use std::path::Path;

use opencv::videoio::{
    CAP_PROP_AUTO_EXPOSURE, CAP_PROP_BUFFERSIZE, CAP_PROP_EXPOSURE, CAP_PROP_FOURCC, CAP_PROP_FPS,
    CAP_PROP_FRAME_HEIGHT, CAP_PROP_FRAME_WIDTH, CAP_PROP_GAIN, CAP_V4L2,
};

use super::video::Video;
use super::{Shot, Source, SourceError};
use crate::config::settings::Controls;

/// `V4L2_EXPOSURE_MANUAL`.
const EXPOSURE_MANUAL: f64 = 1.0;
/// V4L2 counts exposures in units of so many microseconds.
const EXPOSURE_UNIT_US: f64 = 100.0;

/// An open camera.
pub struct Device(Video);

/// A property that is set, and what messages call it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Control {
    name: &'static str,
    property: i32,
    value: f64,
}

impl Device {
    /// Opens the camera and sets what is asked.
    ///
    /// # Errors
    /// When it cannot be opened, or does not take a setting.
    pub fn open(path: &Path, controls: &Controls) -> Result<Self, SourceError> {
        let failed = |source| SourceError::Path {
            path: path.to_owned(),
            source,
        };
        // OpenCV does not say why it fails; the system says whether the device is there and ours to use.
        let device = File::options().read(true).write(true).open(path);
        drop(device.map_err(failed)?);
        let mut video = Video::open(path, CAP_V4L2, &[])?.ok_or_else(|| SourceError::Open {
            what: path.display().to_string(),
            backend: "V4L2",
        })?;
        for control in asked(controls) {
            if !video.set(control.property, control.value)? {
                return Err(refused(path, control));
            }
        }
        if let Some(asked) = controls.size {
            let side = |property| video.get(property).map(|pixels| pixels as u32);
            let got = [side(CAP_PROP_FRAME_WIDTH)?, side(CAP_PROP_FRAME_HEIGHT)?];
            if got != asked {
                let path = path.to_owned();
                return Err(SourceError::Size { path, asked, got });
            }
        }
        Ok(Self(video))
    }
}

/// What is set, in an order that keeps it set: a format resets sizes, and automatic exposure the
/// exposure.
fn asked(controls: &Controls) -> Vec<Control> {
    let control = |name, property, value| Control {
        name,
        property,
        value,
    };
    // One buffer: a frame that was taken long ago is of no use.
    let mut asked = vec![control("buffers", CAP_PROP_BUFFERSIZE, 1.0)];
    if let Some(letters) = controls.pixel_format {
        let fourcc = f64::from(u32::from_le_bytes(letters));
        asked.push(control("pixel_format", CAP_PROP_FOURCC, fourcc));
    }
    if let Some([width, height]) = controls.size {
        asked.push(control("width", CAP_PROP_FRAME_WIDTH, width.into()));
        asked.push(control("height", CAP_PROP_FRAME_HEIGHT, height.into()));
    }
    if let Some(fps) = controls.fps {
        asked.push(control("fps", CAP_PROP_FPS, fps));
    }
    if let Some(exposure_us) = controls.exposure_us {
        let value = (f64::from(exposure_us) / EXPOSURE_UNIT_US).round().max(1.0);
        asked.push(control(
            "exposure_auto",
            CAP_PROP_AUTO_EXPOSURE,
            EXPOSURE_MANUAL,
        ));
        asked.push(control("exposure_absolute", CAP_PROP_EXPOSURE, value));
    }
    if let Some(gain) = controls.gain {
        asked.push(control("gain", CAP_PROP_GAIN, gain));
    }
    asked
}

fn refused(path: &Path, control: Control) -> SourceError {
    SourceError::Control {
        path: path.to_owned(),
        control: control.name,
        asked: if control.property == CAP_PROP_FOURCC {
            let letters = (control.value as u32).to_le_bytes();
            String::from_utf8_lossy(&letters).into_owned()
        } else {
            control.value.to_string()
        },
    }
}

impl Source for Device {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        let (moment, frame) = self.0.read()?.ok_or(SourceError::StreamEnded)?;
        Ok(Some(Shot::unnamed(moment, frame)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_set_in_an_order_that_keeps_them() {
        let check = |controls: Controls, expected: &[(&str, f64)]| {
            let asked = asked(&controls);
            let asked: Vec<_> = asked.iter().map(|c| (c.name, c.value)).collect();
            assert_eq!(asked, expected);
        };
        check(Controls::default(), &[("buffers", 1.0)]);
        check(
            Controls {
                size: Some([1280, 1024]),
                fps: Some(30.0),
                exposure_us: Some(2500),
                gain: Some(4.0),
                pixel_format: Some(*b"MJPG"),
            },
            &[
                ("buffers", 1.0),
                ("pixel_format", f64::from(0x4750_4A4D_u32)),
                ("width", 1280.0),
                ("height", 1024.0),
                ("fps", 30.0),
                ("exposure_auto", 1.0),
                ("exposure_absolute", 25.0),
                ("gain", 4.0),
            ],
        );
        let exposure_us = Some(10);
        check(
            Controls {
                exposure_us,
                ..Controls::default()
            },
            &[
                ("buffers", 1.0),
                ("exposure_auto", 1.0),
                ("exposure_absolute", 1.0),
            ],
        );
    }

    #[test]
    fn a_refused_control_is_named() {
        let [_, format] = asked(&Controls {
            pixel_format: Some(*b"MJPG"),
            ..Controls::default()
        })[..] else {
            panic!("buffers and a format are asked");
        };
        assert_eq!(
            refused(Path::new("/dev/video7"), format).to_string(),
            "/dev/video7: does not take pixel_format = MJPG"
        );
    }

    #[test]
    fn what_is_no_camera_is_named() {
        let check = |path: &str, expected: &str| {
            let opened = Device::open(Path::new(path), &Controls::default());
            let error = opened.err().expect("it is no camera").to_string();
            assert!(
                error.starts_with(path) && error.contains(expected),
                "{error}"
            );
        };
        check("/dev/video-nowhere", "No such file");
        check("/dev/null", "cannot be opened (OpenCV's V4L2 backend)");
    }
}
