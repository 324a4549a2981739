//! A process-wide lock for opening sources.
//!
//! OpenCV's FFMPEG backend holds a lock of the whole process while it opens a source, so one camera that
//! does not answer would block all others that open. Waiting for this lock instead has a limit, and does
//! not count as a stall of the waiting camera.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::error::SourceError;

static LOCKED: Mutex<bool> = Mutex::new(false);
static UNLOCKED: Condvar = Condvar::new();

/// The acquired lock; released when dropped.
#[derive(Debug)]
pub struct OpenLock(());

/// Waits for the lock, and calls `queued` when the wait begins and ends.
///
/// # Errors
/// When it takes longer than `limit`.
pub fn acquire(limit: Duration, queued: &dyn Fn(bool)) -> Result<OpenLock, SourceError> {
    queued(true);
    let lock = acquire_within(limit);
    queued(false);
    lock.ok_or(SourceError::Busy)
}

fn acquire_within(limit: Duration) -> Option<OpenLock> {
    let mut locked = LOCKED.lock();
    let wait = UNLOCKED.wait_while_for(&mut locked, |locked| *locked, limit);
    if wait.timed_out() && *locked {
        return None;
    }
    *locked = true;
    Some(OpenLock(()))
}

impl Drop for OpenLock {
    fn drop(&mut self) {
        *LOCKED.lock() = false;
        UNLOCKED.notify_one();
    }
}
