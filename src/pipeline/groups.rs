//! The groups of cameras that look at the same parts. Cameras join and leave them while the pipeline runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use inspectd_core::id::CameraId;
use parking_lot::RwLock;

use super::counted_group::CountedGroup;
use super::part_assembler::GroupCameras;
use super::publisher::Journal;
use crate::alarm::Alarms;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::config::settings::Camera;

/// The groups whose cameras count their parts. A group stays after its last camera is removed, so that part numbers are
/// not reused.
#[derive(Debug)]
pub(super) struct CountedGroups(RwLock<BTreeMap<Arc<str>, Arc<CountedGroup>>>);

impl CountedGroups {
    /// The groups of the configuration. The counters of a group continue from the largest number of all of its cameras,
    /// because the process may have been killed between two of them.
    pub(super) fn new(
        settings: &Settings,
        journal: Option<&Journal>,
        alarms: &Alarms,
        clock: &SharedClock,
    ) -> Self {
        let counted = Self(RwLock::default());
        for group in groups(settings).into_keys() {
            let cameras = counting(settings, &group);
            if let Some(last) = cameras.keys().map(|id| last_part(id, journal)).max() {
                let group = counted.get_or_add(&group, settings, alarms, clock);
                group.join(cameras, last, "the daemon was started".to_owned());
            }
        }
        counted
    }

    /// The group with this id, if cameras of it count or have counted its parts.
    pub(super) fn get(&self, group: &str) -> Option<Arc<CountedGroup>> {
        self.0.read().get(group).cloned()
    }

    /// The group with this id. One that does not exist is added, without cameras.
    pub(super) fn get_or_add(
        &self,
        group: &Arc<str>,
        settings: &Settings,
        alarms: &Alarms,
        clock: &SharedClock,
    ) -> Arc<CountedGroup> {
        let new = || {
            let parts = &settings.parts;
            let (alarms, clock) = (alarms.clone(), clock.clone());
            Arc::new(CountedGroup::new(
                Arc::clone(group),
                parts.idle_gap,
                parts.capture_spread,
                alarms,
                clock,
            ))
        };
        let mut groups = self.0.write();
        let counted = groups.entry(Arc::clone(group)).or_insert_with(new);
        Arc::clone(counted)
    }
}

/// The cameras of each group.
pub(super) fn groups(settings: &Settings) -> BTreeMap<Arc<str>, GroupCameras> {
    let mut groups: BTreeMap<Arc<str>, GroupCameras> = BTreeMap::new();
    for (id, camera) in &settings.cameras {
        let Some(group) = &camera.group else {
            continue;
        };
        let cameras = groups.entry(group.as_str().into()).or_default();
        cameras.all.insert(id.clone());
        if camera.part_counter && camera.source.live() {
            cameras.timed.insert(id.clone());
        }
    }
    groups
}

/// The cameras of a group that count its parts, each with whether its source is live.
pub(super) fn counting(settings: &Settings, group: &str) -> BTreeMap<CameraId, bool> {
    let counts = |(_, camera): &(&CameraId, &Camera)| {
        camera.part_counter && camera.group.as_deref() == Some(group)
    };
    let cameras = settings.cameras.iter().filter(counts);
    let cameras = cameras.map(|(id, camera)| (id.clone(), camera.source.live()));
    cameras.collect()
}

/// The journal's name of a camera's part counter.
pub(super) fn counter_name(camera: &CameraId) -> String {
    format!("part/{camera}")
}

/// The number of the last part of a camera.
pub(super) fn last_part(id: &CameraId, journal: Option<&Journal>) -> u64 {
    journal.map_or(0, |journal| journal.counter(&counter_name(id)))
}
