//! Where frames come from: one file for each kind of source, behind one small trait.

mod device;
mod file;
mod folder;
mod gstreamer;
mod open_lock;
mod simulator;
#[cfg(test)]
mod tests;
mod url;
mod video;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use self::device::Device;
use self::file::VideoFile;
use self::folder::Folder;
use self::simulator::Simulator;
use super::CaptureError;
use super::schedule::Schedule;
use crate::config::settings::{self, Mode, Pace};
use inspectd_core::frame::Frame;
use inspectd_core::moment::Moment;

/// How fast a folder or simulator goes that is not told.
const NATIVE_FPS: f64 = 10.0;

/// An open source.
pub trait Source {
    /// Waits for the next frame; none after the last one.
    ///
    /// # Errors
    /// When the source gives no more frames, though it has not come to an end of its own.
    fn read(&mut self) -> Result<Option<Shot>, SourceError>;
}

/// What a source gives at a time.
#[derive(Debug)]
pub struct Shot {
    /// When it was taken, or read.
    pub moment: Moment,
    /// The pixels, or the reason why they are not usable.
    pub frame: Result<Frame, CaptureError>,
    /// What the source calls it; empty if it has no name.
    pub item: String,
    /// What is wrong with a rendered part, `good` if nothing; empty if nobody knows.
    pub truth: String,
}

impl Shot {
    /// A frame without a name.
    fn unnamed(moment: Moment, frame: Frame) -> Self {
        Self {
            moment,
            frame: Ok(frame),
            item: String::new(),
            truth: String::new(),
        }
    }
}

/// An open source, and how fast it goes.
pub struct Opened {
    /// The source.
    pub source: Box<dyn Source>,
    /// When its frames are due; unset if it is read as fast as it goes.
    pub schedule: Option<Schedule>,
}

impl Opened {
    /// A source at its own speed.
    fn unpaced(source: impl Source + 'static) -> Self {
        Self {
            source: Box::new(source),
            schedule: None,
        }
    }

    /// A source whose own rate is `native` frames a second.
    fn paced(source: impl Source + 'static, pace: Pace, native: f64) -> Self {
        let fps = match pace {
            Pace::Native => Some(native),
            Pace::Fast => None,
            Pace::Fps(fps) => Some(fps),
        };
        Self {
            source: Box::new(source),
            schedule: fps.map(Schedule::new),
        }
    }
}

/// Why a source gives no frame. The messages hold no secrets.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The file system says no.
    #[error("{}: {source}", path.display())]
    Path {
        /// The file, folder or device.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// A folder without images.
    #[error("{}: holds no image; must hold at least one file ending in {}, in it or in its folders", path.display(), folder::EXTENSIONS.join(", "))]
    NoImage {
        /// The folder.
        path: PathBuf,
    },
    /// A video without frames.
    #[error("{}: holds no frame that can be decoded", path.display())]
    NoFrame {
        /// The file.
        path: PathBuf,
    },
    /// OpenCV opens it not, and does not say why.
    #[error("{what}: cannot be opened (OpenCV's {backend} backend)")]
    Open {
        /// The source, without secrets.
        what: String,
        /// Who tried.
        backend: &'static str,
    },
    /// No address that could be connected to.
    #[error("{url}: not an address; must be rtsp, rtsps, http or https, and name a host")]
    Address {
        /// The address, without secrets.
        url: String,
    },
    /// Nobody answers.
    #[error("{host}:{port}: {source}")]
    Unreachable {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What the network says.
        source: io::Error,
    },
    /// The camera does not do what is asked.
    #[error("{}: does not take {control} = {asked}", path.display())]
    Control {
        /// The device.
        path: PathBuf,
        /// Which setting.
        control: &'static str,
        /// What it was to be.
        asked: String,
    },
    /// The camera took another size than what is asked.
    #[error("{}: gives {}x{} pixels rather than {}x{}; must be a size that it offers in its pixel format (v4l2-ctl --list-formats-ext)", path.display(), got[0], got[1], asked[0], asked[1])]
    Size {
        /// The device.
        path: PathBuf,
        /// What it was to be.
        asked: [u32; 2],
        /// What it is.
        got: [u32; 2],
    },
    /// The stream of a live source is over.
    #[error("the stream ended")]
    StreamEnded,
    /// Pixels that are no 8-bit grey, BGR or BGRA.
    #[error("pixels of {channels} channels, OpenCV depth {depth}; must be 8-bit grey, BGR or BGRA")]
    Pixels {
        /// Channels.
        channels: i32,
        /// `CV_8U` is 0.
        depth: i32,
    },
    /// OpenCV opens one source at a time, and another camera's takes too long.
    #[error("another camera's source is being opened and does not come to an end")]
    Busy,
    /// OpenCV failed.
    #[error("OpenCV: {0}")]
    OpenCv(#[from] opencv::Error),
}

/// Opens a camera's source. `queued` is told whether a wait for other cameras' openings begins or ends:
/// that time is not the source's fault.
///
/// # Errors
/// When it cannot be opened, or does not do what is asked of it.
pub fn open(camera: &settings::Camera, queued: &dyn Fn(bool)) -> Result<Opened, SourceError> {
    use settings::Source;

    let limits = url::Timeouts {
        open: camera.open_timeout,
        read: camera.read_timeout,
    };
    match &camera.source {
        Source::Device { path, controls } => Ok(Opened::unpaced(Device::open(path, controls)?)),
        Source::Url { url, rtsp_tcp } => url::open(url, *rtsp_tcp, limits, queued),
        Source::GStreamer { pipeline } => gstreamer::open(pipeline).map(Opened::unpaced),
        Source::File { path, repeat, pace } => {
            let file = VideoFile::open(path, *repeat, camera.open_timeout, queued)?;
            let native = file.fps();
            Ok(Opened::paced(file, *pace, native))
        }
        Source::Folder { path, repeat, pace } => {
            let folder = Folder::open(path, *repeat)?;
            Ok(Opened::paced(folder, *pace, NATIVE_FPS))
        }
        Source::Simulator {
            seed,
            defect_rate,
            width,
            height,
            pace,
            parts,
        } => {
            let simulator = Simulator::new(*seed, *defect_rate, [*width, *height], *parts);
            Ok(Opened::paced(simulator, *pace, NATIVE_FPS))
        }
    }
}

/// Whether each frame waits until there is room for it: nothing is lost then, and nothing waits for a
/// belt.
pub fn waits_for_room(camera: &settings::Camera) -> bool {
    use settings::Source;

    let (Source::File { pace, .. } | Source::Folder { pace, .. } | Source::Simulator { pace, .. }) =
        camera.source
    else {
        return false;
    };
    match camera.mode {
        Mode::Triggered { .. } => pace == Pace::Fast,
        // Nothing is lost by waiting: the next image is the one that is asked for.
        Mode::Requested { .. } => true,
        Mode::FreeRunning => false,
    }
}
