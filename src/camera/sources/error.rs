//! Errors of sources.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use thiserror::Error;

/// File name endings of images, compared without regard to case.
pub const IMAGE_EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "bmp", "tif", "tiff"];

/// Why a source delivers no frame. The messages contain no secrets.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The file system refuses access.
    #[error("{}: {source}", path.display())]
    Path {
        /// The file, folder or device.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A folder, a pipe or a device in the place of a video file.
    #[error("{}: not a regular file; must be a video file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A folder without images.
    #[error("{}: contains no image; must contain at least one file ending in {}, directly or in a subfolder", path.display(), IMAGE_EXTENSIONS.join(", "))]
    NoImage {
        /// The folder.
        path: PathBuf,
    },
    /// A video without frames.
    #[error("{}: contains no frame that can be decoded", path.display())]
    NoFrame {
        /// The file.
        path: PathBuf,
    },
    /// OpenCV cannot open the source. It gives no reason.
    #[error("{name}: cannot be opened (OpenCV's {backend} backend)")]
    Open {
        /// The source, without secrets.
        name: String,
        /// The backend.
        backend: &'static str,
    },
    /// A pipeline does not start.
    #[error(
        "the pipeline: cannot be opened (OpenCV's GStreamer backend); its elements must exist, and the last one before appsink must deliver raw video (video/x-raw): decodebin decodes, bayer2rgb converts Bayer patterns"
    )]
    OpenPipeline,
    /// A video whose metadata asks for a rotation that is not a multiple of 90 degrees.
    #[error("the video's metadata ask for a rotation by {0} degrees; must be 0, 90, 180 or 270")]
    Orientation(f64),
    /// Not an address that can be connected to.
    #[error("{url}: not an address; must be rtsp, rtsps, http or https, and name a host")]
    Address {
        /// The address, without secrets.
        url: String,
    },
    /// The host does not answer.
    #[error("{host}:{port}: {source}")]
    Unreachable {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// The reason.
        source: io::Error,
    },
    /// The camera rejects a setting.
    #[error("{}: does not accept {control} = {value}", path.display())]
    Control {
        /// The device.
        path: PathBuf,
        /// The setting.
        control: &'static str,
        /// The requested value.
        value: String,
    },
    /// The camera uses another value than it accepted.
    #[error("{}: accepts {control} = {requested}, but has {actual}; must be a value that the camera offers (v4l2-ctl --list-ctrls)", path.display())]
    ReadBack {
        /// The device.
        path: PathBuf,
        /// The setting.
        control: &'static str,
        /// The requested value.
        requested: f64,
        /// The value that it has.
        actual: f64,
    },
    /// The camera uses another size than requested.
    #[error("{}: delivers {}x{} pixels instead of {}x{}; must be a size that it offers in its pixel format (v4l2-ctl --list-formats-ext)", path.display(), actual[0], actual[1], requested[0], requested[1])]
    Size {
        /// The device.
        path: PathBuf,
        /// The requested size.
        requested: [u32; 2],
        /// The actual size.
        actual: [u32; 2],
    },
    /// The decoder met damaged data, of which later frames are made as well.
    #[error(
        "the data are damaged; the stream is opened again, which begins with an intact picture"
    )]
    Damaged,
    /// The stream of a live source ended.
    #[error("the stream ended")]
    StreamEnded,
    /// The driver gives no timestamps, although the mode requires them.
    #[error(
        "the driver gives no timestamps of frames; must be replaced by latency_ms with mode \"requested\" (inspectctl camera latency measures it)"
    )]
    NoTimestamp,
    /// A pixel value that has more significant bits than configured.
    #[error("a pixel has the value {value}, which does not fit into bit_depth = {bit_depth} bits")]
    BitDepth {
        /// The value.
        value: u32,
        /// The configured number of bits.
        bit_depth: u32,
    },
    /// Pixels that are not grey, BGR or BGRA.
    #[error(
        "pixels of {channels} channels, OpenCV depth {depth}; must be grey of 8 or 16 bits, BGR or BGRA"
    )]
    Pixels {
        /// Number of channels.
        channels: i32,
        /// Depth; `CV_8U` is 0.
        depth: i32,
    },
    /// An error that the capture process reports.
    #[error("{0}")]
    Reported(String),
    /// The capture process cannot be started or reached.
    #[error("the capture process: {0}")]
    Process(io::Error),
    /// The capture process ended without a reason, for example because a driver or a codec crashed.
    #[error("the capture process ended unexpectedly ({0})")]
    ProcessEnded(ExitStatus),
    /// The capture process did not answer in time and was killed.
    #[error("the capture process did not answer; it was killed")]
    ProcessHangs,
    /// OpenCV failed.
    #[error("OpenCV: {0}")]
    OpenCv(#[from] opencv::Error),
}
