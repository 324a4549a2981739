//! A V4L2 camera.

use std::fs::File;
use std::path::Path;

use opencv::videoio::{
    CAP_PROP_AUTO_EXPOSURE, CAP_PROP_BUFFERSIZE, CAP_PROP_CONVERT_RGB, CAP_PROP_EXPOSURE,
    CAP_PROP_FOURCC, CAP_PROP_FPS, CAP_PROP_FRAME_HEIGHT, CAP_PROP_FRAME_WIDTH, CAP_PROP_GAIN,
    CAP_V4L2,
};

use super::error::SourceError;
use super::lost_frames::LostFrames;
use super::source::{Shot, Source};
use super::video::{Timing, Video};
use crate::clock::SharedClock;
use crate::config::settings::Controls;

/// `V4L2_EXPOSURE_MANUAL`.
const EXPOSURE_MANUAL: f64 = 1.0;
/// V4L2's unit of exposure, microseconds.
const EXPOSURE_UNIT_US: f64 = 100.0;

/// Buffers of the driver: with one, it loses frames while that is read. Frames do not wait in them, as the capture
/// thread always reads.
const BUFFERS: f64 = 4.0;

/// Pixel formats whose frames are JPEG images.
const JPEG_FORMATS: [[u8; 4]; 2] = [*b"MJPG", *b"JPEG"];

/// Largest relative difference of a control from the requested value: a driver rounds to the steps of its sensor.
const READ_BACK_TOLERANCE: f64 = 0.02;

/// An open camera.
pub struct Device {
    video: Video,
    /// If its rate is known.
    lost: Option<LostFrames>,
}

/// A property that is set, with its name in messages.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Control {
    name: &'static str,
    property: i32,
    value: f64,
}

impl Device {
    /// Opens the camera and applies its settings.
    ///
    /// # Errors
    /// When it cannot be opened, or rejects a setting. It then has the exposure and gain of before.
    pub fn open(
        path: &Path,
        controls: &Controls,
        bit_depth: Option<u32>,
        timing: Timing,
        clock: &SharedClock,
    ) -> Result<Self, SourceError> {
        let failed = |source| SourceError::Path {
            path: path.to_owned(),
            source,
        };
        // OpenCV gives no reason for a failure; the system reports whether the device exists and may be
        // used.
        let device = File::options().read(true).write(true).open(path);
        drop(device.map_err(failed)?);
        let mut video =
            Video::open(path, CAP_V4L2, &[], clock)?.ok_or_else(|| SourceError::Open {
                name: path.display().to_string(),
                backend: "V4L2",
            })?;
        let before = replaced(controls).map(|property| (property, video.get(property)));
        let before: Vec<_> = before.collect();
        if let Err(error) = set(&mut video, path, controls) {
            // A camera keeps its values when it is closed: one that does not take new ones must keep its old ones.
            for (property, value) in before {
                if let Ok(value) = value {
                    let _ = video.set(property, value);
                }
            }
            return Err(error);
        }
        // Without the conversion, pixels of 16 bits are delivered as they are.
        if bit_depth.is_some() && !video.set(CAP_PROP_CONVERT_RGB, 0.0)? {
            let path = path.to_owned();
            return Err(SourceError::Control {
                path,
                control: "bit_depth",
                value: "raw pixels".to_owned(),
            });
        }
        let fourcc = video.get(CAP_PROP_FOURCC)? as u32;
        if JPEG_FORMATS.contains(&fourcc.to_le_bytes()) && video.set(CAP_PROP_CONVERT_RGB, 0.0)? {
            video = video.of_jpeg();
        }
        Ok(Self {
            video: video.timed(timing).with_bit_depth(bit_depth),
            lost: controls.fps.map(LostFrames::at_rate),
        })
    }
}

/// Sets the properties, and checks that the camera has them.
fn set(video: &mut Video, path: &Path, controls: &Controls) -> Result<(), SourceError> {
    for control in requested(controls) {
        if !video.set(control.property, control.value)? {
            return Err(rejected(path, control));
        }
    }
    // A driver may accept a value and use another one.
    for control in read_back(controls) {
        let actual = video.get(control.property)?;
        if (actual - control.value).abs() > READ_BACK_TOLERANCE * control.value.abs().max(1.0) {
            return Err(SourceError::ReadBack {
                path: path.to_owned(),
                control: control.name,
                requested: control.value,
                actual,
            });
        }
    }
    if let Some(requested) = controls.size {
        let side = |property| video.get(property).map(|pixels| pixels as u32);
        let actual = [side(CAP_PROP_FRAME_WIDTH)?, side(CAP_PROP_FRAME_HEIGHT)?];
        if actual != requested {
            let path = path.to_owned();
            return Err(SourceError::Size {
                path,
                requested,
                actual,
            });
        }
    }
    Ok(())
}

/// The properties to set, in an order that keeps them: a pixel format resets the size, and automatic
/// exposure resets the exposure.
fn requested(controls: &Controls) -> Vec<Control> {
    let control = |name, property, value| Control {
        name,
        property,
        value,
    };
    let mut requested = vec![control("buffers", CAP_PROP_BUFFERSIZE, BUFFERS)];
    if let Some(letters) = controls.pixel_format {
        let fourcc = f64::from(u32::from_le_bytes(letters));
        requested.push(control("pixel_format", CAP_PROP_FOURCC, fourcc));
    }
    if let Some([width, height]) = controls.size {
        requested.push(control("width", CAP_PROP_FRAME_WIDTH, width.into()));
        requested.push(control("height", CAP_PROP_FRAME_HEIGHT, height.into()));
    }
    if let Some(fps) = controls.fps {
        requested.push(control("fps", CAP_PROP_FPS, fps));
    }
    if let Some(exposure_us) = controls.exposure_us {
        let value = (f64::from(exposure_us) / EXPOSURE_UNIT_US).round().max(1.0);
        requested.push(control(
            "exposure_auto",
            CAP_PROP_AUTO_EXPOSURE,
            EXPOSURE_MANUAL,
        ));
        requested.push(control("exposure_absolute", CAP_PROP_EXPOSURE, value));
    }
    if let Some(gain) = controls.gain {
        requested.push(control("gain", CAP_PROP_GAIN, gain));
    }
    requested
}

/// The properties of exposure and gain that are replaced, in the order in which they are restored: the exposure is set before
/// it becomes automatic again.
fn replaced(controls: &Controls) -> impl Iterator<Item = i32> {
    let exposure = [CAP_PROP_EXPOSURE, CAP_PROP_AUTO_EXPOSURE];
    let exposure = controls.exposure_us.map(|_| exposure);
    let gain = controls.gain.map(|_| CAP_PROP_GAIN);
    exposure.into_iter().flatten().chain(gain)
}

/// The properties that must have the requested value after all were set.
fn read_back(controls: &Controls) -> impl Iterator<Item = Control> {
    let checked = |control: &Control| matches!(control.property, CAP_PROP_EXPOSURE | CAP_PROP_GAIN);
    requested(controls).into_iter().filter(checked)
}

fn rejected(path: &Path, control: Control) -> SourceError {
    SourceError::Control {
        path: path.to_owned(),
        control: control.name,
        value: if control.property == CAP_PROP_FOURCC {
            let letters = (control.value as u32).to_le_bytes();
            String::from_utf8_lossy(&letters).into_owned()
        } else {
            control.value.to_string()
        },
    }
}

impl Source for Device {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        let shot = self.video.read()?.ok_or(SourceError::StreamEnded)?;
        let lost = self.lost.as_mut();
        let lost = lost.map_or(0, |lost| lost.before(shot.moment.monotonic));
        Ok(Some(Shot { lost, ..shot }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::tests::ManualClock;

    #[test]
    fn controls_are_set_in_an_order_that_keeps_all_of_them() {
        let check = |controls: Controls, expected: &[(&str, f64)]| {
            let requested = requested(&controls);
            let requested: Vec<_> = requested.iter().map(|c| (c.name, c.value)).collect();
            assert_eq!(requested, expected);
        };
        check(Controls::default(), &[("buffers", BUFFERS)]);
        check(
            Controls {
                size: Some([1280, 1024]),
                fps: Some(30.0),
                exposure_us: Some(2500),
                gain: Some(4.0),
                pixel_format: Some(*b"MJPG"),
            },
            &[
                ("buffers", BUFFERS),
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
                ("buffers", BUFFERS),
                ("exposure_auto", 1.0),
                ("exposure_absolute", 1.0),
            ],
        );
    }

    #[test]
    fn exposure_is_restored_before_it_becomes_automatic_again() {
        let check = |exposure_us, gain, expected: &[i32]| {
            let controls = Controls {
                exposure_us,
                gain,
                ..Controls::default()
            };
            assert_eq!(replaced(&controls).collect::<Vec<_>>(), expected);
        };
        check(None, None, &[]);
        check(
            Some(100),
            None,
            &[CAP_PROP_EXPOSURE, CAP_PROP_AUTO_EXPOSURE],
        );
        check(None, Some(2.0), &[CAP_PROP_GAIN]);
        let all = [CAP_PROP_EXPOSURE, CAP_PROP_AUTO_EXPOSURE, CAP_PROP_GAIN];
        check(Some(100), Some(2.0), &all);
    }

    #[test]
    fn a_rejected_control_is_named_with_its_value() {
        let [_, format] = requested(&Controls {
            pixel_format: Some(*b"MJPG"),
            ..Controls::default()
        })[..] else {
            panic!("buffers and a format are requested");
        };
        assert_eq!(
            rejected(Path::new("/dev/video7"), format).to_string(),
            "/dev/video7: does not accept pixel_format = MJPG"
        );
    }

    #[test]
    fn a_path_that_is_not_a_camera_is_named_with_the_reason() {
        let check = |path: &str, expected: &str| {
            let clock: SharedClock = ManualClock::new();
            let timing = Timing::Latency(Duration::ZERO);
            let opened = Device::open(Path::new(path), &Controls::default(), None, timing, &clock);
            let error = opened.err().expect("it is not a camera").to_string();
            assert!(
                error.starts_with(path) && error.contains(expected),
                "{error}"
            );
        };
        check("/dev/video-nowhere", "No such file");
        check("/dev/null", "cannot be opened (OpenCV's V4L2 backend)");
    }
}
