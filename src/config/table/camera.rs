//! The keys of one camera.

use super::kind::ENDLESS;
use super::{Key, Kind, Section, condition};

/// No camera of today has more pixels a side.
const LARGEST_SIDE: u64 = 32_768;

pub(super) const CAMERAS: Section = Section {
    name: super::CAMERAS,
    doc: "A table for each camera, at least one. `ID` is the camera's name in verdicts: 1 to 64 of \
          `a`-`z`, `0`-`9`, `-` and `_`. Keys that name sources belong to cameras of those alone.",
    keys: &[
        Key::required(
            "source",
            Kind::Choice(&["device", "url", "gstreamer", "file", "folder", "simulator"]),
            "Where frames come from: a V4L2 device, an RTSP or HTTP stream, a GStreamer pipeline, a video \
             file, a folder of images, or rendered parts.",
        ),
        DEVICE,
        WIDTH,
        HEIGHT,
        EXPOSURE,
        GAIN,
        PIXEL_FORMAT,
        Key::required(
            "url",
            Kind::Text(is_url, "a URL that begins with rtsp://, rtsps://, http:// or https://"),
            "The stream. User and password may be part of it; they are never logged.",
        )
        .secret()
        .of(&["url"]),
        Key::preset(
            "rtsp_transport",
            Kind::Choice(&["tcp", "udp"]),
            "tcp",
            "What carries RTSP's packets. UDP loses some on a busy network.",
        )
        .of(&["url"]),
        Key::required(
            "pipeline",
            Kind::Text(is_pipeline, "a GStreamer pipeline with an appsink"),
            "The pipeline; it ends in `appsink`. For a camera that may be off at the start `source = \"url\"` is safer: OpenCV 4.6 does not stop a pipeline that fails to start.",
        )
        .secret()
        .of(&["gstreamer"]),
        Key::required("path", Kind::Path, "The video file, or the folder, whose subfolders count too.")
            .of(&["file", "folder"]),
        Key::preset("repeat", Kind::Flag, "false", "Whether it begins again after its end.")
            .of(&["file", "folder"]),
        Key::unset(
            "pace",
            Kind::Choice(&["native", "fast"]),
            "`native`, which holds if unset, is the video's own rate, and 10 frames a second for a folder \
             or the simulator; `fast` is as fast as frames are taken. Either this or `fps`.",
        )
        .of(PACED),
        Key::unset(
            "fps",
            Kind::Number(0.01, 1000.0),
            "For a device what it is asked for, as it has it if unset; for the others their pace.",
        )
        .unit("frames a second")
        .of(&["device", "file", "folder", "simulator"]),
        Key::preset("seed", Kind::Whole(0, ENDLESS), "1", "The same seed gives the same parts.")
            .of(SIMULATOR),
        Key::preset("defect_rate", Kind::Number(0.0, 1.0), "0.1", "The share of defective parts.")
            .of(SIMULATOR),
        SIMULATED_WIDTH,
        SIMULATED_HEIGHT,
        Key::unset("parts", Kind::Whole(1, ENDLESS), "It ends after so many parts; never if unset.")
            .of(SIMULATOR),
        Key::preset(
            "mode",
            Kind::Choice(&["free-running", "triggered", "requested"]),
            "free-running",
            "`free-running`: only the latest frame counts, older ones that wait are skipped. \
             `triggered`: every frame counts, and one that finds the queue full is a FAULT. \
             `requested`: the frame after each TriggerInspection counts, and no other.",
        ),
        Key::preset(
            "queue",
            Kind::Whole(1, 1024),
            "8",
            "How many frames may wait; of `requested`, how many requests. Not with `mode = \"free-running\"`.",
        )
        .unit("frames"),
        Key::preset(
            "shed",
            Kind::Choice(&["newest", "oldest"]),
            "newest",
            "Which frame is a FAULT when the queue is full: the one that comes, or the one that waits for \
             longest. Only with `mode = \"triggered\"`.",
        ),
        Key::unset(
            "deadline_ms",
            Kind::Number(1.0, 600_000.0),
            "How long a verdict may take from the frame's capture on. One that would come later is replaced \
             by what `on_deadline` says, in time. Without a deadline if unset.",
        )
        .unit("milliseconds")
        .live(),
        Key::preset(
            "on_deadline",
            Kind::Choice(&["fault", "reject"]),
            "fault",
            "What a frame is whose verdict does not come in time.",
        )
        .live(),
        Key::unset(
            "group",
            Kind::Text(is_name, "1 to 64 of a-z, 0-9, '-' and '_'"),
            "Cameras of the same group look at the same parts: see `[parts]`.",
        ),
        Key::preset(
            "part_counter",
            Kind::Flag,
            "false",
            "Whether frames have the number of the part as its id: one more with each frame, on from the \
             journal's last. Not with `mode = \"requested\"`, whose triggers name the parts.",
        ),
        side("crop.left", "First column that is inspected, after rotation. All four sides or none."),
        side("crop.top", "First row that is inspected."),
        side("crop.right", "First column to the right of what is inspected; above `left`."),
        side("crop.bottom", "First row below what is inspected; above `top`."),
        Key::preset("rotate", Kind::OneOf(&[0, 90, 180, 270]), "0", "Turns the frame clockwise.")
            .unit("degrees"),
        size("expected_width", "Frames of another width are FAULTs. Together with `expected_height`."),
        size("expected_height", "Frames of another height are FAULTs. Together with `expected_width`."),
        Key::preset(
            "allow_upscaling",
            Kind::Flag,
            "false",
            "Whether frames smaller than the model's input are inspected rather than FAULTs.",
        ),
        condition::FROZEN,
        condition::FROZEN_DIFFERENCE,
        condition::DARK,
        condition::SATURATED,
        condition::BLURRED,
        condition::REFERENCE,
        condition::SHIFT,
        condition::TURN,
        Key::preset(
            "open_timeout_s",
            Kind::Number(0.1, 300.0),
            "10",
            "How long opening may take before it is abandoned and tried anew.",
        )
        .unit("seconds"),
        Key::preset(
            "read_timeout_s",
            Kind::Number(0.1, 300.0),
            "5",
            "How long a frame may take before the source counts as stalled and is opened anew.",
        )
        .unit("seconds"),
        Key::preset(
            "reopen_after_s",
            Kind::Number(0.01, 3600.0),
            "1",
            "The first pause before a source is opened anew; each failure doubles it.",
        )
        .unit("seconds"),
        Key::preset(
            "reopen_after_max_s",
            Kind::Number(0.01, 3600.0),
            "30",
            "The longest pause; at least `reopen_after_s`.",
        )
        .unit("seconds"),
        Key::unset("threshold", Kind::Finite, "As in `[verdict]`, for this camera; as there if unset.").live(),
        Key::unset("review_from", Kind::Finite, "As in `[verdict]`, for this camera; as there if unset.").live(),
    ],
};

const SIMULATOR: &[&str] = &["simulator"];
const PACED: &[&str] = &["file", "folder", "simulator"];

const DEVICE: Key = Key::required(
    "device",
    Kind::Path,
    "The device: `/dev/video0`, or better a stable name below `/dev/v4l/by-id`.",
)
.of(&["device"]);

const WIDTH: Key = asked(
    "width",
    "Asked of the camera, together with `height`; as the camera has it if unset.",
);
const HEIGHT: Key = asked(
    "height",
    "Asked of the camera, together with `width`; as the camera has it if unset.",
);

const EXPOSURE: Key = Key::unset(
    "exposure_us",
    Kind::Whole(1, 10_000_000),
    "A fixed exposure; switches automatic exposure off. As the camera has it if unset.",
)
.unit("microseconds")
.of(&["device"]);

const GAIN: Key = Key::unset("gain", Kind::Finite, "Gain; as the camera has it if unset.")
    .unit("the camera's own units")
    .of(&["device"]);

const PIXEL_FORMAT: Key = Key::unset(
    "pixel_format",
    Kind::Text(is_pixel_format, "four letters or digits, such as \"MJPG\""),
    "The format that frames cross the wire in, such as `MJPG` or `YUYV`; as the camera has it if unset.",
)
.of(&["device"]);

const SIMULATED_WIDTH: Key = rendered("width", "Pixels a row.");
const SIMULATED_HEIGHT: Key = rendered("height", "Rows.");

const fn asked(name: &'static str, doc: &'static str) -> Key {
    Key::unset(name, Kind::Whole(16, LARGEST_SIDE), doc)
        .unit("pixels")
        .of(&["device"])
}

const fn rendered(name: &'static str, doc: &'static str) -> Key {
    Key::preset(name, Kind::Whole(32, 4096), "256", doc)
        .unit("pixels")
        .of(SIMULATOR)
}

const fn side(name: &'static str, doc: &'static str) -> Key {
    Key::unset(name, Kind::Whole(0, LARGEST_SIDE), doc).unit("pixels")
}

const fn size(name: &'static str, doc: &'static str) -> Key {
    Key::unset(name, Kind::Whole(1, LARGEST_SIDE), doc).unit("pixels")
}

pub(super) fn is_name(text: &str) -> bool {
    text.parse::<inspectd_core::id::CameraId>().is_ok()
}

fn is_url(text: &str) -> bool {
    let schemes = ["rtsp://", "rtsps://", "http://", "https://"];
    let mut rests = schemes
        .iter()
        .filter_map(|scheme| text.strip_prefix(scheme));
    let host = |rest: &str| {
        rest.split(['/', '?', '#'])
            .next()
            .is_some_and(|host| !host.is_empty())
    };
    let printable = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    printable && rests.next().is_some_and(host)
}

fn is_pipeline(text: &str) -> bool {
    text.contains("appsink") && !text.contains('\0')
}

fn is_pixel_format(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_known_scheme_and_a_host() {
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
    }
}
