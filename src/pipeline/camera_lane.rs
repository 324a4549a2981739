//! What the pipeline keeps for each configured camera.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use inspectd_core::id::CameraId;
use inspectd_core::image_file;
use parking_lot::Mutex;
use tracing::warn;

use super::camera_stats::CameraStats;
use super::intake::QueuePolicy;
use super::publisher::Journal;
use super::requests::RequestQueue;
use crate::camera::health::HealthMonitor;
use crate::config::Settings;
use crate::config::settings::{Camera, Mode, Shed};

/// A camera as the pipeline sees it.
#[derive(Debug)]
pub(super) struct CameraLane {
    /// Index of its queue in the intake.
    pub(super) index: usize,
    pub(super) mode: Mode,
    pub(super) group: Option<Arc<str>>,
    pub(super) simulated: bool,
    pub(super) stats: Arc<CameraStats>,
    /// State of the health checks. Only the camera's own thread waits for this lock.
    pub(super) health: Mutex<HealthMonitor>,
    pub(super) requests: RequestQueue,
    /// Number of the last part, where frames are numbered as parts.
    pub(super) part_counter: Option<AtomicU64>,
}

impl CameraLane {
    pub(super) fn new(index: usize, id: &CameraId, camera: &Camera, last_part: u64) -> Self {
        Self {
            index,
            mode: camera.mode,
            group: camera.group.as_deref().map(Arc::from),
            simulated: camera.source.simulated(),
            stats: Arc::new(CameraStats::new()),
            health: Mutex::new(health_monitor(id, camera)),
            requests: RequestQueue::default(),
            part_counter: camera.part_counter.then(|| AtomicU64::new(last_part)),
        }
    }
}

/// The journal's name of a camera's part counter.
pub(super) fn counter_name(camera: &CameraId) -> String {
    format!("part/{camera}")
}

/// The cameras of each group.
pub(super) fn groups(settings: &Settings) -> BTreeMap<Arc<str>, BTreeSet<CameraId>> {
    let mut groups: BTreeMap<Arc<str>, BTreeSet<CameraId>> = BTreeMap::new();
    for (id, camera) in &settings.cameras {
        if let Some(group) = &camera.group {
            groups
                .entry(group.as_str().into())
                .or_default()
                .insert(id.clone());
        }
    }
    groups
}

pub(super) fn queue_policy(camera: &Camera) -> QueuePolicy {
    match camera.mode {
        Mode::FreeRunning => QueuePolicy::Latest,
        Mode::Triggered { queue } if camera.shed == Shed::Oldest => QueuePolicy::DropOldest(queue),
        Mode::Triggered { queue } | Mode::Requested { queue } => QueuePolicy::RefuseNew(queue),
    }
}

/// The health checks of a camera. The configuration was read with its reference image; if the image is
/// gone since, a warning is logged and the view is not checked.
fn health_monitor(id: &CameraId, camera: &Camera) -> HealthMonitor {
    let reference = camera.check.reference.as_ref();
    let read = reference.map(|path| image_file::decode(path));
    if let Some(Err(error)) = &read {
        warn!(camera = %id, %error, "check.reference cannot be read: the view is not checked");
    }
    HealthMonitor::new(read.and_then(Result::ok).as_ref())
}

/// The part number from which a camera's counter continues. Cameras of a group continue from the largest
/// number of all of them, because the process may have been killed between two of them.
pub(super) fn last_part(id: &CameraId, settings: &Settings, journal: Option<&Journal>) -> u64 {
    let group = &settings.cameras[id].group;
    let shares_counter = |(other, camera): &(&CameraId, &Camera)| {
        *other == id || (group.is_some() && camera.group == *group)
    };
    let cameras = settings.cameras.iter().filter(shares_counter);
    let counters = cameras.filter_map(|(id, _)| Some(journal?.counter(&counter_name(id))));
    counters.max().unwrap_or(0)
}
