//! The thread that prepares frames and runs the model over them.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use inspectd_core::frame::Frame;
use inspectd_core::preprocess::{resize, rotate};
use inspectd_core::record::{Fault, FaultReason, Timings};
use inspectd_engine::{EngineError, RawMaps};

use super::active::Active;
use super::answers::Shared;
use super::job::{Job, Ticket};
use super::local_engine::LocalEngine;
use super::model::{RanOn, RunOutcome};
use super::model_run;
use crate::evidence::CapturedFrame;

/// Runs that may wait for the judge. One, so that a slow judge slows the inspector instead of filling
/// memory.
pub(super) const JUDGE_QUEUE: usize = 1;

/// A frame at the model's input size, and its origin.
pub(super) struct PreparedFrame {
    pub(super) ticket: Ticket,
    /// The frame as captured, rotated.
    pub(super) captured: CapturedFrame,
    /// The input of the model.
    input: Arc<Frame>,
    pub(super) timings: Timings,
    /// What ran the model, once it did.
    pub(super) on: RanOn,
}

/// The result of one run of the model.
pub(super) struct InspectedBatch {
    pub(super) active: Arc<Active>,
    pub(super) frames: Vec<PreparedFrame>,
    /// Frames of the run; more than `frames` where one of them was taken out.
    pub(super) batch_size: u32,
    pub(super) maps: Result<RawMaps, EngineError>,
}

/// Inspects frames until the intake is closed and empty. Then the judge receives nothing further and ends
/// as well.
pub(super) fn inspect(
    shared: &Shared,
    local: Option<&LocalEngine>,
    judge: &SyncSender<InspectedBatch>,
) {
    while let Some(jobs) = shared.take() {
        inspect_jobs(shared, local, jobs, &mut |inspected| {
            // The judge ends after this sender.
            let _ = judge.send(inspected);
        });
    }
}

/// Inspects these frames, in batches.
pub(super) fn inspect_jobs(
    shared: &Shared,
    local: Option<&LocalEngine>,
    mut jobs: Vec<Job>,
    done: &mut dyn FnMut(InspectedBatch),
) {
    while !jobs.is_empty() {
        let _work = shared.inspector_heartbeat.work();
        let (active, batch) = next_batch(&mut jobs);
        let frames = batch
            .into_iter()
            .filter_map(|job| prepare(shared, &active, job))
            .collect();
        run(shared, local, &active, frames, done);
    }
}

/// Takes the next batch out of `jobs`. A frame is judged by the settings, model and recipe that were active
/// at its capture, so frames from before and after a change are not in the same batch.
fn next_batch(jobs: &mut Vec<Job>) -> (Arc<Active>, Vec<Job>) {
    let active = Arc::clone(&jobs[0].ticket.active);
    let matches = |job: &Job| Arc::ptr_eq(&job.ticket.active, &active);
    let waiting = jobs.iter().filter(|job| matches(job)).count();
    let mut left = active.model.batch_size(waiting);
    let batch = jobs
        .extract_if(.., |job| {
            let taken = left > 0 && matches(job);
            left -= usize::from(taken);
            taken
        })
        .collect();
    (active, batch)
}

/// Rotates, crops and resizes a frame. A frame whose deadline has passed has its verdict already. A frame
/// that does not fit the model, which may have changed since the capture, becomes a FAULT.
fn prepare(shared: &Shared, active: &Active, job: Job) -> Option<PreparedFrame> {
    if !job.ticket.slot.is_open() {
        shared.count_late(job.ticket.camera.as_ref());
        return None;
    }
    let taken = shared.clock.now().monotonic;
    let queue = taken.saturating_duration_since(job.ticket.moment.monotonic);
    let view = &job.ticket.view;
    if let Err(error) = view.inspected_size(job.ticket.size, active.model.input) {
        shared.refuse(job, Fault::new(FaultReason::WrongSize, error.to_string()));
        return None;
    }
    let Job { frame, ticket } = job;
    let frame = rotate(frame, ticket.view.rotate);
    let crop = ticket.view.crop;
    let [width, height] = active.model.input;
    let input = resize(&frame, crop, width, height).expect("the crop was checked");
    let preprocess = shared
        .clock
        .now()
        .monotonic
        .saturating_duration_since(taken);
    Some(PreparedFrame {
        ticket,
        captured: CapturedFrame {
            frame: Arc::new(frame),
            crop,
        },
        input: Arc::new(input),
        timings: Timings {
            queue: Some(queue),
            preprocess: Some(preprocess),
            ..Timings::default()
        },
        on: RanOn::Local,
    })
}

/// The outcome of a run over `frames`. A batch whose last frame has non-finite maps, too, counts as a failed run: a model
/// that returns nothing else would make every frame a FAULT for ever.
fn outcome(error: Option<&EngineError>, frames: &[PreparedFrame]) -> RunOutcome {
    match (error, frames) {
        (None, _) => RunOutcome::Succeeded,
        (Some(EngineError::NotFinite { .. }), [last]) => RunOutcome::NotFinite {
            of_client: last.ticket.camera.is_none(),
        },
        (Some(EngineError::NotFinite { .. }), _) => RunOutcome::Repeated,
        (Some(_), _) => RunOutcome::Failed,
    }
}

/// Runs the model over all frames. A frame with non-finite maps does not cost the others their verdicts: it
/// is taken out, and the others are run again.
fn run(
    shared: &Shared,
    local: Option<&LocalEngine>,
    active: &Arc<Active>,
    mut frames: Vec<PreparedFrame>,
    done: &mut dyn FnMut(InspectedBatch),
) {
    while !frames.is_empty() {
        let started = shared.clock.now().monotonic;
        let inputs: Vec<_> = frames
            .iter()
            .map(|frame| Arc::clone(&frame.input))
            .collect();
        let due = frames.iter().filter_map(|frame| frame.ticket.due()).min();
        let ran = model_run::run(shared, active, local, &inputs, due);
        if ran.on == RanOn::Local {
            shared.after_run(active, outcome(ran.maps.as_ref().err(), &frames));
        }
        let inference = shared
            .clock
            .now()
            .monotonic
            .saturating_duration_since(started);
        let batch_size = frames.len() as u32;
        for frame in &mut frames {
            frame.timings.inference = Some(inference);
            frame.on = ran.on;
        }
        let mut finish = |frames, maps| {
            done(InspectedBatch {
                active: Arc::clone(active),
                frames,
                batch_size,
                maps,
            });
        };
        match ran.maps {
            Err(error @ EngineError::NotFinite { index, .. }) if frames.len() > 1 => {
                finish(vec![frames.remove(index)], Err(error));
            }
            maps => return finish(frames, maps),
        }
    }
}
