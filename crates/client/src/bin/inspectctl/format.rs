//! How enumerations, times and decisions are said: the same words in tables and in JSON.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use inspectd_client::proto::{
    AnomalyKind, CameraState, Decision, FaultReason, LineState, ReplayObstacle, ThresholdBasis,
    ThresholdMethod, Verdict,
};

/// An enumerator without its enumeration's name, in lower case: `DECISION_PASS` is `pass`.
fn word(name: &str, enumeration: &str) -> String {
    name.strip_prefix(enumeration)
        .unwrap_or(name)
        .to_ascii_lowercase()
}

/// `pass`, `reject`, `review`, `fault`.
pub fn decision(decision: Decision) -> String {
    word(decision.as_str_name(), "DECISION_")
}

/// `structural`, `logical`.
pub fn kind(kind: AnomalyKind) -> String {
    word(kind.as_str_name(), "ANOMALY_KIND_")
}

/// `camera_lost`, `corrupt_frame` ...
pub fn fault_reason(reason: FaultReason) -> String {
    word(reason.as_str_name(), "FAULT_REASON_")
}

/// `starting`, `running`, `degraded`, `stopping`.
pub fn line_state(state: LineState) -> String {
    word(state.as_str_name(), "LINE_STATE_")
}

/// `opening`, `running`, `waiting`, `ended`.
pub fn camera_state(state: CameraState) -> String {
    word(state.as_str_name(), "CAMERA_STATE_")
}

/// `calibration`, `journal_lower`, `journal_upper`.
pub fn basis(basis: ThresholdBasis) -> String {
    word(basis.as_str_name(), "THRESHOLD_BASIS_")
}

/// `empirical_quantile`, `exponential_tail`.
pub fn method(method: ThresholdMethod) -> String {
    word(method.as_str_name(), "THRESHOLD_METHOD_")
}

/// `no_map`, `other_model` ...
pub fn obstacle(obstacle: ReplayObstacle) -> String {
    word(obstacle.as_str_name(), "REPLAY_OBSTACLE_")
}

/// The same for people.
pub fn obstacle_in_words(obstacle: ReplayObstacle) -> &'static str {
    match obstacle {
        ReplayObstacle::NoMap => "no map kept, and the score alone does not decide",
        ReplayObstacle::OtherModel => {
            "another model than the recipe's, which would have to see them"
        }
        ReplayObstacle::OtherView => "the recipe inspects another part of the frame",
        ReplayObstacle::ClientImage => {
            "images of clients: whose thresholds they asked for is not kept"
        }
        ReplayObstacle::Fault => "not judged in the first place (a FAULT)",
        ReplayObstacle::DamagedMap => "the map's file is damaged",
        ReplayObstacle::Unspecified => "for a reason that this version does not know",
    }
}

/// A protobuf duration in milliseconds.
pub fn milliseconds(duration: prost_types::Duration) -> f64 {
    duration.seconds as f64 * 1e3 + f64::from(duration.nanos) / 1e6
}

/// `4 s`, `3 min 4 s`, `2 h 3 min`, `5 d 2 h`: two units are as much as anybody reads.
pub fn span(duration: prost_types::Duration) -> String {
    let seconds = Duration::try_from(duration).map_or(0, |duration| duration.as_secs());
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// So many things: `1 verdict`, `2 verdicts`.
pub fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// `512 B`, `1.5 MiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{size:.1} {}", UNITS[unit]),
    }
}

/// A time to the second, `2026-11-18T11:06:40Z`.
pub fn second(time: &prost_types::Timestamp) -> String {
    let whole = prost_types::Timestamp { nanos: 0, ..*time };
    whole.to_string()
}

/// As much of a hash as tells one from another.
pub fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// How a decision looks on a terminal.
pub fn decision_style(decision: Decision) -> Style {
    let colour = match decision {
        Decision::Pass => AnsiColor::Green,
        Decision::Reject => AnsiColor::Red,
        Decision::Review => AnsiColor::Yellow,
        Decision::Fault => AnsiColor::Magenta,
        Decision::Unspecified => return Style::new(),
    };
    Style::new().fg_color(Some(colour.into())).bold()
}

/// How trouble that does not end the command looks on a terminal.
pub fn warning_style() -> Style {
    Style::new().fg_color(Some(AnsiColor::Yellow.into()))
}

/// What came of a part whose condition is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Defective, and rejected or put before a person.
    Found,
    /// Defective, and passed.
    Missed,
    /// Good, and rejected or put before a person.
    FalseAlarm,
    /// Good, and passed.
    Passed,
    /// A FAULT: neither right nor wrong.
    NotJudged,
}

/// What came of a part; `None` where nobody knows its condition.
pub fn outcome(verdict: &Verdict) -> Option<Outcome> {
    let defective = match verdict.truth.as_str() {
        "" => return None,
        truth => truth != "good",
    };
    // The settings may make a REJECT of what was not judged.
    if verdict.fault.is_some() {
        return Some(Outcome::NotJudged);
    }
    Some(match (verdict.decision(), defective) {
        (Decision::Reject | Decision::Review, true) => Outcome::Found,
        (Decision::Reject | Decision::Review, false) => Outcome::FalseAlarm,
        (Decision::Pass, true) => Outcome::Missed,
        (Decision::Pass, false) => Outcome::Passed,
        (Decision::Fault | Decision::Unspecified, _) => Outcome::NotJudged,
    })
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::Fault;

    use super::*;

    #[test]
    fn enumerators_are_words() {
        assert_eq!(decision(Decision::Reject), "reject");
        assert_eq!(decision(Decision::Unspecified), "unspecified");
        assert_eq!(kind(AnomalyKind::Logical), "logical");
        assert_eq!(fault_reason(FaultReason::CameraLost), "camera_lost");
        assert_eq!(line_state(LineState::Degraded), "degraded");
        assert_eq!(camera_state(CameraState::Ended), "ended");
    }

    #[test]
    fn spans_have_two_units() {
        let check = |seconds, text| {
            let duration = prost_types::Duration { seconds, nanos: 0 };
            assert_eq!(span(duration), text);
        };
        check(0, "0 s");
        check(59, "59 s");
        check(184, "3 min 4 s");
        check(7384, "2 h 3 min");
        check(439_200, "5 d 2 h");
        check(-1, "0 s");
    }

    #[test]
    fn a_defect_counts_as_found_when_a_person_is_asked() {
        let check = |decision: Decision, truth: &str, expected| {
            let verdict = Verdict {
                decision: decision.into(),
                truth: truth.to_owned(),
                ..Verdict::default()
            };
            assert_eq!(outcome(&verdict), expected, "{decision:?} {truth:?}");
        };
        check(Decision::Reject, "scratch", Some(Outcome::Found));
        check(Decision::Review, "scratch", Some(Outcome::Found));
        check(Decision::Pass, "scratch", Some(Outcome::Missed));
        check(Decision::Reject, "good", Some(Outcome::FalseAlarm));
        check(Decision::Review, "good", Some(Outcome::FalseAlarm));
        check(Decision::Pass, "good", Some(Outcome::Passed));
        check(Decision::Fault, "good", Some(Outcome::NotJudged));
        check(Decision::Reject, "", None);
        let unseen = Verdict {
            decision: Decision::Reject.into(),
            fault: Some(Fault::default()),
            truth: "scratch".to_owned(),
            ..Verdict::default()
        };
        assert_eq!(outcome(&unseen), Some(Outcome::NotJudged));
    }

    #[test]
    fn numbers_have_units_that_fit() {
        assert_eq!(count(1, "verdict"), "1 verdict");
        assert_eq!(count(0, "verdict"), "0 verdicts");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
    }
}
