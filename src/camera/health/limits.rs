//! Judges the measurements of a frame against the limits. Pure.

use thiserror::Error;

use super::Measurements;
use crate::config::settings::HealthLimits;

/// A fault of a camera that its frames show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HealthFault {
    /// No light, or a covered lens.
    Dark,
    /// Too much light.
    Saturated,
    /// The same image repeatedly.
    Frozen,
    /// Out of focus, dirty, or moving.
    Blurred,
    /// The camera or its view has moved.
    ViewMoved,
}

impl HealthFault {
    /// All faults, in the order of precedence.
    pub const ALL: [Self; 5] = [
        Self::Dark,
        Self::Saturated,
        Self::Frozen,
        Self::Blurred,
        Self::ViewMoved,
    ];

    /// `dark`, `saturated`, `frozen`, `blurred` or `view_moved`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Saturated => "saturated",
            Self::Frozen => "frozen",
            Self::Blurred => "blurred",
            Self::ViewMoved => "view_moved",
        }
    }
}

/// A fault found in a frame.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct Finding {
    /// The kind.
    pub kind: HealthFault,
    /// The measured value and the limit, for people.
    pub message: String,
}

impl HealthLimits {
    /// Whether all checks are off, so that nothing needs to be measured.
    pub fn are_off(&self) -> bool {
        let numbers = [
            self.dark_below,
            self.saturated_above,
            self.blurred_below,
            self.shift_above,
            self.turn_above_deg,
        ];
        self.frozen_after.unwrap_or(0) == 0 && numbers.iter().all(Option::is_none)
    }

    /// Returns the first fault in the order of [`HealthFault::ALL`]: a dark frame cannot be sharp and
    /// repeats itself; a frozen one says nothing about focus and view; a blurred one is hard to align.
    pub fn judge(&self, measured: &Measurements) -> Option<Finding> {
        HealthFault::ALL.into_iter().find_map(|kind| {
            let message = match kind {
                HealthFault::Dark => self.dark(measured),
                HealthFault::Saturated => self.saturated(measured),
                HealthFault::Frozen => self.frozen(measured),
                HealthFault::Blurred => self.blurred(measured),
                HealthFault::ViewMoved => self.moved(measured),
            };
            message.map(|message| Finding { kind, message })
        })
    }

    fn dark(&self, measured: &Measurements) -> Option<String> {
        let (limit, found) = (self.dark_below?, measured.brightness);
        (found < limit).then(|| {
            format!("dark: 99 % of the pixels are at grey level {found:.0} or below, limit {limit}")
        })
    }

    fn saturated(&self, measured: &Measurements) -> Option<String> {
        let (limit, found) = (self.saturated_above?, measured.clipped);
        (found > limit).then(|| {
            format!("saturated: a share of {found:.3} of the pixels is clipped, limit {limit}")
        })
    }

    fn frozen(&self, measured: &Measurements) -> Option<String> {
        let (limit, found) = (self.frozen_after?, measured.repeats);
        (limit > 0 && found >= limit).then(|| {
            let difference = self.frozen_difference;
            format!("frozen: {found} frames in a row differ by at most {difference} grey levels, limit {limit}")
        })
    }

    fn blurred(&self, measured: &Measurements) -> Option<String> {
        let limit = self.blurred_below?;
        let found = measured.sharpness?;
        (found < limit).then(|| format!("blurred: sharpness {found:.3}, limit {limit}"))
    }

    fn moved(&self, measured: &Measurements) -> Option<String> {
        let view = measured.view?;
        let likeness = view.likeness;
        if let Some(limit) = self.shift_above
            && view.shift > limit
        {
            let found = view.shift;
            return Some(format!(
                "view moved: shifted by {found:.3} of the longer side, limit {limit} (likeness {likeness:.2})"
            ));
        }
        let (limit, found) = (self.turn_above_deg?, view.turn_deg);
        (found.abs() > limit).then(|| {
            format!(
                "view moved: rotated by {found:.1} degrees clockwise, limit {limit} (likeness {likeness:.2})"
            )
        })
    }
}
