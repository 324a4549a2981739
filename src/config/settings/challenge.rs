//! The section of the challenge.

use std::path::PathBuf;
use std::time::Duration;

use inspectd_core::id::CameraId;

use crate::config::field::choice;
use crate::config::group::section;
use crate::config::key::{Key, Unit};
use crate::config::kind::Kind;

choice! {
    /// What a failed challenge does to the frames of the line.
    pub enum ChallengeFailure {
        /// Each becomes a FAULT.
        Fault = "fault",
        /// They are judged; an alarm is active.
        Alarm = "alarm",
    }
}

section! {
    /// A challenge: pictures of known parts that are judged at the start, after each change of model, recipe and thresholds, at
    /// intervals, and on command. It shows that the line still tells good parts from bad ones.
    pub struct Challenge = "challenge" {
        /// Folder with the pictures, as the camera takes them: good parts in `good`, defective ones in any other
        /// subfolder, such as `scratch`. Unset: no challenge.
        folder: Option<PathBuf> = Key::unset("folder", Kind::Path),

        /// The camera whose crop, rotation and thresholds apply. Unset: no crop and rotation, and the general
        /// thresholds.
        camera: Option<CameraId> = Key::unset("camera", Kind::Text(is_camera, CAMERA)),

        /// Interval of the challenge. Unset: only at the start, after changes and on command.
        interval: Option<Duration> =
            Key::unset("interval_s", Kind::Number(10.0, 31_536_000.0)).unit(Unit::Seconds),

        /// Pictures of good parts that may be REJECT without failing the challenge.
        false_reject_limit: usize = Key::preset("max_false_rejects", Kind::Whole(0, 100_000), "0"),

        /// Pictures of defective parts that may be PASS without failing the challenge.
        miss_limit: usize = Key::preset("max_misses", Kind::Whole(0, 100_000), "0"),

        /// What a failed challenge does to the frames of the line. `fault`: each becomes a FAULT, until the challenge passes.
        /// `alarm`: they are judged, and an alarm is active.
        on_failure: ChallengeFailure =
            Key::preset("on_failure", Kind::Choice(ChallengeFailure::WORDS), "fault"),
    }
}

/// Description of an id of a camera.
const CAMERA: &str = "the id of a camera";

fn is_camera(text: &str) -> bool {
    text.parse::<CameraId>().is_ok()
}

impl Challenge {
    /// Whether no key is set: the section came after version 0.1 and is then not part of the hash.
    pub fn is_unset(&self) -> bool {
        self.folder.is_none()
    }
}
