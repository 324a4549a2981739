//! The cameras that run. A recipe may set one anew: it is stopped, and started with what the recipe says.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::camera::{Camera, Sink};
use crate::config::settings;
use crate::pipeline::Active;
use inspectd_core::id::CameraId;

/// How long a camera may take to let go of its device before it is opened anew all the same.
const PATIENCE: Duration = Duration::from_secs(3);

struct Running {
    camera: Camera,
    settings: settings::Camera,
}

/// The cameras that run.
pub struct Cameras {
    sink: Arc<dyn Sink>,
    running: Mutex<BTreeMap<CameraId, Running>>,
}

impl std::fmt::Debug for Cameras {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cameras").finish_non_exhaustive()
    }
}

impl Cameras {
    /// None runs yet.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        Self {
            sink,
            running: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CameraId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts every camera, or sets those anew that are to be otherwise than they are. Waits for the
    /// devices of these, and for nothing else.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn apply(&self, active: &Active) -> io::Result<()> {
        let mut running = self.lock();
        for id in active.settings.cameras.keys() {
            let wanted = active.camera(id);
            let mut frames = 0;
            if let Some(present) = running.get(id) {
                if present.settings == wanted {
                    continue;
                }
                info!(camera = %id, "set anew by the recipe");
            }
            if let Some(present) = running.remove(id) {
                present.camera.stop();
                frames = present.camera.frames();
                if !present.camera.join(Instant::now() + PATIENCE) {
                    warn!(camera = %id, "hangs, and is left behind");
                }
            }
            let camera =
                Camera::start_after(frames, id.clone(), wanted.clone(), Arc::clone(&self.sink))?;
            let settings = wanted;
            running.insert(id.clone(), Running { camera, settings });
        }
        Ok(())
    }

    /// Ends all of them; one that hangs is left behind at the deadline.
    pub fn end(&self, deadline: Instant) {
        let running = std::mem::take(&mut *self.lock());
        for present in running.values() {
            present.camera.stop();
        }
        for present in running.into_values() {
            present.camera.join(deadline);
        }
    }
}
