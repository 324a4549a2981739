//! Sources of frames: one file for each kind of source, behind one small trait.

mod device;
mod error;
mod file;
mod folder;
mod gstreamer;
mod open_lock;
mod simulator;
mod source;
#[cfg(test)]
mod tests;
mod url;
mod video;

pub use error::SourceError;
#[cfg(test)]
pub use source::Source;
pub use source::{OpenedSource, Shot};

use device::Device;
use file::VideoFile;
use folder::Folder;
use simulator::Simulator;
use video::Timing;

use crate::clock::SharedClock;
use crate::config::settings::{self, Mode, Pace};

/// Native rate of a folder or simulator, frames per second.
const NATIVE_FPS: f64 = 10.0;

/// Opens a camera's source. `queued` is called with true when waiting for other cameras' openings begins
/// and with false when it ends: that time does not count against the source.
///
/// # Errors
/// When it cannot be opened, or rejects a setting.
pub fn open(
    camera: &settings::Camera,
    clock: &SharedClock,
    queued: &dyn Fn(bool),
) -> Result<OpenedSource, SourceError> {
    use settings::Source;

    let timeouts = url::Timeouts {
        open: camera.open_timeout,
        read: camera.read_timeout,
    };
    match &camera.source {
        Source::Device { path, controls } => {
            let required = matches!(camera.mode, Mode::Requested { .. });
            let timing = camera
                .latency
                .map_or(Timing::Driver { required }, Timing::Latency);
            Device::open(path, controls, camera.bit_depth, timing, clock).map(OpenedSource::unpaced)
        }
        Source::Url { url, rtsp_tcp } => {
            let latency = camera.latency.unwrap_or_default();
            url::open(url, *rtsp_tcp, timeouts, latency, clock, queued)
        }
        Source::GStreamer { pipeline } => {
            let latency = camera.latency.unwrap_or_default();
            let pipeline = gstreamer::open(pipeline, latency, camera.bit_depth, clock);
            pipeline.map(OpenedSource::unpaced)
        }
        Source::File { path, repeat, pace } => {
            let file = VideoFile::open(path, *repeat, camera.open_timeout, clock, queued)?;
            let native_fps = file.fps();
            Ok(OpenedSource::paced(file, *pace, native_fps))
        }
        Source::Folder { path, repeat, pace } => {
            let folder = Folder::open(path, *repeat, clock)?;
            Ok(OpenedSource::paced(folder, *pace, NATIVE_FPS))
        }
        Source::Simulator {
            seed,
            defect_rate,
            width,
            height,
            pace,
            parts,
        } => {
            let size = [*width, *height];
            let simulator = Simulator::new(*seed, *defect_rate, size, *parts, clock);
            Ok(OpenedSource::paced(simulator, *pace, NATIVE_FPS))
        }
    }
}

/// Whether each frame waits until the pipeline has room for it. No frame is lost then, and no real part
/// moves on meanwhile.
pub fn waits_for_room(camera: &settings::Camera) -> bool {
    use settings::Source;

    let (Source::File { pace, .. } | Source::Folder { pace, .. } | Source::Simulator { pace, .. }) =
        camera.source
    else {
        return false;
    };
    match camera.mode {
        Mode::Triggered { .. } => pace == Pace::Fast,
        // Waiting loses nothing: the next image is the requested one.
        Mode::Requested { .. } => true,
        Mode::FreeRunning => false,
    }
}
