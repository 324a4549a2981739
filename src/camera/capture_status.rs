//! State shared by a camera's supervisor, its capture threads and its handle.
//!
//! A capture thread belongs to one opening of the source. It reports each activity before it starts it,
//! with the number of its opening. After the supervisor has abandoned the opening, or begun another one,
//! the next report is refused and the thread ends.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::activity::{Activity, CurrentActivity, Limits, Progress};
use crate::clock::SharedClock;

/// Number of an opening, from 1.
pub type OpeningNumber = u64;

/// How a capture thread ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaptureOutcome {
    /// The source is finished.
    Ended,
    /// The thread was asked to stop.
    Stopped,
    /// The source failed; the reason for people, without secrets.
    Failed(String),
}

/// How an opening ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpeningResult {
    /// The thread has ended, or is about to.
    Finished(CaptureOutcome),
    /// The thread hung in this activity and was abandoned.
    Stalled(Activity),
    /// The thread did not stop in time and was abandoned.
    Stuck,
}

/// Number of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameNumber {
    /// Number of the camera's frame, from 1.
    pub frame_id: u64,
    /// Whether it is the first frame of its opening.
    pub first: bool,
}

/// The shared state, with a condition variable that signals changes.
#[derive(Debug)]
pub struct CaptureStatus {
    limits: Limits,
    clock: SharedClock,
    state: Mutex<CaptureState>,
    changed: Condvar,
}

#[derive(Debug)]
struct CaptureState {
    /// When the camera was asked to stop.
    stopping: Option<Instant>,
    /// The current opening; reports of other openings are refused.
    opening: OpeningNumber,
    current: CurrentActivity,
    outcome: Option<CaptureOutcome>,
    /// Frames of all openings.
    frames: u64,
    /// Whether the current opening delivered a frame.
    delivered: bool,
    /// Result of the last opening; unset until the first one succeeded or failed.
    opened: Option<Result<(), String>>,
    /// When the supervisor checks again without a signal; never if unset.
    next_check: Option<Instant>,
}

impl CaptureState {
    fn is_current(&self, opening: OpeningNumber) -> bool {
        self.stopping.is_none() && self.opening == opening
    }

    fn progress(&self, limits: Limits, now: Instant) -> Progress {
        self.current.progress(limits, self.stopping, now)
    }

    fn enter(&mut self, activity: Activity, since: Instant) {
        self.current = CurrentActivity { activity, since };
    }
}

impl CaptureStatus {
    /// A camera without an opening that has delivered `frames` frames before.
    pub fn new(limits: Limits, frames: u64, clock: SharedClock) -> Self {
        let current = CurrentActivity {
            activity: Activity::Closing,
            since: clock.now().monotonic,
        };
        Self {
            limits,
            clock,
            state: Mutex::new(CaptureState {
                stopping: None,
                opening: 0,
                current,
                outcome: None,
                frames,
                delivered: false,
                opened: None,
                next_check: None,
            }),
            changed: Condvar::new(),
        }
    }

    fn now(&self) -> Instant {
        self.clock.now().monotonic
    }

    /// Waits for a change, at most until `until`.
    fn wait(&self, state: &mut MutexGuard<'_, CaptureState>, until: Option<Instant>) {
        match until {
            Some(until) => {
                let pause = until.saturating_duration_since(self.now());
                self.changed.wait_for(state, pause);
            }
            None => self.changed.wait(state),
        }
    }

    /// Has all waiting threads read the clock again, after a test advanced it.
    #[cfg(test)]
    pub fn wake(&self) {
        let _state = self.state.lock();
        self.changed.notify_all();
    }

    /// Asks the camera to stop.
    pub fn stop(&self) {
        let now = self.now();
        self.state.lock().stopping.get_or_insert(now);
        self.changed.notify_all();
    }

    /// Number of frames of all openings.
    pub fn frames(&self) -> u64 {
        self.state.lock().frames
    }

    /// Whether the camera was asked to stop.
    pub fn stopping(&self) -> bool {
        self.state.lock().stopping.is_some()
    }

    /// Waits until the source was opened, or failed to open, for the first time.
    ///
    /// # Errors
    /// Why it is not open, for people.
    pub fn wait_opened(&self, deadline: Instant) -> Result<(), String> {
        let mut state = self.state.lock();
        loop {
            if let Some(opened) = &state.opened {
                return opened.clone();
            }
            if state.stopping.is_some() {
                return Err("it was stopped".to_owned());
            }
            if self.now() >= deadline {
                return Err("not opened in time".to_owned());
            }
            self.wait(&mut state, Some(deadline));
        }
    }

    /// Supervisor: begins a new opening; reports of earlier ones are refused from now on.
    pub fn begin(&self) -> OpeningNumber {
        let now = self.now();
        let mut state = self.state.lock();
        state.opening += 1;
        state.outcome = None;
        state.delivered = false;
        state.enter(Activity::Opening, now);
        state.opening
    }

    /// Supervisor: waits until the capture thread has ended or hangs. A thread that hangs is abandoned.
    pub fn supervise(&self) -> OpeningResult {
        let mut state = self.state.lock();
        loop {
            if let Some(outcome) = state.outcome.take() {
                return OpeningResult::Finished(outcome);
            }
            let result = match state.progress(self.limits, self.now()) {
                Progress::OnTime(until) => {
                    state.next_check = until;
                    self.wait(&mut state, until);
                    continue;
                }
                Progress::Stalled => OpeningResult::Stalled(state.current.activity),
                Progress::Stuck => OpeningResult::Stuck,
            };
            state.opening += 1;
            if state.opened.is_none() {
                state.opened = Some(Err("opening the source hangs".to_owned()));
                self.changed.notify_all();
            }
            return result;
        }
    }

    /// Supervisor: whether the last opening delivered a frame.
    pub fn delivered(&self) -> bool {
        self.state.lock().delivered
    }

    /// Supervisor: waits for `pause`; returns false if the camera must stop.
    pub fn pause(&self, pause: Duration) -> bool {
        let until = self.now() + pause;
        let mut state = self.state.lock();
        while state.stopping.is_none() && self.now() < until {
            self.wait(&mut state, Some(until));
        }
        state.stopping.is_none()
    }

    /// Capture thread: whether its opening is current and need not stop.
    pub fn is_current(&self, opening: OpeningNumber) -> bool {
        self.state.lock().is_current(opening)
    }

    /// Capture thread: reports its next activity; returns false if the thread must stop.
    pub fn enter(&self, opening: OpeningNumber, activity: Activity) -> bool {
        let mut state = self.state.lock();
        // A thread that was asked to stop still closes its source.
        let accepted = state.is_current(opening)
            || (activity == Activity::Closing && state.opening == opening);
        if accepted {
            let now = self.now();
            state.enter(activity, now);
            if activity == Activity::Reading && state.opened.is_none() {
                state.opened = Some(Ok(()));
                self.changed.notify_all();
            }
            self.wake_if_late(&state, now);
        }
        accepted
    }

    /// Wakes the supervisor if its next check would be too late. Usually it is not, so that a thousand
    /// frames do not wake it.
    fn wake_if_late(&self, state: &CaptureState, now: Instant) {
        if let Progress::OnTime(Some(due)) = state.progress(self.limits, now)
            && state.next_check.is_none_or(|next| due < next)
        {
            self.changed.notify_all();
        }
    }

    /// Capture thread: reports that it delivers a frame; returns its number, or none if the thread must
    /// stop.
    pub fn deliver(&self, opening: OpeningNumber) -> Option<FrameNumber> {
        let mut state = self.state.lock();
        if !state.is_current(opening) {
            return None;
        }
        state.enter(Activity::Delivering, self.now());
        state.frames += 1;
        let first = !state.delivered;
        state.delivered = true;
        Some(FrameNumber {
            frame_id: state.frames,
            first,
        })
    }

    /// Capture thread: waits until a frame is due; returns false if the thread must stop.
    pub fn wait_until(&self, opening: OpeningNumber, due: Instant) -> bool {
        let mut state = self.state.lock();
        while state.is_current(opening) {
            let now = self.now();
            if now >= due {
                return true;
            }
            state.enter(Activity::Pausing, now);
            self.wait(&mut state, Some(due));
        }
        false
    }

    /// Capture thread: reports how it ended. Its last call.
    pub fn finish(&self, opening: OpeningNumber, outcome: CaptureOutcome) {
        let mut state = self.state.lock();
        if state.opening == opening {
            if let (CaptureOutcome::Failed(reason), None) = (&outcome, &state.opened) {
                state.opened = Some(Err(reason.clone()));
            }
            state.outcome = Some(outcome);
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests;
