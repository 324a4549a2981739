//! The limits from which on a camera's frames are faulty.

use serde::Serialize;

/// The largest turn that is found, degrees either way.
pub const LARGEST_TURN_DEG: f32 = 10.0;

/// The limits of one camera. A check without a limit is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct HealthLimits {
    /// Frozen once so many frames in a row repeat the one before them; 0 and unset for never.
    pub frozen_after: Option<u32>,
    /// A frame repeats another if its pixels differ by no more than this on average, grey levels.
    pub frozen_difference: f32,
    /// Dark if 99 % of the pixels are below this grey level.
    pub dark_below: Option<f32>,
    /// Saturated if a larger share of the pixels is clipped.
    pub saturated_above: Option<f32>,
    /// Blurred if the sharpness is lower, 0 to 1.
    pub blurred_below: Option<f32>,
    /// Moved if the view has shifted by more, as a fraction of the frame's longer side.
    pub shift_above: Option<f32>,
    /// Moved if the view has turned by more either way, degrees.
    pub turn_above_deg: Option<f32>,
}
