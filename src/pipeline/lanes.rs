//! The cameras of the pipeline, which are added and removed while it runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use inspectd_core::id::CameraId;

use super::answers::Shared;
use super::camera_lane::{CameraLane, part_counter, queue_policy};
use super::handle::Pipeline;

/// The cameras, by id.
#[derive(Debug)]
pub(super) struct Lanes(ArcSwap<BTreeMap<CameraId, Arc<CameraLane>>>);

impl Lanes {
    pub(super) fn new(lanes: impl Iterator<Item = (CameraId, CameraLane)>) -> Self {
        let lanes = lanes.map(|(id, lane)| (id, Arc::new(lane)));
        Self(ArcSwap::from_pointee(lanes.collect()))
    }

    /// The camera with this id, if it is one of the pipeline.
    pub(super) fn get(&self, id: &CameraId) -> Option<Arc<CameraLane>> {
        self.0.load().get(id).cloned()
    }

    /// All cameras of this moment.
    pub(super) fn all(&self) -> Arc<BTreeMap<CameraId, Arc<CameraLane>>> {
        self.0.load_full()
    }

    fn change(&self, change: impl Fn(&mut BTreeMap<CameraId, Arc<CameraLane>>)) {
        self.0.rcu(|lanes| {
            let mut lanes = BTreeMap::clone(lanes);
            change(&mut lanes);
            lanes
        });
    }
}

impl Pipeline {
    /// Adds a camera of the active settings, which belongs to no group.
    pub fn add_camera(&self, id: &CameraId) {
        self.shared.add_camera(id);
    }

    /// Removes a camera that was stopped. Its frames that wait are judged.
    pub fn remove_camera(&self, id: &CameraId) {
        self.shared.remove_camera(id);
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
