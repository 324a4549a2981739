//! What the configuration will contain: the answers of a person or of a script.

use std::path::PathBuf;

use inspectd_core::id::CameraId;

use super::exposure::ExposureMeasurement;
use crate::config::settings::{Crop, HealthLimits};

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Folder of the model bundle.
    pub bundle: PathBuf,
    /// Threshold of the bundle, the example of an own one.
    pub threshold: f32,
    /// Folder of the journal; none: no journal.
    pub journal: Option<PathBuf>,
    /// The cameras, in the order in which they are written.
    pub cameras: Vec<CameraPlan>,
}

/// One camera.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraPlan {
    /// Its id.
    pub id: CameraId,
    /// What it is, for the comment before its table.
    pub about: String,
    /// The source of its frames.
    pub source: PlannedSource,
    /// Which frames count.
    pub mode: PlannedMode,
    /// The exposure; none: the camera's own.
    pub exposure: Option<ExposurePlan>,
    /// Time from the exposure of a frame to its delivery, milliseconds.
    pub latency_ms: Option<f64>,
    /// The part that is inspected; none: the whole frame.
    pub crop: Option<Crop>,
    /// Width and height of all pictures, pixels; none if they differ.
    pub size: Option<[u32; 2]>,
    /// Whether the inspected part is smaller than the input of the model.
    pub upscaled: bool,
    /// Limits of camera health that the pictures suggest.
    pub limits: Option<HealthLimits>,
}

/// The source of frames, with the keys that differ from their defaults.
#[derive(Clone, Debug, PartialEq)]
pub enum PlannedSource {
    /// A V4L2 device.
    Device {
        /// The device.
        path: PathBuf,
        /// Pixel format and size; none: the camera's own.
        format: Option<(String, [u32; 2])>,
    },
    /// A network camera.
    Url {
        /// The address, which may contain a password.
        url: String,
    },
    /// The images of a folder.
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// A video file.
    File {
        /// The file.
        path: PathBuf,
    },
    /// Rendered parts.
    Simulator,
}

impl PlannedSource {
    /// Whether parts pass it in real time.
    pub fn live(&self) -> bool {
        matches!(self, Self::Device { .. } | Self::Url { .. })
    }
}

/// Which frames count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlannedMode {
    /// The latest one.
    FreeRunning,
    /// Each one.
    Triggered,
    /// The one after each request.
    Requested,
}

impl PlannedMode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::FreeRunning, Self::Triggered, Self::Requested];

    /// The word of the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::FreeRunning => "free-running",
            Self::Triggered => "triggered",
            Self::Requested => "requested",
        }
    }
}

/// A fixed exposure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExposurePlan {
    /// The exposure, microseconds.
    pub exposure_us: u32,
    /// The light at this exposure, if it was measured.
    pub measured: Option<ExposureMeasurement>,
}
