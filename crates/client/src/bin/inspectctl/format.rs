//! Text of enumerations, times and decisions: the same in tables and in JSON.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use inspectd_client::json::enumerator;
pub use inspectd_client::json::{decision, fault_reason, kind, milliseconds};
use inspectd_client::proto::{
    CameraState, Decision, LabelKind, LineState, Model, RecipeTag, ReplayObstacle, ShadowState,
    ThresholdBasis, ThresholdMethod, Verdict,
};

/// `good`, `defective`, `unsure`.
pub fn label(kind: LabelKind) -> String {
    enumerator(kind.as_str_name(), "LABEL_KIND_")
}

/// `starting`, `running`, `degraded`, `stopping`.
pub fn line_state(state: LineState) -> String {
    enumerator(state.as_str_name(), "LINE_STATE_")
}

/// `opening`, `running`, `waiting`, `ended`, `paused`.
pub fn camera_state(state: CameraState) -> String {
    enumerator(state.as_str_name(), "CAMERA_STATE_")
}

/// `loading`, `running`, `failed`.
pub fn shadow_state(state: ShadowState) -> String {
    enumerator(state.as_str_name(), "SHADOW_STATE_")
}

/// `calibration`, `journal_lower`, `journal_upper`.
pub fn basis(basis: ThresholdBasis) -> String {
    enumerator(basis.as_str_name(), "THRESHOLD_BASIS_")
}

/// `empirical_quantile`, `exponential_tail`.
pub fn method(method: ThresholdMethod) -> String {
    enumerator(method.as_str_name(), "THRESHOLD_METHOD_")
}

/// `no_map`, `other_model` ...
pub fn obstacle(obstacle: ReplayObstacle) -> String {
    enumerator(obstacle.as_str_name(), "REPLAY_OBSTACLE_")
}

/// An obstacle as a phrase.
pub fn obstacle_phrase(obstacle: ReplayObstacle) -> &'static str {
    match obstacle {
        ReplayObstacle::NoMap => "no anomaly map is kept, and the score is not enough to decide",
        ReplayObstacle::OtherModel => "judged by another model than the recipe's",
        ReplayObstacle::OtherView => "the recipe inspects another part of the frame",
        ReplayObstacle::ClientImage => {
            "images sent by clients: the camera whose thresholds applied is not stored"
        }
        ReplayObstacle::Fault => "not judged originally (a FAULT)",
        ReplayObstacle::DamagedMap => "the file of the anomaly map is damaged",
        ReplayObstacle::NothingInspected => {
            "the recipe inspects nothing of the frame or of a region"
        }
        ReplayObstacle::Unspecified => "for a reason unknown to this version",
    }
}

/// A duration in at most two units: `4 s`, `3 min 4 s`, `2 h 3 min`, `5 d 2 h`.
pub fn span(duration: prost_types::Duration) -> String {
    let seconds = Duration::try_from(duration).map_or(0, |duration| duration.as_secs());
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// A count with its noun: `1 verdict`, `2 verdicts`.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A size with its unit: `512 B`, `1.5 MiB`.
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

/// The first 12 digits of a hash.
pub fn short_hash(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// A model by its name, version, precision unless it is f32, and hash: `demo 1.0.0 int8 (0123456789ab)`; `-` if it is unset.
pub fn model(model: Option<&Model>) -> String {
    model.map_or_else(
        || "-".to_owned(),
        |model| {
            let hash = short_hash(&model.sha256);
            let precision = match model.precision.as_str() {
                "" | "f32" => String::new(),
                other => format!(" {other}"),
            };
            format!("{} {}{precision} ({hash})", model.name, model.version)
        },
    )
}

/// A recipe by its id, version and hash: `juice, version 3 (0123456789ab)`; `none` if it is unset.
pub fn recipe(recipe: Option<&RecipeTag>) -> String {
    recipe.map_or_else(
        || "none".to_owned(),
        |recipe| {
            let hash = short_hash(&recipe.sha256);
            format!("{}, version {} ({hash})", recipe.id, recipe.version)
        },
    )
}

/// Style of a decision on a terminal.
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

/// Style of a warning on a terminal.
pub fn warning_style() -> Style {
    Style::new().fg_color(Some(AnsiColor::Yellow.into()))
}

/// A decision compared with the known condition of the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correctness {
    /// Defective; REJECT or REVIEW.
    DefectFound,
    /// Defective; PASS.
    DefectMissed,
    /// Good; REJECT or REVIEW.
    FalseAlarm,
    /// Good; PASS.
    GoodPassed,
    /// A FAULT: neither correct nor wrong.
    NotJudged,
}

/// Compares the decision of a verdict with the condition of its part; `None` if the condition is unknown.
pub fn correctness(verdict: &Verdict) -> Option<Correctness> {
    let defective = match verdict.truth.as_str() {
        "" => return None,
        truth => truth != "good",
    };
    // The configuration can turn a frame that was not judged into a REJECT.
    if verdict.fault.is_some() {
        return Some(Correctness::NotJudged);
    }
    Some(match (verdict.decision(), defective) {
        (Decision::Reject | Decision::Review, true) => Correctness::DefectFound,
        (Decision::Reject | Decision::Review, false) => Correctness::FalseAlarm,
        (Decision::Pass, true) => Correctness::DefectMissed,
        (Decision::Pass, false) => Correctness::GoodPassed,
        (Decision::Fault | Decision::Unspecified, _) => Correctness::NotJudged,
    })
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::Fault;

    use inspectd_client::proto::{AnomalyKind, FaultReason};

    use super::*;

    #[test]
    fn enumerators_are_lower_case_without_prefix() {
        assert_eq!(decision(Decision::Reject), "reject");
        assert_eq!(decision(Decision::Unspecified), "unspecified");
        assert_eq!(kind(AnomalyKind::Logical), "logical");
        assert_eq!(fault_reason(FaultReason::CameraLost), "camera_lost");
        assert_eq!(line_state(LineState::Degraded), "degraded");
        assert_eq!(camera_state(CameraState::Ended), "ended");
        assert_eq!(shadow_state(ShadowState::Loading), "loading");
    }

    #[test]
    fn models_and_recipes_are_named_with_the_start_of_their_hash() {
        let demo = Model {
            name: "demo".to_owned(),
            version: "1.0.0".to_owned(),
            sha256: "0123456789abcdef".to_owned(),
            precision: "f32".to_owned(),
        };
        assert_eq!(model(Some(&demo)), "demo 1.0.0 (0123456789ab)");
        assert_eq!(model(None), "-");
        let juice = RecipeTag {
            id: "juice".to_owned(),
            version: "3".to_owned(),
            sha256: "0123456789abcdef".to_owned(),
        };
        assert_eq!(recipe(Some(&juice)), "juice, version 3 (0123456789ab)");
        assert_eq!(recipe(None), "none");
    }

    #[test]
    fn spans_have_at_most_two_units() {
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
    fn review_of_a_defect_counts_as_found() {
        let check = |decision: Decision, truth: &str, expected| {
            let verdict = Verdict {
                decision: decision.into(),
                truth: truth.to_owned(),
                ..Verdict::default()
            };
            assert_eq!(correctness(&verdict), expected, "{decision:?} {truth:?}");
        };
        check(Decision::Reject, "scratch", Some(Correctness::DefectFound));
        check(Decision::Review, "scratch", Some(Correctness::DefectFound));
        check(Decision::Pass, "scratch", Some(Correctness::DefectMissed));
        check(Decision::Reject, "good", Some(Correctness::FalseAlarm));
        check(Decision::Review, "good", Some(Correctness::FalseAlarm));
        check(Decision::Pass, "good", Some(Correctness::GoodPassed));
        check(Decision::Fault, "good", Some(Correctness::NotJudged));
        check(Decision::Reject, "", None);
        let unseen = Verdict {
            decision: Decision::Reject.into(),
            fault: Some(Fault::default()),
            truth: "scratch".to_owned(),
            ..Verdict::default()
        };
        assert_eq!(correctness(&unseen), Some(Correctness::NotJudged));
    }

    #[test]
    fn counts_have_plurals_and_sizes_have_binary_units() {
        assert_eq!(count(1, "verdict"), "1 verdict");
        assert_eq!(count(0, "verdict"), "0 verdicts");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
    }
}
