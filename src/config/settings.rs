//! The settings in force: validated, complete, in the daemon's own types. Only [`super::load`] makes
//! them, from files and variables; nothing downstream checks again.

mod health;
mod record;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

use inspectd_core::decision::Thresholds;
use inspectd_core::id::CameraId;

pub use health::{HealthLimits, LARGEST_TURN_DEG};
pub use record::{Evidence, Journal, MissingView, OnFailure, Parts, Recipes};

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// gRPC and metrics.
    pub server: Server,
    /// TLS of gRPC over TCP; none if unset.
    pub tls: Option<Tls>,
    /// Who may call what.
    pub access: Access,
    /// What judges.
    pub model: Model,
    /// How the model runs.
    pub engine: Engine,
    /// How scores become decisions.
    pub verdict: Verdict,
    /// The cameras, at least one.
    pub cameras: BTreeMap<CameraId, Camera>,
    /// How products are inspected.
    pub recipes: Recipes,
    /// Several views of one part.
    pub parts: Parts,
    /// What is written down of verdicts.
    pub journal: Journal,
    /// What is kept of recent verdicts.
    pub evidence: Evidence,
    /// Start and end of the process.
    pub life: Life,
    /// The log.
    pub log: Log,
}

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Server {
    /// Where gRPC listens.
    pub listen: SocketAddr,
    /// The Unix socket where gRPC listens as well, absolute.
    pub unix_socket: Option<PathBuf>,
    /// Where `/metrics` is served; nowhere if unset.
    pub metrics_listen: Option<SocketAddr>,
    /// The largest request and answer, bytes.
    pub message_limit: usize,
    /// A client that is silent for so long is asked for a sign of life (HTTP/2 PING).
    pub keepalive_interval: Duration,
    /// How long it may take to give one before the connection is closed.
    pub keepalive_timeout: Duration,
    /// How often a silent stream gets a heartbeat.
    pub heartbeat_interval: Duration,
    /// How many verdicts may wait for a slow client before it misses the oldest of them.
    pub stream_backlog: usize,
    /// How many verdict streams may be open.
    pub stream_limit: usize,
    /// How many connections may be open, over TCP and over the Unix socket each.
    pub connection_limit: usize,
    /// The longest side of an image that a client sends, pixels.
    pub image_side_limit: u32,
}

/// `[tls]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tls {
    /// The daemon's certificate and those between it and its CA, PEM, absolute.
    pub certificate: PathBuf,
    /// Its private key, PEM, absolute.
    pub key: PathBuf,
    /// The CAs of clients' certificates, PEM, absolute; without it clients show none.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without a certificate is not even heard. Only with `client_ca`.
    pub require_client_certificate: bool,
}

/// `[access]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Access {
    /// The file of the clients, absolute; without it everybody on this machine is an engineer.
    pub clients: Option<PathBuf>,
    /// How many calls a second each client may begin in the long run.
    pub requests_per_second: f64,
    /// How many calls a client that was quiet may begin at once.
    pub burst: u32,
}

/// `[model]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// The bundle's folder, absolute.
    pub bundle: PathBuf,
}

/// Where a model is asked to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderChoice {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// Intel's OpenVINO.
    OpenVino,
}

impl ProviderChoice {
    /// `cpu`, `cuda` or `openvino`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::OpenVino => "openvino",
        }
    }
}

/// With what precision a model is asked to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats throughout; what a model's scores were calibrated with.
    F32,
    /// CUDA alone: products of factors rounded to 10 bits.
    Tf32,
    /// OpenVINO alone: bfloat16 where the processor has it.
    Bf16,
}

/// `[engine]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Engine {
    /// Where the model runs.
    pub provider: ProviderChoice,
    /// Whether the processor may stand in for another provider that is not there.
    pub allow_fallback: bool,
    /// Which GPU, as CUDA counts them.
    pub device_id: i32,
    /// Threads of one run on the processor; 0 for all cores that the process may use.
    pub threads: usize,
    /// The most memory that CUDA's arena may take, bytes; without a limit if unset.
    pub memory_limit: Option<usize>,
    /// The precision.
    pub precision: Precision,
    /// The most frames that share a run.
    pub batch_limit: usize,
    /// How long a run waits for more frames once one is there.
    pub batch_window: Duration,
    /// ONNX Runtime's file; if unset, `ORT_DYLIB_PATH`, then the usual places.
    pub library: Option<PathBuf>,
    /// A run of the model that takes longer counts as hung: the watchdog is not fed any more.
    pub hang_timeout: Duration,
}

/// `[verdict]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// What a camera without thresholds of its own is held to; unset keys come from the bundle.
    #[serde(flatten)]
    pub thresholds: Overrides,
    /// Smaller regions are not listed, as a fraction of the frame. They count for the decision.
    pub region_min_area: f32,
    /// At most so many regions are listed, largest peak first.
    pub region_limit: usize,
}

/// Thresholds, each unless something else says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Overrides {
    /// Scores above it are rejected.
    pub threshold: Option<f32>,
    /// Scores from here to the threshold are for review.
    pub review_from: Option<f32>,
}

impl Overrides {
    /// These, then `general`, then the bundle's threshold; there is no review band unless one is set.
    /// A review band that begins above the threshold is empty.
    pub fn resolve(self, general: Self, bundle: f32) -> Thresholds {
        Thresholds {
            reject_above: self.threshold.or(general.threshold).unwrap_or(bundle),
            review_from: self.review_from.or(general.review_from),
        }
    }
}

/// `[cameras.ID]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Camera {
    /// Where frames come from.
    pub source: Source,
    /// Every frame counts, or the latest does.
    pub mode: Mode,
    /// The part that is inspected, after rotation, pixels.
    pub crop: Option<Crop>,
    /// Turns the frame clockwise.
    pub rotate: Rotation,
    /// Frames of another size are faults: width, height, pixels.
    pub expected_size: Option<[u32; 2]>,
    /// Whether frames smaller than the model's input are inspected rather than faults.
    pub allow_upscaling: bool,
    /// How long opening may take before it is abandoned and tried anew.
    pub open_timeout: Duration,
    /// How long a frame may take before the source counts as stalled, is abandoned and opened anew.
    pub read_timeout: Duration,
    /// The first pause before a source is opened anew; each failure doubles it ...
    pub reopen_after: Duration,
    /// ... up to this one.
    pub reopen_after_max: Duration,
    /// When its frames show that something is wrong with it.
    pub check: Check,
    /// Thresholds of this camera.
    #[serde(flatten)]
    pub thresholds: Overrides,
    /// Which frame a full queue gives up.
    pub shed: Shed,
    /// How long a verdict may take from capture on.
    pub deadline: Option<Duration>,
    /// What a frame is whose verdict does not come in time.
    pub on_deadline: NoJudgement,
    /// The group of cameras that look at the same parts.
    pub group: Option<String>,
    /// Whether frames are numbered as parts.
    pub part_counter: bool,
}

/// Which frame a full queue gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shed {
    /// The one that comes.
    Newest,
    /// The one that waits for longest.
    Oldest,
}

/// What a part is that could not be judged. Never good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoJudgement {
    /// FAULT.
    Fault,
    /// REJECT.
    Reject,
}

impl Camera {
    /// What its frames are held to. Where nothing else is set, a device is frozen after ten frames that
    /// repeat: a sensor's noise makes no two alike. A stream is after 250, as a codec may say of a still
    /// scene that nothing has changed, up to its next key frame; ten seconds at 25 frames a second are
    /// more than cameras leave between two. Other sources repeat what they are told to.
    pub fn limits(&self) -> HealthLimits {
        let usual = match self.source {
            Source::Device { .. } => Some(10),
            Source::Url { .. } | Source::GStreamer { .. } => Some(250),
            Source::File { .. } | Source::Folder { .. } | Source::Simulator { .. } => None,
        };
        let limits = self.check.limits;
        HealthLimits {
            frozen_after: limits.frozen_after.or(usual),
            ..limits
        }
    }
}

/// `check` of `[cameras.ID]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Check {
    /// From when on frames are faults, as far as it is set: [`Camera::limits`] has the rest.
    #[serde(flatten)]
    pub limits: HealthLimits,
    /// An image file of the view as it should be, as captured. It was there, of the expected size, when
    /// the settings were made.
    pub reference: Option<PathBuf>,
}

/// The part of a frame that is inspected, pixels; `right` and `bottom` are the first outside.
pub type Crop = inspectd_core::preprocess::Crop;

/// A turn, clockwise.
pub type Rotation = inspectd_core::preprocess::Rotation;

/// What happens to frames that the engine has no time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The latest frame replaces one that waits, which is counted as skipped.
    FreeRunning,
    /// Up to `queue` frames wait. A file, folder or simulator at full speed waits for room; from any
    /// other source a frame that finds the queue full is a FAULT.
    Triggered {
        /// Frames, 1 to 1024.
        queue: usize,
    },
    /// The frame after each request counts, and no other.
    Requested {
        /// Requests that may wait, 1 to 1024.
        queue: usize,
    },
}

/// Where frames come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// A V4L2 device.
    Device {
        /// `/dev/video0`, or a stable name below `/dev/v4l/by-id`.
        path: PathBuf,
        /// What is asked of the camera.
        controls: Controls,
    },
    /// An RTSP or HTTP stream.
    Url {
        /// `rtsp://`, `rtsps://`, `http://` or `https://`. May hold a password: never logged whole, and
        /// serialised without, as the configuration's hash is public.
        #[serde(serialize_with = "without_user")]
        url: String,
        /// RTSP over TCP rather than UDP.
        rtsp_tcp: bool,
    },
    /// A GStreamer pipeline.
    GStreamer {
        /// It ends in `appsink`.
        pipeline: String,
    },
    /// A video file.
    File {
        /// The file.
        path: PathBuf,
        /// From the start again after its end.
        repeat: bool,
        /// Its speed.
        pace: Pace,
    },
    /// The images of a folder and its subfolders, by name.
    Folder {
        /// The folder.
        path: PathBuf,
        /// From the start again after the last.
        repeat: bool,
        /// Its speed; it has none of its own.
        pace: Pace,
    },
    /// Rendered parts.
    Simulator {
        /// The same seed gives the same parts.
        seed: u64,
        /// The share of defective parts, 0 to 1.
        defect_rate: f64,
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Its speed; it has none of its own.
        pace: Pace,
        /// It ends after so many parts; never if unset.
        parts: Option<u64>,
    },
}

fn without_user<S: Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_user, host)| host);
    serializer.serialize_str(&format!("{scheme}://{host}{path}"))
}

impl Source {
    /// `device`, `url`, `gstreamer`, `file`, `folder` or `simulator`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Device { .. } => "device",
            Self::Url { .. } => "url",
            Self::GStreamer { .. } => "gstreamer",
            Self::File { .. } => "file",
            Self::Folder { .. } => "folder",
            Self::Simulator { .. } => "simulator",
        }
    }

    /// Whether its frames are rendered.
    pub fn simulated(&self) -> bool {
        matches!(self, Self::Simulator { .. })
    }
}

/// How fast a source that can go at any speed goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// At the video's own rate; a folder or simulator at 10 frames a second.
    Native,
    /// As fast as the frames are taken.
    Fast,
    /// At so many frames a second.
    Fps(f64),
}

/// What is asked of a V4L2 camera; what is unset is left as the camera has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Controls {
    /// Pixels a row and rows.
    pub size: Option<[u32; 2]>,
    /// Frames a second.
    pub fps: Option<f64>,
    /// A fixed exposure, microseconds; switches automatic exposure off.
    pub exposure_us: Option<u32>,
    /// Gain, in the camera's own units.
    pub gain: Option<f64>,
    /// Four letters, such as `MJPG`.
    pub pixel_format: Option<[u8; 4]>,
}

/// `[life]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Life {
    /// How long an orderly end may take before the process ends anyway.
    pub shutdown_deadline: Duration,
    /// Whether the process ends, with exit code 0, once every camera has ended.
    pub exit_when_ended: bool,
    /// Whether a changed file of the configuration is read without being told to.
    pub watch_files: bool,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Log {
    /// Which messages, in tracing's filter language: `info`, `inspectd=debug`.
    pub filter: String,
    /// Where and how.
    pub format: LogFormat,
}

/// Where and how messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// The journal if systemd reads our standard error, else text.
    Auto,
    /// Lines on standard error.
    Text,
    /// One JSON object a line on standard error.
    Json,
    /// Systemd's journal, with fields.
    Journald,
}
