//! The capture thread: opens a source and delivers its frames.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use inspectd_core::id::CameraId;

use super::activity::Activity;
use super::capture_status::{CaptureOutcome, CaptureStatus, OpeningNumber};
use super::event::{Captured, Sink};
use super::redact::redact;
use super::reporter;
use super::sources::{OpenedSource, Shot, SourceError, waits_for_room};
use crate::clock::SharedClock;
use crate::config::settings;

/// Opens a source; see [`super::sources::open`].
pub type Open =
    dyn Fn(&settings::Camera, &SharedClock) -> Result<OpenedSource, SourceError> + Send + Sync;

/// Everything that a capture thread needs.
#[derive(Clone)]
pub struct CaptureJob {
    /// Id of the camera.
    pub id: CameraId,
    /// Settings of the camera.
    pub settings: Arc<settings::Camera>,
    /// Receiver of the frames.
    pub sink: Arc<dyn Sink>,
    /// State shared with the supervisor.
    pub status: Arc<CaptureStatus>,
    /// Opens the source.
    pub open: Arc<Open>,
    /// The clock.
    pub clock: SharedClock,
}

impl CaptureJob {
    /// Runs the capture thread. A panic counts as a failure of the source.
    pub fn run(&self, opening: OpeningNumber) {
        let captured = panic::catch_unwind(AssertUnwindSafe(|| self.capture(opening)));
        let outcome = match captured {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => CaptureOutcome::Failed(redact(&error.to_string())),
            Err(panic) => {
                CaptureOutcome::Failed(format!("the capture thread panicked: {}", text(&*panic)))
            }
        };
        self.status.finish(opening, outcome);
    }

    fn capture(&self, opening: OpeningNumber) -> Result<CaptureOutcome, SourceError> {
        let mut opened = (self.open)(&self.settings, &self.clock)?;
        let outcome = self.deliver_frames(opening, &mut opened);
        self.status.enter(opening, Activity::Closing);
        drop(opened);
        outcome
    }

    /// Delivers frames until the source ends or the thread must stop.
    fn deliver_frames(
        &self,
        opening: OpeningNumber,
        opened: &mut OpenedSource,
    ) -> Result<CaptureOutcome, SourceError> {
        loop {
            if let Some(schedule) = &mut opened.schedule {
                let due = schedule.next(self.clock.now().monotonic);
                if !self.status.wait_until(opening, due) {
                    return Ok(CaptureOutcome::Stopped);
                }
            }
            if !self.status.enter(opening, Activity::Reading) {
                return Ok(CaptureOutcome::Stopped);
            }
            let Some(shot) = opened.source.read()? else {
                return Ok(CaptureOutcome::Ended);
            };
            if !self.deliver(opening, shot) {
                return Ok(CaptureOutcome::Stopped);
            }
        }
    }

    /// Delivers one frame; returns false if the thread must stop.
    fn deliver(&self, opening: OpeningNumber, shot: Shot) -> bool {
        let Some(number) = self.status.deliver(opening) else {
            return false;
        };
        if number.first {
            reporter::running(&self.id, &*self.sink);
        }
        let captured = Captured {
            frame_id: number.frame_id,
            lost: shot.lost,
            moment: shot.moment,
            frame: shot.frame,
            item: shot.item,
            truth: shot.truth,
        };
        let stopped = || !self.status.is_current(opening);
        let wait = waits_for_room(&self.settings);
        self.sink.captured(&self.id, captured, wait, &stopped);
        true
    }
}

/// The message of a panic.
fn text(panic: &(dyn Any + Send)) -> &str {
    let whole = panic.downcast_ref::<String>().map(String::as_str);
    whole
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}
