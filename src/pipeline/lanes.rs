//! The cameras of the pipeline, which are added and removed while it runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use inspectd_core::id::CameraId;

use super::camera_lane::CameraLane;

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

    /// Changes the cameras.
    pub(super) fn change(&self, change: impl Fn(&mut BTreeMap<CameraId, Arc<CameraLane>>)) {
        self.0.rcu(|lanes| {
            let mut lanes = BTreeMap::clone(lanes);
            change(&mut lanes);
            lanes
        });
    }
}
