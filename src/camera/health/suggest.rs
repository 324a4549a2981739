//! Suggests limits from the measurements of good frames.

use super::Measurements;
use crate::config::settings::{HealthLimits, LARGEST_TURN_DEG};

/// A dark frame has less than this share of the light of the darkest good one.
const DARK: f32 = 0.5;

/// Clipped pixels may grow by this share of the pixels that are not clipped in the worst good frame.
const SATURATED: f32 = 0.2;

/// A blurred frame has less than this share of the sharpness of the softest good one.
const BLURRED: f32 = 0.85;

/// A moved view has moved by this factor more than the good frame that is farthest off, and at least by
/// the distance that is measured reliably: a pixel of the compared images.
const MOVED: f32 = 1.25;
const LEAST_SHIFT: f32 = 0.01;
const LEAST_TURN_DEG: f32 = 1.0;

impl HealthLimits {
    /// Returns limits that all of the good frames satisfy, with a margin. None without a frame, or if their
    /// views are too far apart for any limit.
    ///
    /// The check for frozen frames is off: it depends on the source and not on its images.
    pub fn suggested(good: &[Measurements]) -> Option<Self> {
        let each = |value: fn(&Measurements) -> f32| good.iter().map(value);
        let dark = each(|m| m.brightness).reduce(f32::min)? * DARK;
        let clipped = each(|m| m.clipped).reduce(f32::max)?;
        let softest = good.iter().filter_map(|m| m.sharpness).reduce(f32::min);
        let views = || good.iter().filter_map(|m| m.view);
        let shift = views().map(|view| view.shift).reduce(f32::max);
        let turn = views().map(|view| view.turn_deg.abs()).reduce(f32::max);
        Some(Self {
            dark_below: Some(dark),
            saturated_above: Some(clipped + (1.0 - clipped) * SATURATED),
            blurred_below: softest.map(|sharpness| sharpness * BLURRED),
            shift_above: shift.map(|shift| (shift * MOVED).max(LEAST_SHIFT)),
            turn_above_deg: turn
                .map(|turn| (turn * MOVED).max(LEAST_TURN_DEG))
                .filter(|turn| *turn < LARGEST_TURN_DEG),
            ..Self::default()
        })
    }
}
