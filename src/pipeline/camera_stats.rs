//! Statistics of a camera: its state and its counters.

use std::time::{Duration, SystemTime};

use inspectd_core::decision::Decision;
use parking_lot::{Mutex, MutexGuard};

use super::rate::Rate;
use crate::camera::CameraState;
use crate::drift::Drift;

/// Verdicts by decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecisionCounts {
    /// PASS.
    pub pass: u64,
    /// REJECT.
    pub reject: u64,
    /// REVIEW.
    pub review: u64,
    /// FAULT.
    pub fault: u64,
}

impl DecisionCounts {
    /// Counts one verdict.
    pub fn add(&mut self, decision: Decision) {
        self.add_many(decision, 1);
    }

    /// Counts verdicts with the same decision.
    pub fn add_many(&mut self, decision: Decision, count: u64) {
        *self.of_mut(decision) += count;
    }

    fn of_mut(&mut self, decision: Decision) -> &mut u64 {
        match decision {
            Decision::Pass => &mut self.pass,
            Decision::Reject => &mut self.reject,
            Decision::Review => &mut self.review,
            Decision::Fault => &mut self.fault,
        }
    }

    /// Number of verdicts with this decision.
    pub fn of(mut self, decision: Decision) -> u64 {
        *self.of_mut(decision)
    }
}

/// A camera's frames. Once no frame is in progress, captured = judged + skipped + faulted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    /// Captured from the source.
    pub captured: u64,
    /// Judged: PASS, REJECT or REVIEW.
    pub judged: u64,
    /// Replaced by a newer frame, or not requested.
    pub skipped: u64,
    /// Lost by the driver before they were captured.
    pub lost: u64,
    /// Not judged: FAULT, or the REJECT that the settings make of it.
    pub faulted: u64,
    /// Of the faulted frames: those whose judgement was made after their deadline.
    pub late: u64,
}

impl FrameCounts {
    /// Frames that were captured and have no outcome yet.
    pub fn in_progress(&self) -> u64 {
        self.captured
            .saturating_sub(self.judged + self.skipped + self.faulted)
    }
}

/// Statistics of one camera at one moment.
#[derive(Clone, Debug)]
pub struct CameraSnapshot {
    /// State of the camera.
    pub state: CameraState,
    /// Whether the first attempt to open it has succeeded or failed.
    pub attempted: bool,
    /// Width and height of the last frame, as the source delivered it.
    pub size: Option<[u32; 2]>,
    /// Frames.
    pub frames: FrameCounts,
    /// Verdicts, those without a frame included.
    pub decisions: DecisionCounts,
    /// How often the source was opened.
    pub opened: u64,
    /// The last error and its time.
    pub last_error: Option<(String, SystemTime)>,
    /// Time of the last capture.
    pub last_frame: Option<SystemTime>,
    /// The last comparison of its scores with the calibration; filled in by the pipeline's snapshot.
    pub drift: Option<Drift>,
    rate: Rate,
}

impl CameraSnapshot {
    /// Captured frames per second. `now` counts from the start of the daemon.
    pub fn frames_per_second(&self, now: Duration) -> f32 {
        self.rate.per_second(now)
    }

    /// Counts a capture. `now` counts from the start of the daemon.
    pub fn capture(&mut self, at: SystemTime, now: Duration, size: Option<[u32; 2]>) {
        self.frames.captured += 1;
        self.last_frame = Some(at);
        self.size = size.or(self.size);
        self.rate.add(now);
    }

    /// Counts the verdict of a frame that was judged.
    pub fn judged(&mut self, decision: Decision) {
        self.decisions.add(decision);
        self.frames.judged += 1;
    }

    /// Counts the verdict of a frame that was not judged.
    pub fn faulted(&mut self, decision: Decision) {
        self.decisions.add(decision);
        self.frames.faulted += 1;
    }

    /// Sets the state.
    pub fn enter(&mut self, state: CameraState) {
        self.attempted |= state != CameraState::Opening;
        self.opened += u64::from(state == CameraState::Running);
        self.state = state;
    }
}

/// Statistics of one camera, shared by the threads that count.
#[derive(Debug)]
pub struct CameraStats(Mutex<CameraSnapshot>);

impl CameraStats {
    /// A camera that was not opened yet.
    pub fn new() -> Self {
        Self(Mutex::new(CameraSnapshot {
            state: CameraState::Opening,
            attempted: false,
            size: None,
            frames: FrameCounts::default(),
            decisions: DecisionCounts::default(),
            opened: 0,
            last_error: None,
            last_frame: None,
            drift: None,
            rate: Rate::default(),
        }))
    }

    /// Locks the statistics for a change.
    pub fn lock(&self) -> MutexGuard<'_, CameraSnapshot> {
        self.0.lock()
    }

    /// A copy of the statistics.
    pub fn snapshot(&self) -> CameraSnapshot {
        self.lock().clone()
    }
}

impl Default for CameraStats {
    fn default() -> Self {
        Self::new()
    }
}
