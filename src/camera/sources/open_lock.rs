//! Turns at opening: OpenCV's FFMPEG backend holds a lock of the whole process while it opens a source,
//! so one camera that is silent would hang all others that open. Waiting for the turn here rather than
//! there has a limit, and is no stall of the one who waits.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::SourceError;

static TAKEN: Mutex<bool> = Mutex::new(false);
static FREE: Condvar = Condvar::new();

/// A turn; over when it is dropped.
#[derive(Debug)]
pub struct Turn(());

/// Waits for a turn, and tells `queued` when the wait begins and ends.
///
/// # Errors
/// When it takes longer than `limit`.
pub fn queue(limit: Duration, queued: &dyn Fn(bool)) -> Result<Turn, SourceError> {
    queued(true);
    let turn = take(limit);
    queued(false);
    turn.ok_or(SourceError::Busy)
}

fn take(limit: Duration) -> Option<Turn> {
    // A boolean is whole whatever panicked.
    let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut taken, wait) = FREE
        .wait_timeout_while(taken, limit, |taken| *taken)
        .unwrap_or_else(PoisonError::into_inner);
    if wait.timed_out() {
        return None;
    }
    *taken = true;
    Some(Turn(()))
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
        FREE.notify_one();
    }
}
