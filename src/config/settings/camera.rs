//! The section of a camera, without the keys of its source.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use inspectd_core::id::CameraId;

use super::health::HealthLimits;
use super::size::{LARGEST_SIDE, read_size, write_size};
use super::source::Source;
use super::thresholds::{CameraThresholds, Overrides};
use crate::config::field::choice;
use crate::config::group::{Group, Output, Section, group, keys, section};
use crate::config::key::{Key, Unit};
use crate::config::kind::Kind;
use crate::config::values::Part;

const PIXELS: Unit = Unit::Plain("pixels");

/// Description of a text that [`is_name`] accepts.
pub(super) const NAME: &str = "1 to 64 of a-z, 0-9, '-' and '_'";

/// Whether `text` may be the name of a camera, a recipe or a group.
pub(super) fn is_name(text: &str) -> bool {
    text.parse::<CameraId>().is_ok()
}

section! {
    /// One table for each camera, at least one. `ID` is the camera's name in verdicts: 1 to 64 of
    /// `a`-`z`, `0`-`9`, `-` and `_`. Keys marked with sources exist only for cameras with one of these
    /// sources.
    pub struct Camera = "cameras" {
        /// Source of the frames.
        source: Source => Source,

        /// Whether every frame counts, or only the latest.
        mode: Mode => Mode,

        /// The part of the frame that is inspected, after rotation. Unset: the whole frame.
        crop: Option<Crop> => CropKeys,

        /// Clockwise rotation of the frame.
        rotate: Rotation = Key::preset("rotate", Kind::OneOf(&[0, 90, 180, 270]), "0")
            .unit(Unit::Plain("degrees")),

        /// Width and height of frames, pixels. Frames of another size are FAULTs.
        expected_size: Option<[u32; 2]> => ExpectedSize,

        /// Whether frames smaller than the model's input are inspected; otherwise they are FAULTs.
        allow_upscaling: bool = Key::preset("allow_upscaling", Kind::Flag, "false"),

        /// Maximum time to open the source; then the attempt is abandoned and repeated.
        open_timeout: Duration =
            Key::preset("open_timeout_s", Kind::Number(0.1, 300.0), "10").unit(Unit::Seconds),

        /// Maximum time for a frame; then the source counts as stalled, is abandoned and opened again.
        read_timeout: Duration =
            Key::preset("read_timeout_s", Kind::Number(0.1, 300.0), "5").unit(Unit::Seconds),

        /// First pause before a source is opened again. Each failure doubles the pause.
        reopen_after: Duration =
            Key::preset("reopen_after_s", Kind::Number(0.01, 3600.0), "1").unit(Unit::Seconds),

        /// Maximum pause before a source is opened again; at least `reopen_after_s`.
        reopen_after_max: Duration =
            Key::preset("reopen_after_max_s", Kind::Number(0.01, 3600.0), "30").unit(Unit::Seconds),

        /// Maximum time from the exposure of a frame to its delivery: in the camera, the network and the decoder.
        /// Frames count as captured this long before their delivery. Required with `mode = "requested"` for streams
        /// and pipelines, and for devices whose driver gives no timestamps: otherwise a frame from before the request
        /// could be taken. `inspectctl camera latency` measures it. Unset: the timestamps of the driver, or 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        latency: Option<Duration> = Key::unset("latency_ms", Kind::Number(0.0, 60_000.0))
            .unit(Unit::Milliseconds)
            .of(&["device", "url", "gstreamer"]),

        /// Significant bits of grey frames with 16 bits per pixel, such as 12 for Mono12: the largest value of these bits
        /// becomes white, and a larger value is an error. Unset: the highest 8 of 16 bits are used.
        #[serde(skip_serializing_if = "Option::is_none")]
        bit_depth: Option<u32> = Key::unset("bit_depth", Kind::Whole(9, 16))
            .unit(Unit::Plain("bits"))
            .of(&["device", "gstreamer"]),

        /// Checks of the camera's health.
        check: Check => Check,

        /// Thresholds of this camera.
        #[serde(flatten)]
        thresholds: Overrides => CameraThresholds,

        /// The frame that becomes a FAULT when the queue is full: the new one, or the one that has waited
        /// longest. Only with `mode = "triggered"`.
        shed: Shed = Key::preset("shed", Kind::Choice(Shed::WORDS), "newest"),

        /// Maximum time from a frame's capture to its verdict. A verdict that would be later is replaced by
        /// `on_deadline`, in time. Unset: no deadline.
        deadline: Option<Duration> =
            Key::unset("deadline_ms", Kind::Number(1.0, 600_000.0)).unit(Unit::Milliseconds).live(),

        /// Decision of a frame whose verdict misses the deadline.
        on_deadline: NoJudgement =
            Key::preset("on_deadline", Kind::Choice(NoJudgement::WORDS), "fault").live(),

        /// Group of cameras that inspect the same parts: see `[parts]`.
        group: Option<String> = Key::unset("group", Kind::Text(is_name, NAME)),

        /// Whether frames are numbered: the id of the part goes up by one with each frame, and continues from
        /// the last one in the journal. Not with `mode = "requested"`, whose triggers name the parts. A device with
        /// `mode = "free-running"` requires `fps`, by which lost frames are found.
        part_counter: bool = Key::preset("part_counter", Kind::Flag, "false"),
    }
}

impl Group for BTreeMap<CameraId, Camera> {
    type Value = Self;

    fn keys() -> Vec<Key> {
        Camera::keys()
    }

    fn read(values: &Part<'_>) -> Self {
        let camera = |id: &CameraId| (id.clone(), Camera::read(&values.table(id.as_str())));
        values.cameras().iter().map(camera).collect()
    }

    fn write(value: &Self, output: &mut Output<'_>) {
        for (id, camera) in value {
            Camera::write(camera, &mut output.table(id.as_str()));
        }
    }
}

impl Section for BTreeMap<CameraId, Camera> {
    const NAME: &'static str = Camera::NAME;
    const DOC: &'static str = Camera::DOC;
}

impl Camera {
    /// Returns the limits of its frames, with the defaults of its source. Devices count as frozen after 10
    /// repeated frames, as the noise of a sensor makes every frame different. Streams count as frozen after
    /// 250, ten seconds at 25 frames a second: a codec may repeat a still scene until the next key frame, and
    /// cameras send key frames more often than that. Files, folders and the simulator may repeat frames.
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

    /// Returns how many parts in a row may repeat the picture of the part before: 2 where each frame of a live source is
    /// a part, because different parts never give the same pixels.
    pub fn frozen_parts_after(&self) -> Option<u32> {
        let each_is_a_part = self.part_counter || self.mode != Mode::FreeRunning;
        let usual = (self.source.live() && each_is_a_part).then_some(2);
        self.check.limits.frozen_after.or(usual)
    }
}

group! {
    /// `check` of `[cameras.ID]`.
    #[derive(Default)]
    pub struct Check {
        /// Limits that are set. [`Camera::limits`] adds the defaults.
        #[serde(flatten)]
        limits: HealthLimits => HealthLimits,

        /// Image file of the correct view, as captured: before rotation and crop. Requires `expected_width`
        /// and `expected_height`, which must be its size. The file is read with the configuration.
        reference: Option<PathBuf> = Key::unset("check.reference", Kind::Path),
    }
}

choice! {
    /// The frame that a full queue drops.
    pub enum Shed {
        /// The new one.
        Newest = "newest",
        /// The one that has waited longest.
        Oldest = "oldest",
    }
}

choice! {
    /// Decision of a part that could not be inspected in time. Never PASS.
    pub enum NoJudgement {
        /// FAULT.
        Fault = "fault",
        /// REJECT.
        Reject = "reject",
    }
}

/// The part of a frame that is inspected, pixels. `right` and `bottom` are exclusive.
pub type Crop = inspectd_core::preprocess::Crop;

/// A clockwise rotation.
pub type Rotation = inspectd_core::preprocess::Rotation;

/// Treatment of frames that arrive faster than they are inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The latest frame replaces a waiting one, which is counted as skipped.
    FreeRunning,
    /// Up to `queue` frames wait. A file, folder or simulator at full speed waits for room; from other
    /// sources a frame that finds the queue full is a FAULT.
    Triggered {
        /// Frames, 1 to 1024.
        queue: usize,
    },
    /// Only the frame after each request counts.
    Requested {
        /// Maximum number of waiting requests, 1 to 1024.
        queue: usize,
    },
}

keys! {
    /// `free-running`: only the latest frame counts; older waiting frames are skipped. `triggered`: every
    /// frame counts, and a frame that finds the queue full is a FAULT. `requested`: only the frame after each
    /// TriggerInspection counts.
    MODE = Key::preset(
        "mode",
        Kind::Choice(&["free-running", "triggered", "requested"]),
        "free-running",
    );

    /// Maximum number of waiting frames; for `requested`, of waiting requests. Not with
    /// `mode = "free-running"`.
    QUEUE = Key::preset("queue", Kind::Whole(1, 1024), "8").unit(Unit::Plain("frames"));

    /// First column that is inspected, after rotation. All four sides or none.
    CROP_LEFT = Key::unset("crop.left", Kind::Whole(0, LARGEST_SIDE)).unit(PIXELS);

    /// First row that is inspected.
    CROP_TOP = Key::unset("crop.top", Kind::Whole(0, LARGEST_SIDE)).unit(PIXELS);

    /// First column to the right of the inspected part; greater than `left`.
    CROP_RIGHT = Key::unset("crop.right", Kind::Whole(0, LARGEST_SIDE)).unit(PIXELS);

    /// First row below the inspected part; greater than `top`.
    CROP_BOTTOM = Key::unset("crop.bottom", Kind::Whole(0, LARGEST_SIDE)).unit(PIXELS);

    /// Frames of another width are FAULTs. Requires `expected_height`.
    EXPECTED_WIDTH = Key::unset("expected_width", Kind::Whole(1, LARGEST_SIDE)).unit(PIXELS);

    /// Frames of another height are FAULTs. Requires `expected_width`.
    EXPECTED_HEIGHT = Key::unset("expected_height", Kind::Whole(1, LARGEST_SIDE)).unit(PIXELS);
}

impl Group for Mode {
    type Value = Self;

    fn keys() -> Vec<Key> {
        vec![MODE, QUEUE]
    }

    fn read(values: &Part<'_>) -> Self {
        let mode: String = values.read(&MODE);
        match mode.as_str() {
            "triggered" => Self::Triggered {
                queue: values.read(&QUEUE),
            },
            "requested" => Self::Requested {
                queue: values.read(&QUEUE),
            },
            _ => Self::FreeRunning,
        }
    }

    fn write(value: &Self, output: &mut Output<'_>) {
        let (mode, queue) = match value {
            Self::FreeRunning => ("free-running", None),
            Self::Triggered { queue } => ("triggered", Some(*queue)),
            Self::Requested { queue } => ("requested", Some(*queue)),
        };
        output.put(&MODE, &mode.to_owned());
        output.put(&QUEUE, &queue);
    }
}

/// The four sides of a crop, all or none.
struct CropKeys;

impl Group for CropKeys {
    type Value = Option<Crop>;

    fn keys() -> Vec<Key> {
        vec![CROP_LEFT, CROP_TOP, CROP_RIGHT, CROP_BOTTOM]
    }

    fn read(values: &Part<'_>) -> Option<Crop> {
        let side = |key| values.read::<Option<u32>>(key);
        Some(Crop {
            left: side(&CROP_LEFT)?,
            top: side(&CROP_TOP)?,
            right: side(&CROP_RIGHT)?,
            bottom: side(&CROP_BOTTOM)?,
        })
    }

    fn write(value: &Option<Crop>, output: &mut Output<'_>) {
        if let Some(Crop {
            left,
            top,
            right,
            bottom,
        }) = value
        {
            output.put(&CROP_LEFT, left);
            output.put(&CROP_TOP, top);
            output.put(&CROP_RIGHT, right);
            output.put(&CROP_BOTTOM, bottom);
        }
    }
}

struct ExpectedSize;

impl Group for ExpectedSize {
    type Value = Option<[u32; 2]>;

    fn keys() -> Vec<Key> {
        vec![EXPECTED_WIDTH, EXPECTED_HEIGHT]
    }

    fn read(values: &Part<'_>) -> Self::Value {
        read_size(values, &EXPECTED_WIDTH, &EXPECTED_HEIGHT)
    }

    fn write(value: &Self::Value, output: &mut Output<'_>) {
        write_size(*value, output, &EXPECTED_WIDTH, &EXPECTED_HEIGHT);
    }
}
