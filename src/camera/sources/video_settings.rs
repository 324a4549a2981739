//! What a video source needs of a camera's settings. It is sent to the capture process.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::device::Device;
use super::error::SourceError;
use super::file::VideoFile;
use super::source::{Source, Timeouts};
use super::video::Timing;
use super::{gstreamer, url};
use crate::clock::SharedClock;
use crate::config::settings::{self, Controls, Mode};

/// The settings of a source that OpenCV reads.
#[derive(Debug, Deserialize, Serialize)]
pub struct VideoSettings {
    source: VideoSource,
    latency: Option<Duration>,
    bit_depth: Option<u32>,
    /// Whether a frame without a time of capture is an error.
    timestamps_required: bool,
    /// Limits of opening and reading.
    pub timeouts: Timeouts,
}

/// The sources that OpenCV reads. The URL and the pipeline may contain passwords.
#[derive(Debug, Deserialize, Serialize)]
enum VideoSource {
    Device { path: PathBuf, controls: Controls },
    Url { url: String, rtsp_tcp: bool },
    GStreamer { pipeline: String },
    File { path: PathBuf, repeat: bool },
}

/// An open video source.
pub struct OpenedVideo {
    /// The source.
    pub source: Box<dyn Source>,
    /// Frames per second of a file; unset if the source determines its own rate.
    pub native_fps: Option<f64>,
}

impl VideoSettings {
    /// The settings of a camera; none if OpenCV does not read its source.
    pub fn of(camera: &settings::Camera) -> Option<Self> {
        use settings::Source;

        let source = match camera.source.clone() {
            Source::Device { path, controls } => VideoSource::Device { path, controls },
            Source::Url { url, rtsp_tcp } => VideoSource::Url { url, rtsp_tcp },
            Source::GStreamer { pipeline } => VideoSource::GStreamer { pipeline },
            Source::File { path, repeat, .. } => VideoSource::File { path, repeat },
            Source::Folder { .. } | Source::Simulator { .. } => return None,
        };
        Some(Self {
            source,
            latency: camera.latency,
            bit_depth: camera.bit_depth,
            timestamps_required: matches!(camera.mode, Mode::Requested { .. }),
            timeouts: Timeouts {
                open: camera.open_timeout,
                read: camera.read_timeout,
            },
        })
    }

    /// The environment variable that the process which opens the source needs, with its value.
    pub fn environment(&self) -> Option<(&'static str, &'static str)> {
        let VideoSource::Url { url, rtsp_tcp } = &self.source else {
            return None;
        };
        let udp = !rtsp_tcp && url.starts_with("rtsp:");
        udp.then_some((url::OPTIONS_VARIABLE, url::RTSP_OVER_UDP))
    }

    /// Opens the source in this process.
    ///
    /// # Errors
    /// When it cannot be opened, or rejects a setting.
    pub fn open(&self, clock: &SharedClock) -> Result<OpenedVideo, SourceError> {
        let latency = self.latency.unwrap_or_default();
        let (source, native_fps): (Box<dyn Source>, _) = match &self.source {
            VideoSource::Device { path, controls } => {
                let required = self.timestamps_required;
                let driver = Timing::Driver { required };
                let timing = self.latency.map_or(driver, Timing::Latency);
                let device = Device::open(path, controls, self.bit_depth, timing, clock)?;
                (Box::new(device), None)
            }
            VideoSource::Url { url, .. } => (url::open(url, self.timeouts, latency, clock)?, None),
            VideoSource::GStreamer { pipeline } => {
                let pipeline = gstreamer::open(pipeline, latency, self.bit_depth, clock)?;
                (Box::new(pipeline), None)
            }
            VideoSource::File { path, repeat } => {
                let file = VideoFile::open(path, *repeat, clock)?;
                let native_fps = file.fps();
                (Box::new(file), Some(native_fps))
            }
        };
        Ok(OpenedVideo { source, native_fps })
    }
}
