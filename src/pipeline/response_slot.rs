//! The right to make the one verdict of a frame.
//!
//! The judgement of a frame and its deadline race. The first of them to take the slot makes the verdict.

use std::sync::Arc;

use inspectd_core::record::Verdict;
use parking_lot::Mutex;

/// Delivers a verdict to the caller that waits for it.
pub type Reply = Box<dyn FnOnce(Arc<Verdict>) + Send>;

enum SlotState {
    Open(Option<Reply>),
    Taken,
}

/// The right to make the verdict of one frame, shared by all that may make it.
#[derive(Clone)]
pub struct ResponseSlot(Arc<Mutex<SlotState>>);

impl std::fmt::Debug for ResponseSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ResponseSlot")
            .field(&self.is_open())
            .finish()
    }
}

impl ResponseSlot {
    /// An open slot. `reply` delivers the verdict to a caller that waits for it.
    pub fn new(reply: Option<Reply>) -> Self {
        Self(Arc::new(Mutex::new(SlotState::Open(reply))))
    }

    /// Takes the slot and its reply. Returns `None` if it was taken before.
    #[allow(clippy::option_option)] // Whether the slot was open, and whether a caller waits.
    pub fn take(&self) -> Option<Option<Reply>> {
        match std::mem::replace(&mut *self.0.lock(), SlotState::Taken) {
            SlotState::Open(reply) => Some(reply),
            SlotState::Taken => None,
        }
    }

    /// Whether nothing has taken the slot.
    pub fn is_open(&self) -> bool {
        matches!(*self.0.lock(), SlotState::Open(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_taken_once_by_any_of_its_clones() {
        let slot = ResponseSlot::new(None);
        let clone = slot.clone();
        assert!(slot.is_open());
        assert!(clone.take().is_some());
        assert!(!slot.is_open());
        assert!(slot.take().is_none());
    }
}
