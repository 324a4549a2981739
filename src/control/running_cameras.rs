//! The running cameras. A recipe may change a camera's settings: it is then stopped and started again.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd_core::id::CameraId;
use parking_lot::Mutex;
use thiserror::Error;
use tracing::{info, warn};

use crate::camera::{Camera, Sink};
use crate::clock::SharedClock;
use crate::config::settings;
use crate::pipeline::Active;

/// Maximum wait until a camera has closed its device before it is opened again.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a camera does not run with the settings of a recipe.
#[derive(Debug, Error)]
#[error("camera {camera}: {reason}")]
pub struct RestartError {
    camera: CameraId,
    reason: String,
}

impl RestartError {
    fn failed<E: ToString>(camera: &CameraId) -> impl Fn(E) -> Self {
        move |reason| Self {
            camera: camera.clone(),
            reason: reason.to_string(),
        }
    }
}

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

    /// Starts all cameras.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(&self, active: &Active) -> io::Result<()> {
        let mut running = self.running.lock();
        for id in active.settings.cameras.keys() {
            let started = self.start_camera(id, active.camera(id), 0)?;
            running.insert(id.clone(), started);
        }
        Ok(())
    }

    /// Returns the cameras whose settings differ between the active settings and the next ones.
    pub fn changed(&self, active: &Active, next: &Active) -> Vec<CameraId> {
        let ids = active.settings.cameras.keys();
        ids.filter(|id| active.camera(id) != next.camera(id))
            .cloned()
            .collect()
    }

    /// Restarts these cameras with the settings of `active`, and waits until each of them is open. The source checks
    /// that it has its exposure and gain before it counts as open.
    ///
    /// # Errors
    /// When a camera does not open with these settings. All of them have been restarted.
    pub fn restart(&self, ids: &[CameraId], active: &Active) -> Result<(), RestartError> {
        let mut openings = Vec::new();
        {
            let mut running = self.running.lock();
            for id in ids {
                let frames = running
                    .remove(id)
                    .map_or(0, |running| self.stop(id, running));
                let started = self.start_camera(id, active.camera(id), frames);
                let started = started.map_err(RestartError::failed(id))?;
                let timeout = started.settings.open_timeout;
                openings.push((id, started.camera.first_opening(), timeout));
                running.insert(id.clone(), started);
            }
        }
        // Without the lock: the cameras can be stopped meanwhile.
        let failures = openings.iter().map(|(id, opening, timeout)| {
            let deadline = self.clock.now().monotonic + *timeout;
            opening.wait(deadline).map_err(RestartError::failed(id))
        });
        // Each camera is waited for, although the first failure is returned.
        failures.fold(Ok(()), Result::and)
    }

    fn start_camera(
        &self,
        id: &CameraId,
        settings: settings::Camera,
        frames: u64,
    ) -> io::Result<RunningCamera> {
        let camera = Camera::start_after(
            frames,
            id.clone(),
            settings.clone(),
            Arc::clone(&self.sink),
            self.clock.clone(),
        )?;
        Ok(RunningCamera { camera, settings })
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
