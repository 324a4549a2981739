//! What the pipeline keeps for each configured camera.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_core::id::CameraId;
use inspectd_core::image_file;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::warn;

use super::camera_frame::FrameWaiters;
use super::camera_stats::CameraStats;
use super::counted_group::CountedGroup;
use super::intake::QueuePolicy;
use super::publisher::Journal;
use super::requests::RequestQueue;
use crate::alarm::Alarms;
use crate::camera::health::HealthMonitor;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::config::settings::{Camera, Mode, Shed};

/// The brightness of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Brightness {
    /// Number of the frame; 0 for none.
    pub frame_id: u64,
    /// Mean of its pixels, 0 to 255.
    pub level: f32,
}

impl Brightness {
    /// Measures a frame, at about a thousand of its pixels.
    pub(super) fn of(frame_id: u64, frame: &Frame) -> Self {
        let pixels = frame.rgb().as_chunks::<CHANNELS>().0;
        // Not a divisor of common widths, so that not only some columns are measured.
        let step = (pixels.len() / 1024).max(1) | 1;
        let sampled = pixels.iter().step_by(step);
        let count = sampled.len() * CHANNELS;
        let sum: u64 = sampled.flatten().map(|&value| u64::from(value)).sum();
        Self {
            frame_id,
            level: sum as f32 / count as f32,
        }
    }
}

/// Numbers the frames of a camera as parts.
#[derive(Debug)]
pub(super) enum PartCounter {
    /// Number of the camera's last part.
    Own(AtomicU64),
    /// Together with the other cameras of its group.
    Group(Arc<CountedGroup>),
}

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
    /// Brightness of the last frame; measured only while somebody watches it.
    pub(super) brightness: watch::Sender<Brightness>,
    /// Those who wait for the next frame as captured.
    pub(super) frame_waiters: FrameWaiters,
    /// Whether a recipe is changing the camera's exposure or gain.
    pub(super) changing: AtomicBool,
    /// Numbers its frames as parts.
    pub(super) part_counter: Option<PartCounter>,
}

impl CameraLane {
    pub(super) fn new(
        index: usize,
        id: &CameraId,
        camera: &Camera,
        part_counter: Option<PartCounter>,
    ) -> Self {
        Self {
            index,
            mode: camera.mode,
            group: camera.group.as_deref().map(Arc::from),
            simulated: camera.source.simulated(),
            stats: Arc::new(CameraStats::new()),
            health: Mutex::new(health_monitor(id, camera)),
            requests: RequestQueue::default(),
            brightness: watch::Sender::new(Brightness::default()),
            frame_waiters: FrameWaiters::default(),
            changing: AtomicBool::new(false),
            part_counter,
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

/// The counted groups. The counters of a group continue from the largest number of all of its cameras, because the
/// process may have been killed between two of them.
pub(super) fn counted_groups(
    settings: &Settings,
    journal: Option<&Journal>,
    alarms: &Alarms,
    clock: &SharedClock,
) -> BTreeMap<Arc<str>, Arc<CountedGroup>> {
    let counted = |(group, cameras): (Arc<str>, BTreeSet<CameraId>)| {
        let counting = |id: &&CameraId| settings.cameras[*id].part_counter;
        let ids: Vec<&CameraId> = cameras.iter().filter(counting).collect();
        let last = ids.iter().map(|id| last_part(id, journal)).max()?;
        let cameras = ids
            .iter()
            .map(|id| ((*id).clone(), settings.cameras[*id].source.live()));
        let idle_gap = settings.parts.idle_gap;
        let counted = CountedGroup::new(
            Arc::clone(&group),
            cameras,
            last,
            idle_gap,
            alarms.clone(),
            clock.clone(),
        );
        Some((group, Arc::new(counted)))
    };
    groups(settings).into_iter().filter_map(counted).collect()
}

/// What numbers the frames of a camera, if they are numbered.
pub(super) fn part_counter(
    id: &CameraId,
    camera: &Camera,
    counted: &BTreeMap<Arc<str>, Arc<CountedGroup>>,
    journal: Option<&Journal>,
) -> Option<PartCounter> {
    if !camera.part_counter {
        return None;
    }
    let group = camera.group.as_deref().and_then(|group| counted.get(group));
    Some(match group {
        Some(group) => PartCounter::Group(Arc::clone(group)),
        None => PartCounter::Own(AtomicU64::new(last_part(id, journal))),
    })
}

/// The number of the last part of a camera.
fn last_part(id: &CameraId, journal: Option<&Journal>) -> u64 {
    journal.map_or(0, |journal| journal.counter(&counter_name(id)))
}
