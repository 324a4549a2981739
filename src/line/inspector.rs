//! The two threads that judge: one prepares frames and runs the model, the other turns maps into
//! verdicts while the next run goes on.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use super::Active;
use super::job::Job;
use super::record::{Draft, Fault, FaultReason, Outcome, Timings};
use super::shared::Shared;
use crate::engine::{EngineError, RawMaps};
use crate::evidence::{Heat, Picture};
use crate::frame::Frame;
use crate::maps::combine;
use crate::metrics;
use crate::preprocess::{resize, rotate};
use crate::regions::RegionRules;
use crate::rules::Rules;
use crate::verdict::{FrameMaps, judge};

/// A frame at the model's size, and where it comes from.
struct Prepared {
    job: Job,
    /// As captured, turned.
    picture: Picture,
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
            let _working = shared.inspector_beat.work();
            // Read once a run: a new model or threshold comes into force between frames.
            let active = shared.active();
            let size = active.model.batch_size(jobs.len());
            let batch: Vec<Job> = jobs.drain(..size).collect();
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
/// captured) is a fault at once.
fn prepare(shared: &Shared, active: &Active, mut job: Job) -> Option<Prepared> {
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
    let picture = Picture {
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
        let _working = shared.judge_beat.work();
        match maps {
            Ok(maps) => {
                metrics::batch(&frames[0].timings, batch_size);
                for (frame, maps) in frames.into_iter().zip(maps.frames()) {
                    judge_one(shared, &active, frame, maps, batch_size);
                }
            }
            Err(error) => {
                shared.engine_failed(&error);
                for frame in frames {
                    let fault = Fault::new(FaultReason::Engine, error.to_string());
                    publish(shared, &active, frame, batch_size, Err(fault), None);
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
    let settings = &active.settings;
    let [width, height] = inspected_size(&frame.picture);
    let maps = FrameMaps {
        structural,
        logical,
        side: model.map_side,
        width,
        height,
    };
    let thresholds = frame
        .job
        .overrides(settings)
        .resolve(settings.verdict.thresholds, model.threshold);
    let listing = RegionRules {
        min_area: settings.verdict.region_min_area,
        limit: settings.verdict.region_limit,
    };
    let rules = Rules::plain(thresholds, listing);
    let outcome = judge(maps, &model.calibration, &rules)
        .map_err(|error| Fault::new(FaultReason::Engine, error.to_string()));
    let heat = outcome.is_ok().then(|| Heat {
        cells: combine(structural, logical, &model.calibration),
        side: model.map_side,
    });
    frame.timings.judge = Some(started.elapsed());
    publish(shared, active, frame, batch_size, outcome, heat);
}

fn inspected_size(picture: &Picture) -> [u32; 2] {
    match picture.crop {
        None => [picture.frame.width(), picture.frame.height()],
        Some(crop) => [crop.right - crop.left, crop.bottom - crop.top],
    }
}

fn publish(
    shared: &Shared,
    active: &Active,
    frame: Prepared,
    batch_size: u32,
    outcome: Outcome,
    heat: Option<Heat>,
) {
    let Prepared {
        job,
        picture,
        timings,
        ..
    } = frame;
    let draft = Draft {
        camera: job.camera,
        frame_id: job.frame_id,
        moment: job.moment,
        stamp: Arc::clone(&active.stamp),
        simulated: job.simulated,
        timings,
        batch_size,
        size: Some(inspected_size(&picture)),
        item: job.item,
        truth: job.truth,
    };
    let verdict = shared.publish(draft, outcome, Some((picture, heat)));
    if let Some(reply) = job.reply {
        reply(verdict);
    }
}

/// How many runs may wait for the judge: one, so that a slow judge holds the engine up rather than
/// memory.
pub(super) const JUDGE_QUEUE: usize = 1;

/// How long a run waits for frames of other cameras once it has one.
pub(super) fn window(active: &Active) -> (usize, Duration) {
    let engine = &active.settings.engine;
    (engine.batch_limit, engine.batch_window)
}
