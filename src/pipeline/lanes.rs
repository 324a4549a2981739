//! What the line makes of the configured cameras, when it starts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use tracing::warn;

use super::camera_stats::CameraStats;
use super::intake::Policy;
use super::publisher::Journal;
use super::requests::Waiting;
use super::shared::{Lane, counter_name};
use crate::camera::health::HealthMonitor;
use crate::config::Settings;
use crate::config::settings::{Camera, Mode, Shed};
use inspectd_core::id::CameraId;
use inspectd_core::image_file;

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

pub(super) fn policy(camera: &Camera) -> Policy {
    match camera.mode {
        Mode::FreeRunning => Policy::Latest,
        Mode::Triggered { queue } if camera.shed == Shed::Oldest => Policy::Shift(queue),
        Mode::Triggered { queue } | Mode::Requested { queue } => Policy::Queue(queue),
    }
}

/// What a camera's frames are examined by. The configuration was read with its reference image; one that
/// is gone since is told, and the view is not examined.
pub(super) fn condition(id: &CameraId, camera: &Camera) -> HealthMonitor {
    let reference = camera.check.reference.as_ref();
    let read = reference.map(|path| image_file::decode(path));
    if let Some(Err(error)) = &read {
        warn!(camera = %id, %error, "check.reference: the view is not examined");
    }
    HealthMonitor::new(read.and_then(Result::ok).as_ref())
}

/// The part that a camera's numbers go on from. Those of a group go on from the largest of all of them: a
/// kill may have come between two of them.
pub(super) fn last_part(id: &CameraId, settings: &Settings, journal: Option<&Journal>) -> u64 {
    let group = &settings.cameras[id].group;
    let together = |(other, camera): &(&CameraId, &Camera)| {
        *other == id || (group.is_some() && camera.group == *group)
    };
    let cameras = settings.cameras.iter().filter(together);
    let counters = cameras.filter_map(|(id, _)| Some(journal?.counter(&counter_name(id))));
    counters.max().unwrap_or(0)
}

pub(super) fn lane(index: usize, id: &CameraId, camera: &Camera, last_part: u64) -> Lane {
    Lane {
        index,
        mode: camera.mode,
        group: camera.group.as_deref().map(Arc::from),
        simulated: camera.source.simulated(),
        board: Arc::new(CameraStats::new()),
        condition: Mutex::new(condition(id, camera)),
        waiting: Waiting::default(),
        part_counter: camera.part_counter.then(|| AtomicU64::new(last_part)),
    }
}
