//! The state of the pipeline at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use inspectd_core::id::CameraId;

use super::active::Active;
use super::camera_stats::CameraSnapshot;
use super::publisher::{JournalTrouble, ShiftSnapshot, Totals};
use crate::alarm::Alarm;
use crate::camera::CameraState;
use crate::evidence::EvidenceCounts;
use crate::journal::Consumer;

/// The state of the pipeline at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Time since the start.
    pub uptime: Duration,
    /// The active settings, model and recipe.
    pub active: Arc<Active>,
    /// Each camera, and the number of its frames that wait.
    pub cameras: BTreeMap<CameraId, (CameraSnapshot, usize)>,
    /// What was broadcast.
    pub totals: Totals,
    /// The present shift.
    pub shift: ShiftSnapshot,
    /// Views that were received after their part was decided.
    pub late_views: u64,
    /// The active alarms.
    pub alarms: Vec<Alarm>,
    /// The journal, if one is configured.
    pub journal: Option<JournalSnapshot>,
    /// Runs of the model that failed.
    pub engine_failures: u64,
    /// Whether the last run of the model failed.
    pub engine_failing: bool,
}

/// The state of the journal at one moment.
#[derive(Clone, Debug)]
pub struct JournalSnapshot {
    /// Why verdicts are not journalled; `None` if they are.
    pub trouble: Option<JournalTrouble>,
    /// The consumers by name.
    pub consumers: BTreeMap<String, Consumer>,
    /// Evidence files; `None` if they are not kept.
    pub evidence: Option<EvidenceCounts>,
    /// Size of the write-ahead log, bytes.
    pub wal_bytes: u64,
}

impl Snapshot {
    /// Verdicts of this run that are not in the journal and should be.
    pub fn unjournalled(&self) -> u64 {
        self.totals.unjournalled
    }

    /// Whether the first attempt to open each camera has succeeded or failed.
    pub fn all_attempted(&self) -> bool {
        self.cameras.values().all(|(camera, _)| camera.attempted)
    }

    /// Whether every camera has ended and all of its frames have an outcome.
    pub fn all_ended(&self) -> bool {
        let ended = |camera: &CameraSnapshot| {
            camera.state == CameraState::Ended && camera.frames.in_progress() == 0
        };
        self.cameras.values().all(|(camera, _)| ended(camera))
    }

    /// Whether the engine works and verdicts are journalled, if they are to be.
    pub fn works(&self) -> bool {
        let journal = self.journal.as_ref();
        !self.engine_failing && journal.is_none_or(|journal| journal.trouble.is_none())
    }

    /// Whether the engine, the journal or a camera does not work, or an alarm is active.
    pub fn degraded(&self) -> bool {
        let works = |camera: &CameraSnapshot| {
            matches!(camera.state, CameraState::Running | CameraState::Ended)
        };
        let cameras = self.cameras.values().all(|(camera, _)| works(camera));
        !self.works() || !cameras || !self.alarms.is_empty()
    }
}
