//! Sources of frames: one file for each kind of source, behind one small trait.

mod capture_message;
mod capture_process;
mod capture_worker;
mod device;
mod error;
mod file;
mod folder;
mod gstreamer;
mod library_log;
mod lost_frames;
mod simulator;
mod source;
#[cfg(test)]
mod tests;
mod transit_time;
mod url;
mod video;
mod video_settings;

pub use capture_process::COMMAND as CAPTURE_COMMAND;
pub use capture_worker::run as run_capture_process;
pub use error::SourceError;
#[cfg(test)]
pub use source::Source;
pub use source::{OpenedSource, Shot};

use folder::Folder;
use simulator::Simulator;
use video_settings::{OpenedVideo, VideoSettings};

use crate::clock::SharedClock;
use crate::config::settings::{self, Mode, Pace};

/// Native rate of a folder or simulator, frames per second.
const NATIVE_FPS: f64 = 10.0;

/// Opens a camera's source: in a process of its own if OpenCV reads it.
///
/// # Errors
/// When it cannot be opened, or rejects a setting.
pub fn open(camera: &settings::Camera, clock: &SharedClock) -> Result<OpenedSource, SourceError> {
    open_with(camera, clock, capture_process::open)
}

/// Opens a camera's source in this process.
#[cfg(test)]
pub fn open_in_process(
    camera: &settings::Camera,
    clock: &SharedClock,
) -> Result<OpenedSource, SourceError> {
    open_with(camera, clock, VideoSettings::open)
}

fn open_with(
    camera: &settings::Camera,
    clock: &SharedClock,
    open_video: impl Fn(&VideoSettings, &SharedClock) -> Result<OpenedVideo, SourceError>,
) -> Result<OpenedSource, SourceError> {
    use settings::Source;

    match &camera.source {
        Source::Folder { path, repeat, pace } => {
            let folder = Folder::open(path, *repeat, clock)?;
            Ok(OpenedSource::paced(Box::new(folder), *pace, NATIVE_FPS))
        }
        Source::Simulator {
            seed,
            defect_rate,
            width,
            height,
            pace,
            parts,
            prerender,
        } => {
            let size = [*width, *height];
            let mut simulator = Simulator::new(*seed, *defect_rate, size, *parts, clock);
            if let Some(count) = prerender {
                simulator = simulator.prerendered(*count);
            }
            Ok(OpenedSource::paced(Box::new(simulator), *pace, NATIVE_FPS))
        }
        video => {
            let settings = VideoSettings::of(camera).expect("OpenCV reads all other sources");
            let OpenedVideo { source, native_fps } = open_video(&settings, clock)?;
            Ok(match (video, native_fps) {
                (Source::File { pace, .. }, Some(fps)) => OpenedSource::paced(source, *pace, fps),
                _ => OpenedSource::unpaced(source),
            })
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
