//! The two threads that judge: one prepares frames and runs the model, the other turns maps into
//! verdicts while the next run goes on.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use super::Active;
use super::job::Job;
use super::shared::Shared;
use crate::evidence::{AnomalyMap, CapturedFrame};
use inspectd_core::frame::Frame;
use inspectd_core::maps::combine;
use inspectd_core::preprocess::{resize, rotate};
use inspectd_core::record::{Fault, FaultReason, Outcome, Subject, Timings};
use inspectd_core::rules::FrameShape;
use inspectd_core::verdict::{FrameMaps, judge};
use inspectd_engine::{EngineError, RawMaps};

/// A frame at the model's size, and where it comes from.
struct Prepared {
    job: Job,
    /// As captured, turned.
    picture: CapturedFrame,
    /// What the model takes.
    input: Frame,
    timings: Timings,
}

/// A run that came to an end.
pub(super) struct Inspected {
    active: Arc<Active>,
    frames: Vec<Prepared>,
    /// Frames of the run, which may be more than those that end with it.
    batch_size: u32,
    maps: Result<RawMaps, EngineError>,
}

/// Takes frames in, until the intake is closed and empty; then the judge, who gets no more, ends too.
pub(super) fn inspect(shared: &Shared, judge: &SyncSender<Inspected>) {
    while let Some(mut jobs) = shared.take() {
        while !jobs.is_empty() {
            let _working = shared.inspector_heartbeat.work();
            // What was in force when a frame was captured judges it: a new model, recipe or threshold
            // comes between two frames, and frames of both sides share no run.
            let active = Arc::clone(&jobs[0].active);
            let alike = |job: &Job| Arc::ptr_eq(&job.active, &active);
            let size = active
                .model
                .batch_size(jobs.iter().filter(|job| alike(job)).count());
            let mut left = size;
            let batch: Vec<Job> = jobs
                .extract_if(.., |job| {
                    let taken = left > 0 && alike(job);
                    left -= usize::from(taken);
                    taken
                })
                .collect();
            let frames = batch
                .into_iter()
                .filter_map(|job| prepare(shared, &active, job))
                .collect();
            run(&active, frames, &mut |inspected| {
                // The judge lives until this sender is gone.
                let _ = judge.send(inspected);
            });
        }
    }
}

/// Turns and resizes. A frame that does not fit the model (which may have changed since it was
/// captured) is a fault at once; one whose deadline has passed has its verdict already.
fn prepare(shared: &Shared, active: &Active, mut job: Job) -> Option<Prepared> {
    if !job.claim.is_open() {
        shared.late(job.camera.as_ref());
        return None;
    }
    let taken = Instant::now();
    let queue = taken.saturating_duration_since(job.moment.monotonic);
    let size = [job.frame.width(), job.frame.height()];
    if let Err(message) = job.view.inspected_size(size, active.model.input) {
        shared.refuse(job, Fault::new(FaultReason::WrongSize, message));
        return None;
    }
    let placeholder = Frame::new(1, 1, vec![0; 3]).expect("one pixel");
    let frame = rotate(
        std::mem::replace(&mut job.frame, placeholder),
        job.view.rotate,
    );
    let [width, height] = active.model.input;
    let input = resize(&frame, job.view.crop, width, height).expect("the crop was checked");
    let picture = CapturedFrame {
        frame: Arc::new(frame),
        crop: job.view.crop,
    };
    let timings = Timings {
        queue: Some(queue),
        preprocess: Some(taken.elapsed()),
        ..Timings::default()
    };
    Some(Prepared {
        job,
        picture,
        input,
        timings,
    })
}

/// Runs the model over all frames. One frame whose maps are no numbers does not cost the others their
/// verdicts: it is taken out, and they are run anew.
fn run(active: &Arc<Active>, mut frames: Vec<Prepared>, done: &mut dyn FnMut(Inspected)) {
    while !frames.is_empty() {
        let started = Instant::now();
        let inputs: Vec<&Frame> = frames.iter().map(|frame| &frame.input).collect();
        let maps = active.model.engine().run(&inputs);
        let inference = started.elapsed();
        let batch_size = frames.len() as u32;
        for frame in &mut frames {
            frame.timings.inference = Some(inference);
        }
        let mut inspected = |frames, maps| {
            done(Inspected {
                active: Arc::clone(active),
                frames,
                batch_size,
                maps,
            });
        };
        match maps {
            Err(error @ EngineError::NotFinite { index, .. }) if frames.len() > 1 => {
                inspected(vec![frames.remove(index)], Err(error));
            }
            maps => return inspected(frames, maps),
        }
    }
}

/// Judges until there is no more.
pub(super) fn judge_all(shared: &Shared, inspected: &Receiver<Inspected>) {
    while let Ok(Inspected {
        active,
        frames,
        batch_size,
        maps,
    }) = inspected.recv()
    {
        let _working = shared.judge_heartbeat.work();
        match maps {
            Ok(maps) => {
                shared.observer.inferred(&frames[0].timings, batch_size);
                for (frame, maps) in frames.into_iter().zip(maps.frames()) {
                    judge_one(shared, &active, frame, maps, batch_size);
                }
            }
            Err(error) => {
                shared.engine_failed(&error);
                for frame in frames {
                    let fault = Fault::new(FaultReason::Engine, error.to_string());
                    publish(shared, frame, batch_size, Outcome::Fault(fault), None);
                }
            }
        }
    }
}

fn judge_one(
    shared: &Shared,
    active: &Active,
    mut frame: Prepared,
    (structural, logical): (&[f32], &[f32]),
    batch_size: u32,
) {
    let started = Instant::now();
    let model = &active.model;
    let [width, height] = inspected_size(&frame.picture);
    let maps = FrameMaps {
        structural,
        logical,
        side: model.map_side,
        width,
        height,
    };
    let shape = FrameShape {
        side: model.map_side,
        width,
        height,
    };
    let rules = active.rules(frame.job.thresholds_of.as_ref(), shape);
    let judged = judge(maps, &model.calibration, &rules);
    let heat = judged.is_ok().then(|| AnomalyMap {
        cells: combine(structural, logical, &model.calibration),
        side: model.map_side,
    });
    let outcome = match judged {
        Ok(judgement) => Outcome::Judged(judgement),
        Err(error) => Outcome::Fault(Fault::new(FaultReason::Engine, error.to_string())),
    };
    frame.timings.judge = Some(started.elapsed());
    publish(shared, frame, batch_size, outcome, heat);
}

fn inspected_size(picture: &CapturedFrame) -> [u32; 2] {
    match picture.crop {
        None => [picture.frame.width(), picture.frame.height()],
        Some(crop) => [crop.right - crop.left, crop.bottom - crop.top],
    }
}

fn publish(
    shared: &Shared,
    frame: Prepared,
    batch_size: u32,
    outcome: Outcome,
    heat: Option<AnomalyMap>,
) {
    let Prepared {
        job,
        picture,
        timings,
        ..
    } = frame;
    let subject = Subject {
        timings,
        batch_size,
        size: Some(inspected_size(&picture)),
        ..job.subject()
    };
    shared.answer(
        &job.claim,
        job.moment,
        subject,
        outcome,
        Some((picture, heat)),
    );
}

/// How many runs may wait for the judge: one, so that a slow judge holds the engine up rather than
/// memory.
pub(super) const JUDGE_QUEUE: usize = 1;

/// How long a run waits for frames of other cameras once it has one.
pub(super) fn window(active: &Active) -> (usize, Duration) {
    let engine = &active.settings.engine;
    (engine.batch_limit, engine.batch_window)
}
