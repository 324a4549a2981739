//! The next frame of a camera, for people who set it up.

use std::time::SystemTime;

use inspectd_core::frame::Frame;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::camera::Captured;

/// Maximum number of calls that wait for the next frame of a camera.
const WAITING_LIMIT: usize = 16;

/// A frame as captured, before rotation and crop.
#[derive(Clone, Debug)]
pub struct CameraFrame {
    /// Number of the frame.
    pub frame_id: u64,
    /// When it was captured.
    pub captured: SystemTime,
    /// The pixels.
    pub frame: Frame,
}

/// Those who wait for the next frame of a camera.
#[derive(Debug, Default)]
pub(super) struct FrameWaiters(Mutex<Vec<oneshot::Sender<CameraFrame>>>);

impl FrameWaiters {
    /// Waits for the next frame; none if too many wait already.
    pub(super) fn wait(&self) -> Option<oneshot::Receiver<CameraFrame>> {
        let mut waiting = self.0.lock();
        waiting.retain(|sender| !sender.is_closed());
        if waiting.len() >= WAITING_LIMIT {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        waiting.push(sender);
        Some(receiver)
    }

    /// Delivers a capture to those who wait, unless its frame is not usable.
    pub(super) fn deliver(&self, captured: &Captured) {
        let Ok(frame) = &captured.frame else { return };
        for sender in std::mem::take(&mut *self.0.lock()) {
            // Without effect if the caller has gone.
            let _ = sender.send(CameraFrame {
                frame_id: captured.frame_id,
                captured: captured.moment.utc,
                frame: frame.clone(),
            });
        }
    }
}
