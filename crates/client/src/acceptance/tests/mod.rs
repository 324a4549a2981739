//! The statistics against values that were computed independently (`make_reference.py`), and evaluations of whole studies.

mod evaluation;
mod reference;

use super::{
    Decision, Header, Measurement, ModelIdentity, Order, Part, PartState, Picture, Plan, Series,
};

/// A part with one picture; `good1`, `bad1` ...
pub fn part(id: &str) -> Part {
    let state = if id.starts_with("bad") {
        PartState::Bad
    } else {
        PartState::Good
    };
    Part {
        id: id.to_owned(),
        state,
        pictures: vec![Picture {
            path: format!("{}/{id}.png", state.name()),
            sha256: "0".repeat(64),
        }],
    }
}

/// The header of a study of `good1`, `good2` ..., `bad1` ..., in two rounds.
pub fn header(good: usize, bad: usize) -> Header {
    let (format, version) = Header::format_and_version();
    let ids = (1..=good).map(|number| format!("good{number}"));
    let ids = ids.chain((1..=bad).map(|number| format!("bad{number}")));
    Header {
        format,
        version,
        id: "study".to_owned(),
        started: "2026-11-30T08:00:00Z".to_owned(),
        operator: "A. Tester".to_owned(),
        subject: "Bottle <juice>".to_owned(),
        camera: "left".to_owned(),
        live: false,
        client_version: "0.1.0".to_owned(),
        daemon_version: "0.1.0".to_owned(),
        model: ModelIdentity {
            name: "juice".to_owned(),
            version: "1".to_owned(),
            sha256: "a".repeat(64),
            precision: "f32".to_owned(),
        },
        recipe: None,
        config_hash: "c".repeat(64),
        plan: Plan {
            parts: ids.map(|id| part(&id)).collect(),
            trials: 2,
            reference: None,
            reference_count: 0,
            moved: None,
            moved_count: 0,
            order: Order::Listed,
            seed: 1,
        },
    }
}

/// A measurement of a part with the threshold 0.5.
pub fn measured(step: u32, id: &str, trial: u32, score: f32) -> Measurement {
    Measurement {
        step,
        series: Series::Agreement,
        part: id.to_owned(),
        state: part(id).state,
        trial,
        time: "2026-11-30T08:01:00Z".to_owned(),
        sequence: u64::from(step),
        decision: if score > 0.5 {
            Decision::Reject
        } else {
            Decision::Pass
        },
        score,
        threshold: 0.5,
        review_from: None,
    }
}
