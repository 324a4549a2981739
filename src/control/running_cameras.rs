//! The running cameras. A recipe may change a camera's settings: it is then stopped and started again.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd_core::id::CameraId;
use parking_lot::Mutex;
use tracing::{info, warn};

use crate::camera::{Camera, Sink};
use crate::clock::SharedClock;
use crate::config::settings;
use crate::pipeline::Active;

/// Maximum wait until a camera has closed its device before it is opened again.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

struct RunningCamera {
    camera: Camera,
    settings: settings::Camera,
}

/// The running cameras.
pub struct RunningCameras {
    sink: Arc<dyn Sink>,
    clock: SharedClock,
    running: Mutex<BTreeMap<CameraId, RunningCamera>>,
}

impl std::fmt::Debug for RunningCameras {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningCameras").finish_non_exhaustive()
    }
}

impl RunningCameras {
    /// No camera runs yet.
    pub fn new(sink: Arc<dyn Sink>, clock: SharedClock) -> Self {
        Self {
            sink,
            clock,
            running: Mutex::default(),
        }
    }

    /// Starts all cameras, and restarts those whose settings changed. Waits only for the devices of the
    /// latter.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn apply(&self, active: &Active) -> io::Result<()> {
        let mut running = self.running.lock();
        for id in active.settings.cameras.keys() {
            let settings = active.camera(id);
            if running
                .get(id)
                .is_some_and(|running| running.settings == settings)
            {
                continue;
            }
            let frames = running
                .remove(id)
                .map_or(0, |running| self.stop(id, running));
            let camera = Camera::start_after(
                frames,
                id.clone(),
                settings.clone(),
                Arc::clone(&self.sink),
                self.clock.clone(),
            )?;
            running.insert(id.clone(), RunningCamera { camera, settings });
        }
        Ok(())
    }

    /// Stops a camera in order to restart it; returns the number of its frames.
    fn stop(&self, id: &CameraId, running: RunningCamera) -> u64 {
        info!(camera = %id, "the recipe changes the camera's settings; restarting it");
        running.camera.stop();
        let frames = running.camera.frames();
        let deadline = self.clock.now().monotonic + STOP_TIMEOUT;
        if !running.camera.join(deadline) {
            warn!(camera = %id, "the camera did not stop in time; thread abandoned");
        }
        frames
    }

    /// Stops all cameras. A camera that does not stop until the deadline is abandoned.
    pub fn stop_all(&self, deadline: Instant) {
        let running = std::mem::take(&mut *self.running.lock());
        for running in running.values() {
            running.camera.stop();
        }
        for running in running.into_values() {
            running.camera.join(deadline);
        }
    }
}
