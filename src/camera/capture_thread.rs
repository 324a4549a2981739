//! The thread that captures: opens a source, and hands on what it gives.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Instant;

use super::activity::Activity;
use super::capture_status::{Opening, Outcome, Watch};
use super::sources::{Opened, Shot, SourceError, waits_for_room};
use super::{Captured, Sink, redact, reporter};
use crate::config::settings;
use inspectd_core::id::CameraId;

/// Opens a source; as [`super::sources::open`].
pub type Open =
    dyn Fn(&settings::Camera, &dyn Fn(bool)) -> Result<Opened, SourceError> + Send + Sync;

/// What a capture thread works with.
#[derive(Clone)]
pub struct Job {
    /// The camera.
    pub id: CameraId,
    /// Its settings.
    pub settings: Arc<settings::Camera>,
    /// Who gets the frames.
    pub sink: Arc<dyn Sink>,
    /// What the supervisor is told.
    pub watch: Arc<Watch>,
    /// Opens the source.
    pub open: Arc<Open>,
}

impl Job {
    /// The whole life of a capture thread. A panic is a failure of the source, not of the camera.
    pub fn run(&self, opening: Opening) {
        let captured = panic::catch_unwind(AssertUnwindSafe(|| self.capture(opening)));
        let outcome = match captured {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Failed(redact(&error.to_string())),
            Err(panic) => Outcome::Failed(format!("the capture panicked: {}", text(&*panic))),
        };
        self.watch.finish(opening, outcome);
    }

    fn capture(&self, opening: Opening) -> Result<Outcome, SourceError> {
        let queued = |queued| {
            let activity = if queued {
                Activity::Queued
            } else {
                Activity::Opening
            };
            self.watch.enter(opening, activity);
        };
        let mut opened = (self.open)(&self.settings, &queued)?;
        let outcome = self.frames(opening, &mut opened);
        self.watch.enter(opening, Activity::Closing);
        drop(opened);
        outcome
    }

    /// One frame after another, until the last one or until nobody wants more.
    fn frames(&self, opening: Opening, opened: &mut Opened) -> Result<Outcome, SourceError> {
        loop {
            if let Some(schedule) = &mut opened.schedule {
                let due = schedule.next(Instant::now());
                if !self.watch.wait_until(opening, due) {
                    return Ok(Outcome::Stopped);
                }
            }
            if !self.watch.enter(opening, Activity::Reading) {
                return Ok(Outcome::Stopped);
            }
            let Some(shot) = opened.source.read()? else {
                return Ok(Outcome::Ended);
            };
            if !self.deliver(opening, shot) {
                return Ok(Outcome::Stopped);
            }
        }
    }

    /// False if nobody wants the frame any more.
    fn deliver(&self, opening: Opening, shot: Shot) -> bool {
        let Some(place) = self.watch.deliver(opening) else {
            return false;
        };
        if place.first {
            reporter::running(&self.id, &*self.sink);
        }
        let captured = Captured {
            frame_id: place.frame_id,
            moment: shot.moment,
            frame: shot.frame,
            item: shot.item,
            truth: shot.truth,
        };
        let stopped = || !self.watch.heard(opening);
        let wait = waits_for_room(&self.settings);
        self.sink.captured(&self.id, captured, wait, &stopped);
        true
    }
}

/// The words of a panic.
fn text(panic: &(dyn Any + Send)) -> &str {
    let whole = panic.downcast_ref::<String>().map(String::as_str);
    whole
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given")
}
