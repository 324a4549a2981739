//! What a camera's supervisor, its capture threads and its handle know of each other.
//!
//! A capture thread belongs to one opening of its source. It states what it is doing before it does it,
//! under the opening's number; once the supervisor has abandoned the opening, or begun another, the
//! thread's next statement is refused and it ends.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::activity::{Activity, Limits, Look, Phase};

/// The number of an opening, from 1 on.
pub type Opening = u64;

/// How a capture thread ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The source came to its end.
    Ended,
    /// It was told to.
    Stopped,
    /// The source failed, in words without secrets.
    Failed(String),
}

/// What became of an opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The thread has ended, or is about to.
    Finished(Outcome),
    /// It hung in this activity and was abandoned.
    Stalled(Activity),
    /// It hung when it was to stop, and was abandoned.
    Stuck,
}

/// A frame's place in the camera's count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counts the camera's frames from 1 on.
    pub frame_id: u64,
    /// Whether it is the first of its opening.
    pub first: bool,
}

/// The knowledge, and a bell for whoever waits for its change.
#[derive(Debug)]
pub struct Watch {
    limits: Limits,
    known: Mutex<Known>,
    changed: Condvar,
}

#[derive(Debug)]
struct Known {
    /// When the camera was asked to stop.
    stopping: Option<Instant>,
    /// The opening whose thread is heard.
    opening: Opening,
    phase: Phase,
    outcome: Option<Outcome>,
    /// Frames of all openings.
    frames: u64,
    /// Whether this opening gave a frame.
    delivered: bool,
    /// When the supervisor looks again by itself; never if unset.
    next_look: Option<Instant>,
}

impl Known {
    fn heard(&self, opening: Opening) -> bool {
        self.stopping.is_none() && self.opening == opening
    }

    fn look(&self, limits: Limits) -> Look {
        self.phase.look(limits, self.stopping, Instant::now())
    }

    fn enter(&mut self, activity: Activity) {
        let since = Instant::now();
        self.phase = Phase { activity, since };
    }
}

impl Watch {
    /// A camera without an opening.
    #[cfg(test)]
    pub fn new(limits: Limits) -> Self {
        Self::after(limits, 0)
    }

    /// A camera without an opening, that has given so many frames before.
    pub fn after(limits: Limits, frames: u64) -> Self {
        let phase = Phase {
            activity: Activity::Closing,
            since: Instant::now(),
        };
        Self {
            limits,
            known: Mutex::new(Known {
                stopping: None,
                opening: 0,
                phase,
                outcome: None,
                frames,
                delivered: false,
                next_look: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// Each change is a single assignment: what a panic leaves behind is whole.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        known: MutexGuard<'a, Known>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, Known> {
        let Some(until) = until else {
            return self
                .changed
                .wait(known)
                .unwrap_or_else(PoisonError::into_inner);
        };
        let pause = until.saturating_duration_since(Instant::now());
        let woken = self.changed.wait_timeout(known, pause);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Asks the camera to stop.
    pub fn stop(&self) {
        self.known().stopping.get_or_insert_with(Instant::now);
        self.changed.notify_all();
    }

    /// Frames of all openings.
    pub fn frames(&self) -> u64 {
        self.known().frames
    }

    /// Whether it was asked to.
    pub fn stopping(&self) -> bool {
        self.known().stopping.is_some()
    }

    /// Supervisor: a new opening; no earlier one is heard any more.
    pub fn begin(&self) -> Opening {
        let mut known = self.known();
        known.opening += 1;
        known.outcome = None;
        known.delivered = false;
        known.enter(Activity::Opening);
        known.opening
    }

    /// Supervisor: waits until the opening's thread has ended, or hangs; then it is not heard any more.
    pub fn supervise(&self) -> Verdict {
        let mut known = self.known();
        loop {
            if let Some(outcome) = known.outcome.take() {
                return Verdict::Finished(outcome);
            }
            let verdict = match known.look(self.limits) {
                Look::Fine(until) => {
                    known.next_look = until;
                    known = self.wait(known, until);
                    continue;
                }
                Look::Stalled => Verdict::Stalled(known.phase.activity),
                Look::Stuck => Verdict::Stuck,
            };
            known.opening += 1;
            return verdict;
        }
    }

    /// Supervisor: whether the last opening gave a frame.
    pub fn delivered(&self) -> bool {
        self.known().delivered
    }

    /// Supervisor: waits; false if the camera is to stop.
    pub fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut known = self.known();
        while known.stopping.is_none() && Instant::now() < until {
            known = self.wait(known, Some(until));
        }
        known.stopping.is_none()
    }

    /// Capture thread: whether it is heard, and not to stop.
    pub fn heard(&self, opening: Opening) -> bool {
        self.known().heard(opening)
    }

    /// Capture thread: states what it does next; if that is false, it is to end.
    pub fn enter(&self, opening: Opening, activity: Activity) -> bool {
        let mut known = self.known();
        // Closing is what a thread does that was told to stop.
        let heard =
            known.heard(opening) || (activity == Activity::Closing && known.opening == opening);
        if heard {
            known.enter(activity);
            self.wake_if_late(&known);
        }
        heard
    }

    /// Most often the supervisor looks soon enough by itself: a thousand frames need not wake it.
    fn wake_if_late(&self, known: &Known) {
        if let Look::Fine(Some(due)) = known.look(self.limits)
            && known.next_look.is_none_or(|next| due < next)
        {
            self.changed.notify_all();
        }
    }

    /// Capture thread: states that it hands a frame on, and is told which; none if it is to end.
    pub fn deliver(&self, opening: Opening) -> Option<Place> {
        let mut known = self.known();
        if !known.heard(opening) {
            return None;
        }
        known.enter(Activity::Delivering);
        known.frames += 1;
        let first = !known.delivered;
        known.delivered = true;
        Some(Place {
            frame_id: known.frames,
            first,
        })
    }

    /// Capture thread: waits until a frame is due; false if it is to end.
    pub fn wait_until(&self, opening: Opening, due: Instant) -> bool {
        let mut known = self.known();
        while known.heard(opening) {
            if Instant::now() >= due {
                return true;
            }
            known.enter(Activity::Pausing);
            known = self.wait(known, Some(due));
        }
        false
    }

    /// Capture thread: its last word.
    pub fn finish(&self, opening: Opening, outcome: Outcome) {
        let mut known = self.known();
        if known.opening == opening {
            known.outcome = Some(outcome);
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests;
