//! What changes single cameras while the pipeline runs, and what people see of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use inspectd_core::id::CameraId;
use inspectd_core::preprocess::{Crop, Rotation};
use tokio::sync::{oneshot, watch};

use super::answers::Shared;
use super::camera_frame::CameraFrame;
use super::camera_lane::{Brightness, CameraLane, part_counter, queue_policy};
use super::groups::{counting, groups, last_part};
use super::handle::Pipeline;
use super::notice::Notice;
use super::part_assembler::GroupCameras;
use crate::camera::{CameraEvent, CameraState, Sink};

impl Pipeline {
    /// Adds cameras of the active settings, which do not run yet. Those of a group are added together, so that no part is
    /// decided without one of them.
    pub fn add_cameras(&self, ids: &BTreeSet<CameraId>) {
        self.shared.add_cameras(ids);
    }

    /// Removes cameras of the active settings, which were stopped. Their frames that wait are judged, and count for their
    /// parts.
    pub fn remove_cameras(&self, ids: &BTreeSet<CameraId>) {
        self.shared.remove_cameras(ids);
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

    /// Marks the cameras whose exposure or gain is about to change. Until [`Self::settings_changed`],
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
    /// See [`Pipeline::add_cameras`].
    pub(super) fn add_cameras(&self, ids: &BTreeSet<CameraId>) {
        self.join_groups(ids);
        let active = self.active();
        let cameras = active.settings.cameras.iter();
        for (id, camera) in cameras.filter(|(id, _)| ids.contains(id)) {
            let index = self.intake.add(queue_policy(camera));
            let counter = part_counter(id, camera, &self.counted, self.publisher.journal());
            let lane = Arc::new(CameraLane::new(index, id, camera, counter));
            // Verdicts of an earlier camera with this id may have been broadcast after its removal.
            self.publisher.forget_camera(id);
            self.lanes.change(|lanes| {
                lanes.insert(id.clone(), Arc::clone(&lane));
            });
        }
    }

    /// See [`Pipeline::remove_cameras`].
    pub(super) fn remove_cameras(&self, ids: &BTreeSet<CameraId>) {
        let lanes = ids.iter().filter_map(|id| self.lanes.get(id));
        let lanes: Vec<Arc<CameraLane>> = lanes.collect();
        for lane in &lanes {
            // Captures of a thread that did not stop in time are FAULT.
            lane.changing.store(true, Ordering::Release);
        }
        self.leave_groups(ids);
        self.lanes.change(|lanes| {
            lanes.retain(|id, _| !ids.contains(id));
        });
        for lane in &lanes {
            self.intake.release(lane.index);
        }
        for id in ids {
            self.drift.forget(id);
            self.publisher.forget_camera(id);
        }
    }

    /// Adds cameras of the active settings to their groups, before they deliver anything. Parts that were captured before
    /// are decided without them. A group that has counted parts is out of step.
    fn join_groups(&self, added: &BTreeSet<CameraId>) {
        let settings = &self.active().settings;
        for (group, cameras) in groups(settings) {
            let joining: Vec<_> = cameras.all.intersection(added).cloned().collect();
            if joining.is_empty() {
                continue;
            }
            let reason = format!("camera {} was added", names(&joining));
            // Frames are FAULT from now on, so that no part has views of before and after the change.
            if let Some(counted) = self.counted.get(&group) {
                counted.lost(reason.clone());
            }
            self.change_group(&group, cameras);
            let mut counting = counting(settings, &group);
            counting.retain(|id, _| added.contains(id));
            let journal = self.publisher.journal();
            let last = counting.keys().map(|id| last_part(id, journal)).max();
            if let Some(last) = last {
                let (alarms, clock) = (&self.alarms, &self.clock);
                let counted = self.counted.get_or_add(&group, settings, alarms, clock);
                counted.join(counting, last, reason);
            }
        }
    }

    /// Removes cameras from their groups, which are those of the active settings. Parts that were captured before wait for
    /// their views. A group that has counted parts is out of step.
    fn leave_groups(&self, removed: &BTreeSet<CameraId>) {
        for (group, mut cameras) in groups(&self.active().settings) {
            let leaving: Vec<_> = cameras.all.intersection(removed).cloned().collect();
            if leaving.is_empty() {
                continue;
            }
            let reason = format!("camera {} was removed", names(&leaving));
            let counted = self.counted.get(&group);
            if let Some(counted) = &counted {
                counted.lost(reason.clone());
            }
            cameras.all.retain(|id| !removed.contains(id));
            cameras.timed.retain(|id| !removed.contains(id));
            self.change_group(&group, cameras);
            if let Some(counted) = counted {
                counted.leave(&leaving, reason);
            }
        }
    }

    /// Tells the timekeeper the cameras of a group, for parts that are captured from now on.
    fn change_group(&self, group: &Arc<str>, cameras: GroupCameras) {
        let now = self.clock.now().monotonic;
        let from = now.saturating_duration_since(self.start.monotonic);
        let group = Arc::clone(group);
        self.notify(Notice::Group(Box::new((group, cameras, from))));
    }
}

fn names(cameras: &[CameraId]) -> String {
    let names: Vec<&str> = cameras.iter().map(CameraId::as_str).collect();
    names.join(", ")
}
