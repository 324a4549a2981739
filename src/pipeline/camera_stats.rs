//! What is known about a camera: its state and its counts. One owner changes it, others copy it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::rate::Rate;
use crate::camera::CameraState;
use inspectd_core::decision::Decision;

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
    /// One more.
    pub fn add(&mut self, decision: Decision) {
        *self.of_mut(decision) += 1;
    }

    fn of_mut(&mut self, decision: Decision) -> &mut u64 {
        match decision {
            Decision::Pass => &mut self.pass,
            Decision::Reject => &mut self.reject,
            Decision::Review => &mut self.review,
            Decision::Fault => &mut self.fault,
        }
    }

    /// How many of a kind.
    pub fn of(mut self, decision: Decision) -> u64 {
        *self.of_mut(decision)
    }
}

/// A camera's frames. Once none is under way, captured = judged + skipped + faulted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    /// Taken from the source.
    pub captured: u64,
    /// Ended with a judgement: PASS, REJECT or REVIEW.
    pub judged: u64,
    /// Replaced by a newer one.
    pub skipped: u64,
    /// Ended without one: FAULT, or the REJECT that the settings make of it.
    pub faulted: u64,
    /// Of the faulted: their judgement came, after their deadline.
    pub late: u64,
}

impl FrameCounts {
    /// Captured, and without an end yet.
    pub fn under_way(&self) -> u64 {
        self.captured
            .saturating_sub(self.judged + self.skipped + self.faulted)
    }
}

/// What is known about a camera.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What it is doing.
    pub state: CameraState,
    /// Whether its first opening came to something, good or bad.
    pub attempted: bool,
    /// Width and height of its last frame, as the source gave it.
    pub size: Option<[u32; 2]>,
    /// Its frames.
    pub frames: FrameCounts,
    /// Its verdicts, those without a frame included.
    pub decisions: DecisionCounts,
    /// How often it was opened.
    pub opened: u64,
    /// The last trouble and when it was.
    pub last_error: Option<(String, SystemTime)>,
    /// When the last frame was captured.
    pub last_frame: Option<SystemTime>,
    rate: Rate,
}

impl Facts {
    /// Frames captured a second, `now` since the daemon's start.
    pub fn frames_per_second(&self, now: Duration) -> f32 {
        self.rate.per_second(now)
    }

    /// A capture at `now` since the daemon's start.
    pub fn capture(&mut self, at: SystemTime, now: Duration, size: Option<[u32; 2]>) {
        self.frames.captured += 1;
        self.last_frame = Some(at);
        self.size = size.or(self.size);
        self.rate.add(now);
    }

    /// A verdict about a frame that was judged.
    pub fn judged(&mut self, decision: Decision) {
        self.decisions.add(decision);
        self.frames.judged += 1;
    }

    /// A verdict about a frame that was not.
    pub fn faulted(&mut self, decision: Decision) {
        self.decisions.add(decision);
        self.frames.faulted += 1;
    }

    /// A new state.
    pub fn enter(&mut self, state: CameraState) {
        self.attempted |= state != CameraState::Opening;
        self.opened += u64::from(state == CameraState::Running);
        self.state = state;
    }
}

/// One camera's facts, shared.
#[derive(Debug)]
pub struct CameraStats(Mutex<Facts>);

impl CameraStats {
    /// A camera that was not opened yet.
    pub fn new() -> Self {
        Self(Mutex::new(Facts {
            state: CameraState::Opening,
            attempted: false,
            size: None,
            frames: FrameCounts::default(),
            decisions: DecisionCounts::default(),
            opened: 0,
            last_error: None,
            last_frame: None,
            rate: Rate::default(),
        }))
    }

    /// The facts, to be changed.
    pub fn lock(&self) -> MutexGuard<'_, Facts> {
        // Counts stay counts, whatever panicked beside them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The facts now.
    pub fn facts(&self) -> Facts {
        self.lock().clone()
    }
}

impl Default for CameraStats {
    fn default() -> Self {
        Self::new()
    }
}
