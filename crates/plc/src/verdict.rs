//! Verdicts of the daemon as results of a station.

use std::time::{Duration, SystemTime};

use inspectd_client::proto;
use inspectd_client::{Decision as ApiDecision, Verdict};

use crate::config::Target;
use crate::handshake::{Decision, Defect, Judged, Score};

/// Returns whether a verdict is one of a target: of its camera, or of the parts of its group.
pub fn belongs(verdict: &Verdict, target: &Target) -> bool {
    match target {
        Target::Camera(id) => verdict.camera_id == *id,
        Target::Group(id) => verdict.camera_id.is_empty() && verdict.group_id == *id,
    }
}

/// Returns what the registers show of a verdict.
pub fn judged(verdict: &Verdict, now: SystemTime) -> Judged {
    let fault = verdict.fault.as_ref();
    let worst = verdict.regions.first();
    let total = verdict.timings.as_ref().and_then(|timings| timings.total);
    Judged {
        key: String::from_utf8(verdict.client_data.clone()).unwrap_or_default(),
        part_id: verdict.part_id.clone(),
        decision: decision(verdict.decision()),
        fault_reason: fault.map_or(0, |fault| u16::try_from(fault.reason).unwrap_or(u16::MAX)),
        score: verdict.score.as_ref().map(|score| Score {
            value: score.value,
            threshold: score.threshold,
        }),
        defects: u16::try_from(verdict.regions.len()).unwrap_or(u16::MAX),
        worst: worst.map(defect).unwrap_or_default(),
        inspection_time: duration(total),
        sequence: verdict.sequence,
        recipe: verdict.recipe.clone().unwrap_or_default().id,
        age: age(verdict, now),
        unconfirmed: verdict.unconfirmed,
    }
}

fn decision(decision: ApiDecision) -> Option<Decision> {
    match decision {
        ApiDecision::Pass => Some(Decision::Pass),
        ApiDecision::Reject => Some(Decision::Reject),
        ApiDecision::Review => Some(Decision::Review),
        ApiDecision::Fault => Some(Decision::Fault),
        ApiDecision::Unspecified => None,
    }
}

fn defect(region: &proto::Region) -> Defect {
    let place = region.r#box.unwrap_or_default();
    Defect {
        place: [place.left, place.top, place.width, place.height],
        peak: region.peak,
        kind: u16::try_from(region.kind).unwrap_or(0),
    }
}

fn duration(duration: Option<prost_types::Duration>) -> Duration {
    duration
        .and_then(|duration| duration.try_into().ok())
        .unwrap_or_default()
}

/// The age of a verdict; the longest for one without a time.
fn age(verdict: &Verdict, now: SystemTime) -> Duration {
    let made = verdict
        .record_time
        .and_then(|time| SystemTime::try_from(time).ok());
    match made {
        // After a clock was set back, the time of a verdict can be in the future: such a verdict is new.
        Some(made) => now.duration_since(made).unwrap_or_default(),
        None => Duration::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_that_is_not_known_is_none() {
        let check = |number, expected| {
            let verdict = Verdict {
                decision: number,
                ..Verdict::default()
            };
            assert_eq!(judged(&verdict, SystemTime::now()).decision, expected);
        };
        check(0, None);
        check(1, Some(Decision::Pass));
        check(2, Some(Decision::Reject));
        check(3, Some(Decision::Review));
        check(4, Some(Decision::Fault));
        check(99, None);
    }

    #[test]
    fn verdict_of_a_view_is_not_that_of_the_part() {
        let check = |camera: &str, group: &str, target: Target, expected| {
            let verdict = Verdict {
                camera_id: camera.to_owned(),
                group_id: group.to_owned(),
                ..Verdict::default()
            };
            assert_eq!(belongs(&verdict, &target), expected, "{camera} {group}");
        };
        let group = || Target::Group("cell".to_owned());
        let camera = || Target::Camera("top".to_owned());
        check("", "cell", group(), true);
        check("top", "cell", group(), false);
        check("", "other", group(), false);
        check("top", "cell", camera(), true);
        check("side", "cell", camera(), false);
        check("", "cell", camera(), false);
    }

    #[test]
    fn verdict_without_a_time_is_outdated() {
        let verdict = Verdict::default();
        assert_eq!(judged(&verdict, SystemTime::now()).age, Duration::MAX);
    }

    #[test]
    fn unconfirmed_verdict_is_marked() {
        let check = |unconfirmed| {
            let verdict = Verdict {
                unconfirmed,
                ..Verdict::default()
            };
            assert_eq!(judged(&verdict, SystemTime::now()).unconfirmed, unconfirmed);
        };
        check(false);
        check(true);
    }
}
