//! The source of a camera's frames. Several sources share keys, so its keys are composed by hand.

use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

use super::size::{LARGEST_SIDE, read_size, write_size};
use crate::config::group::{Group, Output, keys};
use crate::config::key::{Key, Unit};
use crate::config::kind::{Kind, UNBOUNDED};
use crate::config::values::Part;

/// Source of a camera's frames.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// A V4L2 device.
    Device {
        /// `/dev/video0`, or a stable name below `/dev/v4l/by-id`.
        path: PathBuf,
        /// Requested settings of the camera.
        controls: Controls,
    },
    /// An RTSP or HTTP stream.
    Url {
        /// `rtsp://`, `rtsps://`, `http://` or `https://`. May contain a password: never logged, and
        /// serialised without it, as the configuration's hash is public.
        #[serde(serialize_with = "without_user")]
        url: String,
        /// RTSP over TCP rather than UDP.
        rtsp_tcp: bool,
    },
    /// A GStreamer pipeline.
    GStreamer {
        /// The pipeline; its last element is `appsink`.
        pipeline: String,
    },
    /// A video file.
    File {
        /// The file.
        path: PathBuf,
        /// Whether it restarts after its end.
        repeat: bool,
        /// Its speed.
        pace: Pace,
    },
    /// The images of a folder and its subfolders, by name.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Whether it restarts after the last image.
        repeat: bool,
        /// Its speed; a folder has no rate of its own.
        pace: Pace,
    },
    /// Rendered parts.
    Simulator {
        /// The same seed gives the same parts.
        seed: u64,
        /// Fraction of defective parts, 0 to 1.
        defect_rate: f64,
        /// Width, pixels.
        width: u32,
        /// Height, pixels.
        height: u32,
        /// Its speed; the simulator has no rate of its own.
        pace: Pace,
        /// Number of parts; endless if unset.
        parts: Option<u64>,
        /// Number of parts that are rendered at the start and repeated; each is rendered when it is due if unset.
        #[serde(skip_serializing_if = "Option::is_none")]
        prerender: Option<u64>,
    },
}

/// Speed of a source that has no clock of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// The rate of the video; 10 frames a second for a folder or the simulator.
    Native,
    /// As fast as the frames are taken.
    Fast,
    /// This many frames a second.
    Fps(f64),
}

/// Requested settings of a V4L2 camera. Unset ones keep the camera's own value.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Controls {
    /// Width and height, pixels.
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

impl Source {
    /// Returns `device`, `url`, `gstreamer`, `file`, `folder` or `simulator`.
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

    /// Whether parts pass it in real time: a device, a stream or a pipeline.
    pub fn live(&self) -> bool {
        matches!(
            self,
            Self::Device { .. } | Self::Url { .. } | Self::GStreamer { .. }
        )
    }

    /// Whether its frames are rendered.
    pub fn simulated(&self) -> bool {
        matches!(self, Self::Simulator { .. })
    }
}

fn without_user<S: Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_user, host)| host);
    serializer.serialize_str(&format!("{scheme}://{host}{path}"))
}

const PIXELS: Unit = Unit::Plain("pixels");

keys! {
    /// Source of the frames: a V4L2 device, an RTSP or HTTP stream, a GStreamer pipeline, a video file, a
    /// folder of images, or rendered parts.
    SOURCE = Key::required(
        "source",
        Kind::Choice(&["device", "url", "gstreamer", "file", "folder", "simulator"]),
    );

    /// The device: `/dev/video0`, or preferably a stable name below `/dev/v4l/by-id`.
    DEVICE = Key::required("device", Kind::Path).of(&["device"]);

    /// Requested width. Requires `height`. Unset: the camera's own.
    WIDTH = Key::unset("width", Kind::Whole(16, LARGEST_SIDE)).unit(PIXELS).of(&["device"]);

    /// Requested height. Requires `width`. Unset: the camera's own.
    HEIGHT = Key::unset("height", Kind::Whole(16, LARGEST_SIDE)).unit(PIXELS).of(&["device"]);

    /// Fixed exposure; switches automatic exposure off. A reload that changes it opens the camera again. Unset: the
    /// camera's own.
    EXPOSURE = Key::unset("exposure_us", Kind::Whole(1, 10_000_000))
        .unit(Unit::Plain("microseconds"))
        .of(&["device"])
        .live();

    /// Gain. A reload that changes it opens the camera again. Unset: the camera's own.
    GAIN = Key::unset("gain", Kind::Finite)
        .unit(Unit::Plain("the camera's own units"))
        .of(&["device"])
        .live();

    /// Pixel format of the frames as the camera sends them, such as `MJPG`, `YUYV` or `Y16`. Unset: the camera's
    /// own.
    PIXEL_FORMAT = Key::unset(
        "pixel_format",
        Kind::Text(is_pixel_format, "three or four letters or digits, such as \"MJPG\""),
    )
    .of(&["device"]);

    /// The stream. May contain user and password; they are never logged.
    URL = Key::required(
        "url",
        Kind::Text(is_url, "a URL that begins with rtsp://, rtsps://, http:// or https://; in a password, # is written %23, / %2F, ? %3F and @ %40"),
    )
    .secret()
    .of(&["url"]);

    /// Transport of RTSP. UDP loses packets on a busy network; a frame of lost packets is a FAULT.
    RTSP_TRANSPORT = Key::preset(
        "rtsp_transport",
        Kind::Either { no: "udp", yes: "tcp" },
        "tcp",
    )
    .of(&["url"]);

    /// The pipeline; its last element is `appsink`, and it must get raw video (`video/x-raw`), which is converted to BGR or
    /// 8-bit grey. `decodebin` decodes streams, `bayer2rgb` converts Bayer patterns. For a camera that may be off at the start,
    /// `source = "url"` is safer: OpenCV 4.6 does not stop a pipeline that fails to start.
    PIPELINE = Key::required(
        "pipeline",
        Kind::Text(is_pipeline, "a GStreamer pipeline that ends in `! appsink`"),
    )
    .secret()
    .of(&["gstreamer"]);

    /// The video file, or the folder, including its subfolders.
    PATH = Key::required("path", Kind::Path).of(&["file", "folder"]);

    /// Whether the source restarts after its end.
    REPEAT = Key::preset("repeat", Kind::Flag, "false").of(&["file", "folder"]);

    /// `native`: the rate of the video; 10 frames a second for a folder or the simulator. `fast`: as fast
    /// as frames are taken. Unset: `native`. Not together with `fps`.
    PACE = Key::unset("pace", Kind::Choice(&["native", "fast"]))
        .of(&["file", "folder", "simulator"]);

    /// Requested frame rate of a device; a longer time between two frames then counts as lost frames. Unset: the camera's own. Pace of the other sources; unset: `pace`.
    FPS = Key::unset("fps", Kind::Number(0.01, 1000.0))
        .unit(Unit::Plain("frames a second"))
        .of(&["device", "file", "folder", "simulator"]);

    /// The same seed gives the same parts.
    SEED = Key::preset("seed", Kind::Whole(0, UNBOUNDED), "1").of(&["simulator"]);

    /// Fraction of defective parts.
    DEFECT_RATE = Key::preset("defect_rate", Kind::Number(0.0, 1.0), "0.1").of(&["simulator"]);

    /// Width of the frames.
    SIMULATED_WIDTH = Key::preset("width", Kind::Whole(32, 4096), "256")
        .unit(PIXELS)
        .of(&["simulator"]);

    /// Height of the frames.
    SIMULATED_HEIGHT = Key::preset("height", Kind::Whole(32, 4096), "256")
        .unit(PIXELS)
        .of(&["simulator"]);

    /// Number of parts. Unset: endless.
    PARTS = Key::unset("parts", Kind::Whole(1, UNBOUNDED)).of(&["simulator"]);

    /// Number of parts that are rendered when the camera is opened, with all cores, and then repeated in order: for rates at
    /// which rendering takes too long. At most 2 GiB of pixels. Unset: each part is rendered when it is due.
    PRERENDER = Key::unset("prerender", Kind::Whole(2, 100_000))
        .unit(Unit::Plain("parts"))
        .of(&["simulator"]);
}

impl Group for Source {
    type Value = Self;

    fn keys() -> Vec<Key> {
        let device = [DEVICE, WIDTH, HEIGHT, EXPOSURE, GAIN, PIXEL_FORMAT];
        let streams = [URL, RTSP_TRANSPORT, PIPELINE];
        let paced = [PATH, REPEAT, PACE, FPS];
        let size = [SIMULATED_WIDTH, SIMULATED_HEIGHT];
        let simulator = [&[SEED, DEFECT_RATE], &size[..], &[PARTS, PRERENDER]].concat();
        [&[SOURCE], &device[..], &streams, &paced, &simulator].concat()
    }

    fn read(values: &Part<'_>) -> Self {
        let name: String = values.read(&SOURCE);
        match name.as_str() {
            "device" => Self::Device {
                path: values.read(&DEVICE),
                controls: read_controls(values),
            },
            "url" => Self::Url {
                url: values.read(&URL),
                rtsp_tcp: values.read(&RTSP_TRANSPORT),
            },
            "gstreamer" => Self::GStreamer {
                pipeline: values.read(&PIPELINE),
            },
            "file" => Self::File {
                path: values.read(&PATH),
                repeat: values.read(&REPEAT),
                pace: read_pace(values),
            },
            "folder" => Self::Folder {
                path: values.read(&PATH),
                repeat: values.read(&REPEAT),
                pace: read_pace(values),
            },
            "simulator" => Self::Simulator {
                seed: values.read(&SEED),
                defect_rate: values.read(&DEFECT_RATE),
                width: values.read(&SIMULATED_WIDTH),
                height: values.read(&SIMULATED_HEIGHT),
                pace: read_pace(values),
                parts: values.read(&PARTS),
                prerender: values.read(&PRERENDER),
            },
            other => unreachable!("`source` does not allow {other:?}"),
        }
    }

    fn write(value: &Self, output: &mut Output<'_>) {
        output.put(&SOURCE, &value.name().to_owned());
        match value {
            Self::Device { path, controls } => {
                output.put(&DEVICE, path);
                write_controls(controls, output);
            }
            Self::Url { url, rtsp_tcp } => {
                output.put(&URL, url);
                output.put(&RTSP_TRANSPORT, rtsp_tcp);
            }
            Self::GStreamer { pipeline } => output.put(&PIPELINE, pipeline),
            Self::File { path, repeat, pace } | Self::Folder { path, repeat, pace } => {
                output.put(&PATH, path);
                output.put(&REPEAT, repeat);
                write_pace(*pace, output);
            }
            Self::Simulator {
                seed,
                defect_rate,
                width,
                height,
                pace,
                parts,
                prerender,
            } => {
                output.put(&SEED, seed);
                output.put(&DEFECT_RATE, defect_rate);
                output.put(&SIMULATED_WIDTH, width);
                output.put(&SIMULATED_HEIGHT, height);
                write_pace(*pace, output);
                output.put(&PARTS, parts);
                output.put(&PRERENDER, prerender);
            }
        }
    }
}

fn read_controls(values: &Part<'_>) -> Controls {
    Controls {
        size: read_size(values, &WIDTH, &HEIGHT),
        fps: values.read(&FPS),
        exposure_us: values.read(&EXPOSURE),
        gain: values.read(&GAIN),
        pixel_format: values.read(&PIXEL_FORMAT),
    }
}

fn write_controls(controls: &Controls, output: &mut Output<'_>) {
    let Controls {
        size,
        fps,
        exposure_us,
        gain,
        pixel_format,
    } = controls;
    write_size(*size, output, &WIDTH, &HEIGHT);
    output.put(&FPS, fps);
    output.put(&EXPOSURE, exposure_us);
    output.put(&GAIN, gain);
    output.put(&PIXEL_FORMAT, pixel_format);
}

fn read_pace(values: &Part<'_>) -> Pace {
    let word: Option<String> = values.read(&PACE);
    match (values.read(&FPS), word.as_deref()) {
        (Some(fps), _) => Pace::Fps(fps),
        (None, Some("fast")) => Pace::Fast,
        (None, _) => Pace::Native,
    }
}

fn write_pace(pace: Pace, output: &mut Output<'_>) {
    match pace {
        Pace::Native => output.put(&PACE, &"native".to_owned()),
        Pace::Fast => output.put(&PACE, &"fast".to_owned()),
        Pace::Fps(fps) => output.put(&FPS, &fps),
    }
}

fn is_url(text: &str) -> bool {
    let schemes = ["rtsp://", "rtsps://", "http://", "https://"];
    let mut rests = schemes
        .iter()
        .filter_map(|scheme| text.strip_prefix(scheme));
    let host = |rest: &str| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        // An @ behind it is probably that of a password with such a character, whose first part would be taken for the
        // host and logged.
        // A port that is no number is probably a password, too.
        end > 0 && !rest[end..].contains('@') && has_port_or_none(&rest[..end])
    };
    let printable = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    printable && rests.next().is_some_and(host)
}

/// Whether what follows the host of `[USER[:PASSWORD]@]HOST[:PORT]` is nothing or a port.
fn has_port_or_none(authority: &str) -> bool {
    let place = authority.rsplit('@').next().unwrap_or_default();
    // The colons of an IPv6 address are within brackets.
    let place = place.rsplit(']').next().unwrap_or_default();
    place
        .split_once(':')
        .is_none_or(|(_, port)| port.parse::<u16>().is_ok())
}

fn is_pipeline(text: &str) -> bool {
    before_appsink(text).is_some() && !text.contains('\0')
}

/// Position of the last `appsink` of a pipeline, if an element is linked to it by `!`.
pub fn before_appsink(pipeline: &str) -> Option<usize> {
    let position = pipeline.rfind("appsink")?;
    let linked = pipeline[..position].trim_end().strip_suffix('!')?;
    (!linked.trim().is_empty()).then_some(position)
}

fn is_pixel_format(text: &str) -> bool {
    matches!(text.len(), 3 | 4) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipeline_requires_an_element_that_is_linked_to_an_appsink() {
        let check = |text, expected| assert_eq!(is_pipeline(text), expected, "{text}");
        check("videotestsrc ! appsink", true);
        check("videotestsrc ! appsink drop=true", true);
        check("appsink", false);
        check("! appsink", false);
        check("videotestsrc ! autovideosink", false);
        check("appsink name=s videotestsrc ! s.", false);
    }

    #[test]
    fn url_requires_a_known_scheme_and_a_host() {
        let check = |text, expected| assert_eq!(is_url(text), expected, "{text}");
        check("rtsp://10.0.0.2/stream", true);
        check("rtsps://user:p@ss@camera:322", true);
        check("http://camera", true);
        check("https://[::1]/mjpeg", true);
        check("ftp://camera", false);
        check("camera", false);
        check("rtsp://", false);
        check("rtsp:///stream", false);
        check("rtsp://camera/a b", false);
        check("rtsp://camera/\0", false);
        check("rtsp://admin:2024#Line@camera/stream", false);
        check("rtsp://admin:2024/Line@camera", false);
        check("rtsp://admin:2024%23Line@camera/stream?x=1", true);
        check("http://camera/stream?user=a@b", false);
        check("rtsp://admin:Line", false);
        check("rtsp://admin:Line/stream", false);
        check("rtsp://user:p@[fe80::1]:554/stream", true);
    }
}
