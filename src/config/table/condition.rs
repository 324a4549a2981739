//! The keys of a camera that say from when on its frames show that something is wrong with it. They are
//! part of the table of a camera's keys.

use super::{Key, Kind};
use crate::config::settings::LARGEST_TURN_DEG;

pub(super) const FROZEN: Key = Key::unset(
    "check.frozen_after",
    Kind::Whole(0, LONGEST_RUN),
    "Frames are FAULTs once so many in a row repeat the one before them; 0 for never. If unset, 10 for a \
     device, 250 for `url` and `gstreamer`, whose codecs may repeat a still scene until the next key \
     frame, and never for others, which repeat what they are told to.",
)
.unit("frames")
.live();

pub(super) const FROZEN_DIFFERENCE: Key = Key::preset(
    "check.frozen_difference",
    Kind::Number(0.0, 255.0),
    "0",
    "A frame repeats another if they differ by no more than this on average; 0 for not at all.",
)
.unit("grey levels")
.live();

pub(super) const DARK: Key = Key::unset(
    "check.dark_below",
    Kind::Number(0.0, 255.0),
    "A frame is a FAULT if 99 % of its pixels are darker than this.",
)
.unit("grey levels")
.live();

pub(super) const SATURATED: Key = Key::unset(
    "check.saturated_above",
    Kind::Number(0.0, 1.0),
    "A frame is a FAULT if a larger share of its pixels is clipped, at grey level 250 or more.",
)
.live();

pub(super) const BLURRED: Key = Key::unset(
    "check.blurred_below",
    Kind::Number(0.0, 1.0),
    "A frame is a FAULT if its sharpness is lower: the share of its edges' gradients that one more blur \
     takes away.",
)
.live();

pub(super) const REFERENCE: Key = Key::unset(
    "check.reference",
    Kind::Path,
    "An image file of the view as it should be, as captured: before rotation and crop. Its size is \
     `expected_width` and `expected_height`, which must be set.",
);

pub(super) const SHIFT: Key = Key::unset(
    "check.shift_above",
    Kind::Number(0.0, 0.5),
    "A frame is a FAULT if its view has shifted from the reference's by more than this fraction of the \
     longer side. Needs `check.reference`.",
)
.live();

pub(super) const TURN: Key = Key::unset(
    "check.turn_above_deg",
    Kind::Number(0.0, TURN_LIMIT_DEG),
    "A frame is a FAULT if its view has turned from the reference's by more than this. Needs \
     `check.reference`.",
)
.unit("degrees")
.live();

/// A million frames are more than half a day at 20 a second.
const LONGEST_RUN: u64 = 1_000_000;

/// A turn of this much is still told from a larger one.
const TURN_LIMIT_DEG: f64 = LARGEST_TURN_DEG as f64 - 1.0;
