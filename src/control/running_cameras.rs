//! The running cameras. A recipe or a reload may change a camera's exposure or gain: it is then stopped and started again.
//! A camera can be paused: it is stopped until it is resumed. A reload adds and removes cameras.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd_core::id::CameraId;
use parking_lot::Mutex;
use thiserror::Error;
use tracing::{info, warn};

use crate::camera::{Camera, FirstOpening, Sink};
use crate::clock::SharedClock;
use crate::config::settings;
use crate::on_panic::Failed;
use crate::pipeline::Active;

/// Maximum wait until a camera has closed its device before it is opened again.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a camera does not run with other settings.
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

/// A configured camera.
struct Slot {
    /// None while it is restarted, and if its thread could not be started.
    camera: Option<Camera>,
    /// Frames that it had delivered when it was stopped last.
    frames: u64,
    /// Whether it is not started until it is resumed.
    paused: bool,
}

/// The cameras, until all are stopped.
#[derive(Default)]
struct Slots {
    cameras: BTreeMap<CameraId, Slot>,
    /// No further camera is started.
    closed: bool,
}

/// Starts a camera that has delivered this many frames before.
type StartCamera = dyn Fn(u64, &CameraId, settings::Camera) -> io::Result<Camera> + Send + Sync;

/// The running cameras.
pub struct RunningCameras {
    start_camera: Box<StartCamera>,
    clock: SharedClock,
    slots: Mutex<Slots>,
}

impl std::fmt::Debug for RunningCameras {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningCameras").finish_non_exhaustive()
    }
}

impl RunningCameras {
    /// No camera runs yet. `failed` is called if the thread that supervises a camera panics.
    pub fn new(sink: Arc<dyn Sink>, clock: SharedClock, failed: Failed) -> Self {
        let camera_clock = clock.clone();
        let start_camera = move |frames, id: &CameraId, settings| {
            let (sink, clock) = (Arc::clone(&sink), camera_clock.clone());
            Camera::start_after(
                frames,
                id.clone(),
                settings,
                sink,
                clock,
                Arc::clone(&failed),
            )
        };
        Self::starting(Box::new(start_camera), clock)
    }

    /// Like [`Self::new`], with the given function to start a camera.
    fn starting(start_camera: Box<StartCamera>, clock: SharedClock) -> Self {
        Self {
            start_camera,
            clock,
            slots: Mutex::default(),
        }
    }

    /// Starts all cameras but those that are paused.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(&self, active: &Active, paused: &BTreeSet<CameraId>) -> io::Result<()> {
        let mut slots = self.slots.lock();
        for id in active.settings.cameras.keys() {
            let paused = paused.contains(id);
            let camera = if paused {
                None
            } else {
                Some((self.start_camera)(0, id, active.camera(id))?)
            };
            let slot = Slot {
                camera,
                frames: 0,
                paused,
            };
            slots.cameras.insert(id.clone(), slot);
        }
        Ok(())
    }

    /// Starts a camera that was added. Its opening is not waited for.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn add(&self, id: &CameraId, active: &Active) -> Result<(), RestartError> {
        let slot = Slot {
            camera: None,
            frames: 0,
            paused: false,
        };
        self.slots.lock().cameras.insert(id.clone(), slot);
        self.resume(id, active)
    }

    /// Stops a camera and removes it from the line.
    pub fn remove(&self, id: &CameraId) {
        self.stop([id].into_iter(), "it is removed");
        self.slots.lock().cameras.remove(id);
    }

    /// Stops a camera until it is resumed.
    pub fn pause(&self, id: &CameraId) {
        if let Some(slot) = self.slots.lock().cameras.get_mut(id) {
            slot.paused = true;
        }
        self.stop([id].into_iter(), "it is paused");
    }

    /// Starts a paused camera. Its opening is not waited for.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn resume(&self, id: &CameraId, active: &Active) -> Result<(), RestartError> {
        if let Some(slot) = self.slots.lock().cameras.get_mut(id) {
            slot.paused = false;
        }
        let next = BTreeMap::from([(id.clone(), active.camera(id))]);
        let mut openings = self.start_stopped(&next).into_iter();
        let started = openings.try_for_each(|(_, opening)| opening.map(drop));
        started.map_err(RestartError::failed(id))
    }

    /// Returns the cameras of both settings, without paused ones, whose exposure or gain differs between the active
    /// settings and the next ones.
    pub fn changed(&self, active: &Active, next: &Active) -> Vec<CameraId> {
        let ids = active.settings.cameras.keys();
        let stays = |id: &&CameraId| next.settings.cameras.contains_key(*id);
        let slots = self.slots.lock();
        let is_paused = |id: &CameraId| slots.cameras.get(id).is_some_and(|slot| slot.paused);
        ids.filter(stays)
            .filter(|id| !active.same_controls(next, id) && !is_paused(id))
            .cloned()
            .collect()
    }

    /// Restarts these cameras with the settings of `active`, and waits until each of them is open. The source checks
    /// that it has its exposure and gain before it counts as open.
    ///
    /// # Errors
    /// The first camera that does not open with these settings. All others have been restarted.
    pub fn restart(&self, ids: &[CameraId], active: &Active) -> Result<(), RestartError> {
        let next = ids.iter().map(|id| (id.clone(), active.camera(id)));
        self.restart_with(&next.collect())
    }

    /// Restarts each of these cameras with its settings. The cameras are waited for without the lock, so that all can
    /// be stopped meanwhile.
    fn restart_with(
        &self,
        next: &BTreeMap<CameraId, settings::Camera>,
    ) -> Result<(), RestartError> {
        self.stop(next.keys(), "its exposure or gain changes");
        let openings = self.start_stopped(next);
        let started = self.clock.now().monotonic;
        let results = openings.into_iter().map(|(id, opening)| {
            let deadline = started + next[id].open_timeout;
            let opened = opening.and_then(|opening| opening.wait(deadline));
            opened.map_err(RestartError::failed(id))
        });
        // Each camera is waited for, although the first failure is returned.
        results.fold(Ok(()), Result::and)
    }

    /// Stops these cameras, all at the same time.
    fn stop<'a>(&self, ids: impl Iterator<Item = &'a CameraId>, reason: &str) {
        let mut stopping = Vec::new();
        {
            let mut slots = self.slots.lock();
            for id in ids {
                let Some(slot) = slots.cameras.get_mut(id) else {
                    continue;
                };
                if let Some(camera) = slot.camera.take() {
                    info!(camera = %id, reason, "the camera is stopped");
                    camera.stop();
                    slot.frames = camera.frames();
                    stopping.push((id, camera));
                }
            }
        }
        let deadline = self.clock.now().monotonic + STOP_TIMEOUT;
        for (id, camera) in stopping {
            if !camera.join(deadline) {
                warn!(camera = %id, "the camera did not stop in time; thread abandoned");
            }
        }
    }

    /// Starts these cameras, which were stopped; returns the opening of each, or why its thread was not started.
    fn start_stopped<'a>(
        &self,
        next: &'a BTreeMap<CameraId, settings::Camera>,
    ) -> Vec<(&'a CameraId, Result<FirstOpening, String>)> {
        let mut slots = self.slots.lock();
        let Slots { cameras, closed } = &mut *slots;
        let mut start = |id: &CameraId, settings: &settings::Camera| {
            if *closed {
                return Err("the daemon is stopping".to_owned());
            }
            let slot = cameras.get_mut(id).ok_or("it is not configured")?;
            let camera = (self.start_camera)(slot.frames, id, settings.clone());
            let camera = camera.map_err(|error| error.to_string())?;
            Ok(slot.camera.insert(camera).first_opening())
        };
        next.iter()
            .map(|(id, settings)| (id, start(id, settings)))
            .collect()
    }

    /// Stops all cameras; none is started after that. A camera that does not stop until the deadline is abandoned.
    pub fn stop_all(&self, deadline: Instant) {
        let stopped = Slots {
            cameras: BTreeMap::new(),
            closed: true,
        };
        let slots = std::mem::replace(&mut *self.slots.lock(), stopped);
        let cameras = slots.cameras.into_values();
        let cameras: Vec<Camera> = cameras.filter_map(|slot| slot.camera).collect();
        for camera in &cameras {
            camera.stop();
        }
        for camera in cameras {
            camera.join(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;
    use crate::camera::{CameraEvent, Captured};
    use crate::clock::{Clock, SystemClock};
    use crate::config::parse;

    /// Much more than anything here takes, even on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// The settings of three simulated cameras.
    fn settings() -> BTreeMap<CameraId, settings::Camera> {
        let camera =
            |id| format!("[cameras.{id}]\nsource = \"simulator\"\nwidth = 32\nheight = 32\n");
        let cameras = ["a", "b", "c"].map(camera).concat();
        let text = format!("model.bundle = \"b\"\n{cameras}");
        let loaded = parse(Path::new("inspectd.toml"), &text, &[]);
        loaded.expect("a configuration").settings.cameras
    }

    /// Cameras that were not started yet.
    fn stopped(cameras: RunningCameras) -> RunningCameras {
        for id in settings().into_keys() {
            let slot = Slot {
                camera: None,
                frames: 0,
                paused: false,
            };
            cameras.slots.lock().cameras.insert(id, slot);
        }
        cameras
    }

    fn wait_until(what: &str, condition: impl Fn() -> bool) {
        let deadline = SystemClock.now().monotonic + PATIENCE;
        while !condition() {
            assert!(SystemClock.now().monotonic < deadline, "never: {what}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn stop_all(cameras: &RunningCameras) {
        cameras.stop_all(SystemClock.now().monotonic + PATIENCE);
    }

    /// Takes frames; while it is blocked, each frame waits.
    #[derive(Default)]
    struct Blockable {
        blocked: AtomicBool,
        /// Cameras with a frame that waits.
        waiting: Mutex<BTreeSet<CameraId>>,
        /// Cameras that were asked to stop while their frame waited.
        stopping: Mutex<BTreeSet<CameraId>>,
    }

    impl Sink for Blockable {
        fn captured(&self, id: &CameraId, _: Captured, _: bool, stopped: &dyn Fn() -> bool) {
            while self.blocked.load(Ordering::Relaxed) {
                self.waiting.lock().insert(id.clone());
                if stopped() {
                    self.stopping.lock().insert(id.clone());
                }
                thread::sleep(Duration::from_millis(1));
            }
        }

        fn event(&self, _: &CameraId, _: CameraEvent) {}
    }

    #[test]
    fn camera_that_cannot_be_started_keeps_no_other_from_being_started_and_continues_its_count() {
        let refuses = Arc::new(AtomicBool::new(false));
        let started = Arc::new(Mutex::new(Vec::new()));
        let (refusing, starts) = (Arc::clone(&refuses), Arc::clone(&started));
        let start = move |frames, id: &CameraId, settings| {
            starts.lock().push((id.to_string(), frames));
            if id.as_str() == "a" && refusing.load(Ordering::Relaxed) {
                return Err(io::Error::other("no thread"));
            }
            let sink = Arc::new(Blockable::default());
            let clock = Arc::new(SystemClock);
            Camera::start_after(frames, id.clone(), settings, sink, clock, Arc::new(|| ()))
        };
        let cameras = RunningCameras::starting(Box::new(start), Arc::new(SystemClock));
        let cameras = stopped(cameras);
        let settings = settings();
        cameras.restart_with(&settings).expect("all start");
        let frames = || {
            let slots = cameras.slots.lock();
            let frames = |slot: &Slot| slot.camera.as_ref().map_or(slot.frames, Camera::frames);
            slots.cameras.values().map(frames).collect::<Vec<_>>()
        };
        wait_until("frames", || frames().iter().all(|frames| *frames > 0));

        refuses.store(true, Ordering::Relaxed);
        started.lock().clear();
        let refused = cameras
            .restart_with(&settings)
            .expect_err("one does not start");
        assert_eq!(refused.to_string(), "camera a: no thread");
        let ids = |starts: &[(String, u64)]| {
            let ids = starts.iter().map(|(id, _)| id.as_str());
            ids.collect::<String>()
        };
        assert_eq!(ids(&started.lock()), "abc");

        refuses.store(false, Ordering::Relaxed);
        started.lock().clear();
        cameras.restart_with(&settings).expect("all start");
        let again = started.lock().clone();
        assert_eq!(ids(&again), "abc");
        assert!(again[0].1 > 0, "{again:?}");
        stop_all(&cameras);
    }

    #[test]
    fn cameras_are_stopped_at_the_same_time_and_without_the_lock() {
        let sink = Arc::new(Blockable::default());
        let clock: SharedClock = Arc::new(SystemClock);
        let shared: Arc<dyn Sink> = Arc::<Blockable>::clone(&sink);
        let cameras = stopped(RunningCameras::new(shared, clock, Arc::new(|| ())));
        let settings = settings();
        cameras.restart_with(&settings).expect("all start");
        sink.blocked.store(true, Ordering::Relaxed);
        wait_until("all cameras wait", || sink.waiting.lock().len() == 3);
        thread::scope(|scope| {
            let restart = scope.spawn(|| cameras.restart_with(&settings));
            wait_until("all cameras stop", || sink.stopping.lock().len() == 3);
            let free = cameras.slots.try_lock().is_some();
            sink.blocked.store(false, Ordering::Relaxed);
            assert!(free, "the lock is held while cameras stop");
            restart.join().expect("no panic").expect("all start");
        });
        stop_all(&cameras);
        let refused = cameras
            .restart_with(&settings)
            .expect_err("the daemon stops");
        assert_eq!(refused.to_string(), "camera a: the daemon is stopping");
    }

    /// Panics on the supervisor's thread, which reports the first event.
    struct Panicking;

    impl Sink for Panicking {
        fn captured(&self, _: &CameraId, _: Captured, _: bool, _: &dyn Fn() -> bool) {}

        fn event(&self, _: &CameraId, _: CameraEvent) {
            panic!("a sink that panics");
        }
    }

    #[test]
    fn panic_of_a_supervisor_is_reported() {
        let (sender, reported) = channel();
        let failed: Failed = Arc::new(move || sender.send(()).expect("a receiver"));
        let cameras = RunningCameras::new(Arc::new(Panicking), Arc::new(SystemClock), failed);
        let cameras = stopped(cameras);
        // Its openings are not waited for: none ends.
        drop(cameras.start_stopped(&settings()));
        for _ in 0..3 {
            reported.recv_timeout(PATIENCE).expect("a report");
        }
        stop_all(&cameras);
    }
}
