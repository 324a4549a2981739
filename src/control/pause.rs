//! Pausing cameras: a paused camera captures nothing until it is resumed, also after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use inspectd_core::id::CameraId;
use tracing::{error, info};

use super::actor::Actor;
use super::persisted_state::{CameraPause, PersistedState};
use super::{ChangeState, Control, ControlResult};
use crate::alarm::AlarmKind;
use crate::audit::Action;

impl Control {
    /// Returns the paused cameras.
    pub fn pauses(&self) -> BTreeMap<CameraId, CameraPause> {
        self.pauses.lock().clone()
    }

    /// Starts all cameras but those that are paused.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start_cameras(&self) -> io::Result<()> {
        let pauses = self.pauses();
        let paused: BTreeSet<CameraId> = pauses.keys().cloned().collect();
        self.cameras.start(&self.pipeline.active(), &paused)?;
        for (camera, pause) in &pauses {
            self.enter_pause(camera, pause);
        }
        Ok(())
    }

    /// Pauses a camera. A camera that is paused stays as it is.
    ///
    /// # Errors
    /// When a lock refuses it, or it cannot be recorded or saved.
    pub fn pause_camera(
        &self,
        actor: &Actor,
        camera: &CameraId,
        reason: &str,
    ) -> ControlResult<()> {
        self.check_lock(actor)?;
        let mut change = self.change.lock();
        if self.pauses.lock().contains_key(camera) {
            return Ok(());
        }
        let pause = CameraPause {
            who: actor.name().to_owned(),
            reason: reason.to_owned(),
            since: self.clock.now().utc,
        };
        let after = format!("paused: {reason}");
        self.record(actor, Action::Camera, camera.as_str(), "", &after)?;
        let mut state = change.state.clone();
        state.paused.insert(camera.to_string(), pause.clone());
        self.save_pauses(&mut change.state, state)
            .inspect_err(|_| self.record_undone(actor, camera, &after, ""))?;
        self.pauses.lock().insert(camera.clone(), pause.clone());
        self.cameras.pause(camera);
        self.enter_pause(camera, &pause);
        info!(%camera, by = actor.name(), reason, "camera paused");
        Ok(())
    }

    /// Captures from a paused camera again.
    ///
    /// # Errors
    /// When a lock refuses it, it cannot be recorded or saved, or the camera's thread cannot be started.
    pub fn resume_camera(&self, actor: &Actor, camera: &CameraId) -> ControlResult<()> {
        self.check_lock(actor)?;
        let mut change = self.change.lock();
        let Some(pause) = self.pauses.lock().get(camera).cloned() else {
            return Ok(());
        };
        let before = format!("paused: {}", pause.reason);
        self.record(actor, Action::Camera, camera.as_str(), &before, "")?;
        let mut state = change.state.clone();
        state.paused.remove(camera.as_str());
        self.save_pauses(&mut change.state, state)
            .inspect_err(|_| self.record_undone(actor, camera, "", &before))?;
        self.pauses.lock().remove(camera);
        self.alarms.clear(AlarmKind::CameraPaused, camera.as_str());
        self.pipeline.resumed(camera);
        self.cameras.resume(camera, &self.pipeline.active())?;
        info!(%camera, by = actor.name(), "camera resumed");
        Ok(())
    }

    /// Forgets that a camera was paused, which is removed.
    pub(super) fn forget_pause(&self, change: &mut ChangeState, camera: &CameraId) {
        if self.pauses.lock().remove(camera).is_none() {
            return;
        }
        self.alarms.clear(AlarmKind::CameraPaused, camera.as_str());
        let mut state = change.state.clone();
        state.paused.remove(camera.as_str());
        if let Err(error) = self.save_pauses(&mut change.state, state) {
            error!(%error, %camera, "a camera with this id would be paused after a restart");
        }
    }

    fn enter_pause(&self, camera: &CameraId, pause: &CameraPause) {
        let CameraPause { who, reason, .. } = pause;
        let reason = match reason.as_str() {
            "" => String::new(),
            reason => format!(" ({reason})"),
        };
        let message =
            format!("camera {camera} is paused by {who}{reason}: its parts are not inspected");
        self.pipeline.paused(camera, &message);
        self.alarms
            .raise(AlarmKind::CameraPaused, camera.as_str(), message);
    }

    fn save_pauses(&self, present: &mut PersistedState, state: PersistedState) -> io::Result<()> {
        self.state_file.write(&state)?;
        *present = state;
        Ok(())
    }

    /// Records that a recorded pause, or its end, was not made.
    fn record_undone(&self, actor: &Actor, camera: &CameraId, from: &str, to: &str) {
        if let Err(error) = self.record(actor, Action::Camera, camera.as_str(), from, to) {
            error!(%error, "it cannot be recorded that the camera was not paused or resumed");
        }
    }
}
