//! The thread that turns maps into verdicts while the next run of the model is in progress.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use inspectd_core::decision::Decision;
use inspectd_core::maps::combine;
use inspectd_core::record::{Fault, FaultReason, Outcome, Subject};
use inspectd_core::rules::FrameShape;
use inspectd_core::verdict::{FrameMaps, JudgeError, JudgedMaps, Judgement, judge};
use tracing::warn;

use super::active::Active;
use super::answers::Shared;
use super::inspector::{InspectedBatch, PreparedFrame};
use super::publisher::InspectedImages;
use crate::drift::{Drift, PassedFrame};
use crate::evidence::{AnomalyMap, CapturedFrame};

/// Judges until the inspector has ended.
pub(super) fn judge_all(shared: &Shared, inspected: &Receiver<InspectedBatch>) {
    while let Ok(inspected) = inspected.recv() {
        judge_batch(shared, inspected);
    }
}

/// Judges the frames of one run of the model.
pub(super) fn judge_batch(shared: &Shared, inspected: InspectedBatch) {
    let InspectedBatch {
        active,
        frames,
        batch_size,
        maps,
    } = inspected;
    let _work = shared.judge_heartbeat.work();
    match maps {
        Ok(maps) => {
            shared.observer.inferred(&frames[0].timings, batch_size);
            for (frame, maps) in frames.into_iter().zip(maps.frames()) {
                judge_frame(shared, &active, frame, maps, batch_size);
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

fn judge_frame(
    shared: &Shared,
    active: &Active,
    mut frame: PreparedFrame,
    (structural, logical): (&[f32], &[f32]),
    batch_size: u32,
) {
    let started = shared.clock.now().monotonic;
    let model = &active.model;
    let [width, height] = inspected_size(&frame.captured);
    let size = model.map_size;
    let maps = FrameMaps {
        structural,
        logical,
        size,
        width,
        height,
    };
    let shape = FrameShape {
        map: size,
        width,
        height,
    };
    let rules = active.rules(frame.ticket.thresholds_of.as_ref(), shape);
    let distrusted = shared.challenge_failure.load_full();
    if let Some(message) = distrusted.filter(|_| !frame.ticket.challenge) {
        let fault = Fault::new(FaultReason::ChallengeFailed, message.as_str());
        return publish(shared, frame, batch_size, Outcome::Fault(fault), None);
    }
    let judged = judge(maps, &model.calibration, &rules);
    let anomaly_map = judged.is_ok().then(|| AnomalyMap {
        cells: combine(structural, logical, &model.calibration),
        size,
    });
    if let (Some(slot), Some(map)) = (&frame.ticket.maps, &anomaly_map) {
        // A frame is judged once.
        let _ = slot.set(JudgedMaps {
            combined: map.cells.clone(),
            structural: model.calibration.structural_share(structural),
            shape,
            rules: Arc::clone(&rules),
        });
    }
    let outcome = match judged {
        Ok(judgement) => Outcome::Judged(judgement),
        Err(error) => {
            let reason = match error {
                JudgeError::NotFinite => FaultReason::Engine,
                JudgeError::NothingInspected(_) => FaultReason::NothingInspected,
            };
            Outcome::Fault(Fault::new(reason, error.to_string()))
        }
    };
    if let Outcome::Judged(judgement) = &outcome {
        note_drift(shared, active, &frame, judgement, rules.covers_all());
    }
    let ended = shared.clock.now().monotonic;
    frame.timings.judge = Some(ended.saturating_duration_since(started));
    publish(shared, frame, batch_size, outcome, anomaly_map);
}

/// Notes the score of a passed frame of a camera. A window that has drifted is logged.
///
/// The scores of the calibration apply to rules that cover the whole frame.
fn note_drift(
    shared: &Shared,
    active: &Active,
    frame: &PreparedFrame,
    judgement: &Judgement,
    covers_all: bool,
) {
    let Some(camera) = frame.ticket.camera.as_ref() else {
        return;
    };
    if judgement.decision != Decision::Pass {
        return;
    }
    let passed = PassedFrame {
        score: judgement.highest,
        threshold: judgement.thresholds.reject_above,
        stamp: &active.stamp,
        calibration: covers_all.then_some(&active.model.manifest.scores.sorted),
    };
    let drift = shared.drift.note(camera, passed, || shared.clock.now().utc);
    if let Some(drift) = drift.filter(Drift::is_drifting) {
        let Drift {
            distance,
            p_value,
            shift,
            learned,
            ..
        } = drift;
        let references = if learned {
            "first frames with the recipe"
        } else {
            "calibration"
        };
        warn!(%camera, distance, p_value, shift, references, "the scores of passed frames have drifted from the references");
    }
}

/// Width and height of the inspected part of a frame.
fn inspected_size(captured: &CapturedFrame) -> [u32; 2] {
    match captured.crop {
        None => [captured.frame.width(), captured.frame.height()],
        Some(crop) => [crop.right - crop.left, crop.bottom - crop.top],
    }
}

fn publish(
    shared: &Shared,
    frame: PreparedFrame,
    batch_size: u32,
    outcome: Outcome,
    anomaly_map: Option<AnomalyMap>,
) {
    let PreparedFrame {
        ticket,
        captured,
        timings,
        on,
        ..
    } = frame;
    let subject = Subject {
        timings,
        batch_size,
        stamp: Arc::clone(ticket.active.stamp_of(on)),
        size: Some(inspected_size(&captured)),
        ..ticket.subject()
    };
    let images = InspectedImages {
        captured,
        anomaly_map,
    };
    shared.answer(&ticket.slot, ticket.moment, subject, outcome, Some(images));
}
