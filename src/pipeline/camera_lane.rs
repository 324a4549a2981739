//! What the pipeline keeps for each configured camera.

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
use super::groups::{CountedGroups, last_part};
use super::intake::QueuePolicy;
use super::publisher::Journal;
use super::requests::RequestQueue;
use crate::camera::health::HealthMonitor;
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
    /// Whether the camera's exposure or gain is being changed, or the camera was removed.
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

/// What numbers the frames of a camera, if they are numbered.
pub(super) fn part_counter(
    id: &CameraId,
    camera: &Camera,
    counted: &CountedGroups,
    journal: Option<&Journal>,
) -> Option<PartCounter> {
    if !camera.part_counter {
        return None;
    }
    let group = camera.group.as_deref().and_then(|group| counted.get(group));
    Some(match group {
        Some(group) => PartCounter::Group(group),
        None => PartCounter::Own(AtomicU64::new(last_part(id, journal))),
    })
}
