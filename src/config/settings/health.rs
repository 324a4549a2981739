//! Limits beyond which the frames of a camera are faults.

use crate::config::group::group;
use crate::config::key::{Key, Unit};
use crate::config::kind::Kind;

/// The largest rotation that is measured, degrees in either direction.
pub const LARGEST_TURN_DEG: f32 = 10.0;

/// The largest limit of rotation: a larger rotation can still be measured.
const TURN_LIMIT_DEG: f64 = LARGEST_TURN_DEG as f64 - 1.0;

/// More than half a day at 20 frames a second.
const LONGEST_RUN: u64 = 1_000_000;

const GREY_LEVELS: Unit = Unit::Plain("grey levels");

group! {
    /// Limits of one camera. A check without a limit is off.
    #[derive(Copy, Default)]
    pub struct HealthLimits {
        /// Frames are FAULTs once this many in a row repeat the frame before them; 0 for never. Unset: 10 for
        /// a device; 250 for `url` and `gstreamer`, whose codecs may repeat a still scene until the next key
        /// frame; never for other sources, whose recorded or rendered frames may repeat. Where each frame of a live
        /// source is a part (`triggered`, `requested`, `part_counter`), parts are FAULTs once 2 in a row repeat
        /// the part before.
        frozen_after: Option<u32> = Key::unset("check.frozen_after", Kind::Whole(0, LONGEST_RUN))
            .unit(Unit::Plain("frames"))
            .live(),

        /// A frame repeats another if their mean absolute difference is at most this; 0: only if they are
        /// identical.
        frozen_difference: f32 =
            Key::preset("check.frozen_difference", Kind::Number(0.0, 255.0), "0")
                .unit(GREY_LEVELS)
                .live(),

        /// A frame is a FAULT if 99 % of its pixels are darker than this.
        dark_below: Option<f32> = Key::unset("check.dark_below", Kind::Number(0.0, 255.0))
            .unit(GREY_LEVELS)
            .live(),

        /// A frame is a FAULT if a larger fraction of its pixels is clipped, at grey level 250 or more.
        saturated_above: Option<f32> =
            Key::unset("check.saturated_above", Kind::Number(0.0, 1.0)).live(),

        /// A frame is a FAULT if its sharpness is lower: the fraction of its edges' gradients that another
        /// blur removes.
        blurred_below: Option<f32> =
            Key::unset("check.blurred_below", Kind::Number(0.0, 1.0)).live(),

        /// A frame is a FAULT if its view has shifted from the reference's by more than this fraction of the
        /// longer side. Requires `check.reference`.
        shift_above: Option<f32> = Key::unset("check.shift_above", Kind::Number(0.0, 0.5)).live(),

        /// A frame is a FAULT if its view has rotated from the reference's by more than this, in either
        /// direction. Requires `check.reference`.
        turn_above_deg: Option<f32> =
            Key::unset("check.turn_above_deg", Kind::Number(0.0, TURN_LIMIT_DEG))
                .unit(Unit::Plain("degrees"))
                .live(),
    }
}
