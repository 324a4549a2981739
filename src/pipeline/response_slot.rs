//! The right to answer for a frame: whoever takes it first, its judgement or its deadline, makes its one
//! verdict.

use std::sync::{Arc, Mutex, PoisonError};

use super::job::Reply;

enum State {
    Open(Option<Reply>),
    Taken,
}

/// One frame's right to a verdict, shared by those who may make it.
#[derive(Clone)]
pub struct ResponseSlot(Arc<Mutex<State>>);

impl std::fmt::Debug for ResponseSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ResponseSlot")
            .field(&self.is_open())
            .finish()
    }
}

impl ResponseSlot {
    /// Nobody has answered yet; `reply` waits for who does.
    pub fn new(reply: Option<Reply>) -> Self {
        Self(Arc::new(Mutex::new(State::Open(reply))))
    }

    /// Takes the right, and who waits for the answer; nothing if somebody has taken it already.
    #[allow(clippy::option_option)] // Whether it was free, and whether anybody waits, are two things.
    pub fn take(&self) -> Option<Option<Reply>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Taken) {
            State::Open(reply) => Some(reply),
            State::Taken => None,
        }
    }

    /// Whether nobody has answered yet.
    pub fn is_open(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*state, State::Open(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_answers() {
        let claim = ResponseSlot::new(None);
        let other = claim.clone();
        assert!(claim.is_open());
        assert!(other.take().is_some());
        assert!(!claim.is_open());
        assert!(claim.take().is_none());
    }
}
