//! What changes a single camera while the pipeline runs, and what people see of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use inspectd_core::id::CameraId;
use inspectd_core::preprocess::{Crop, Rotation};
use tokio::sync::{oneshot, watch};

use super::answers::Shared;
use super::camera_frame::CameraFrame;
use super::camera_lane::{Brightness, CameraLane, part_counter, queue_policy};
use super::handle::Pipeline;
use crate::camera::{CameraEvent, CameraState, Sink};

impl Pipeline {
    /// Adds a camera of the active settings, which belongs to no group.
    pub fn add_camera(&self, id: &CameraId) {
        self.shared.add_camera(id);
    }

    /// Removes a camera that was stopped. Its frames that wait are judged.
    pub fn remove_camera(&self, id: &CameraId) {
        self.shared.remove_camera(id);
    }

    /// Marks a camera as paused, which was stopped: requests for it are refused.
    pub fn paused(&self, camera: &CameraId, message: &str) {
        self.shared.paused(camera, message);
    }

    /// Marks a paused camera as one that is about to be opened.
    pub fn resumed(&self, camera: &CameraId) {
        self.shared
            .event(camera, CameraEvent::State(CameraState::Opening));
    }

    /// Marks the cameras whose exposure or gain a recipe is about to change. Until [`Self::settings_changed`],
    /// their captures are FAULT.
    pub fn settings_change(&self, cameras: &[CameraId]) {
        self.shared.settings_change(cameras);
    }

    /// Judges the captures of these cameras again.
    pub fn settings_changed(&self, cameras: &[CameraId]) {
        self.shared.settings_changed(cameras);
    }

    /// The brightness of the frames of a camera from now on; `None` if it is not configured.
    pub fn brightness(&self, camera: &CameraId) -> Option<watch::Receiver<Brightness>> {
        let lane = self.shared.lanes.get(camera)?;
        Some(lane.brightness.subscribe())
    }

    /// Receives the next frame of a camera. None if the camera is not configured, or too many wait already.
    pub fn next_frame(&self, camera: &CameraId) -> Option<oneshot::Receiver<CameraFrame>> {
        self.shared.lanes.get(camera)?.frame_waiters.wait()
    }

    /// The rotation and crop that apply to a camera now.
    pub fn view(&self, camera: &CameraId) -> (Rotation, Option<Crop>) {
        let view = self.active().view(camera);
        (view.rotate, view.crop)
    }
}

impl Shared {
    fn add_camera(&self, id: &CameraId) {
        let active = self.active();
        let Some(camera) = active.settings.cameras.get(id) else {
            return;
        };
        let index = self.intake.add(queue_policy(camera));
        let counter = part_counter(id, camera, &self.counted, self.publisher.journal());
        let lane = Arc::new(CameraLane::new(index, id, camera, counter));
        self.lanes.change(|lanes| {
            lanes.insert(id.clone(), Arc::clone(&lane));
        });
    }

    fn remove_camera(&self, id: &CameraId) {
        let Some(lane) = self.lanes.get(id) else {
            return;
        };
        // Captures of a thread that did not stop in time are FAULT.
        lane.changing.store(true, Ordering::Release);
        self.lanes.change(|lanes| {
            lanes.remove(id);
        });
        self.intake.release(lane.index);
        self.drift.forget(id);
    }
}
