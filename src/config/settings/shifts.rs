//! The section of shifts.

use crate::config::group::section;
use crate::config::key::Key;
use crate::config::kind::Kind;
use crate::shift::ShiftStarts;

/// The default of the starts.
const STARTS: &str = "06:00, 14:00, 22:00";

section! {
    /// Shifts: the status and the page show the numbers of verdicts since the present shift started.
    pub struct Shifts = "shifts" {
        /// Times of day at which a shift starts, which is also when the one before it ends. They are times of the time zone of
        /// the machine (`TZ`, otherwise `/etc/localtime`), in any order. A start that is left out because clocks are set forward is the
        /// moment at which they are set; one that comes twice because they are set back is the first of the two. As an environment
        /// variable: separated by commas. If a reload changes the start of the present shift, its verdicts are counted again
        /// by the journal; without one, from zero.
        starts: ShiftStarts = Key::preset("starts", Kind::Times, STARTS).live(),
    }
}

impl Shifts {
    /// Whether the starts are the default: the section came after version 0.1 and is then not part of the hash.
    pub fn is_usual(&self) -> bool {
        self.starts.to_string() == STARTS
    }
}
