//! A verdict as one line of a live table.

use inspectd::grpc::proto::{Score, Verdict};

use crate::words::{self, Outcome};

/// The columns' headings.
pub fn heading() -> String {
    format!(
        "{:>8}  {:<10} {:>7}  {:<8} {:>8} {:>9} {:>10} {:>8}  {:<10} {:>7} {:>8} {:>8}  {}",
        "sequence",
        "camera",
        "frame",
        "decision",
        "score",
        "threshold",
        "structural",
        "logical",
        "kind",
        "regions",
        "total ms",
        "model ms",
        "truth or item"
    )
}

/// A verdict under them.
pub fn describe(verdict: &Verdict) -> String {
    let timings = verdict.timings.unwrap_or_default();
    let ms = |duration: Option<prost_types::Duration>| {
        duration.map_or_else(
            || "-".to_owned(),
            |time| format!("{:.1}", words::milliseconds(time)),
        )
    };
    let style = words::decision_style(verdict.decision());
    let decision = words::decision(verdict.decision()).to_uppercase();
    let camera = if verdict.camera_id.is_empty() {
        "-"
    } else {
        &verdict.camera_id
    };
    format!(
        "{:>8}  {camera:<10} {:>7}  {style}{decision:<8}{style:#} {} {:>7} {:>8} {:>8}  {}",
        verdict.sequence,
        verdict.frame_id,
        scores(verdict.score.as_ref()),
        verdict.regions.len(),
        ms(timings.total),
        ms(timings.inference),
        remark(verdict)
    )
    .trim_end()
    .to_owned()
}

fn scores(score: Option<&Score>) -> String {
    let Some(score) = score else {
        return format!("{:>8} {:>9} {:>10} {:>8}  {:<10}", "-", "-", "-", "-", "-");
    };
    format!(
        "{:>8.4} {:>9.4} {:>10.4} {:>8.4}  {:<10}",
        score.value,
        score.threshold,
        score.structural,
        score.logical,
        words::kind(score.dominant())
    )
}

/// What is known about the part beside its score: why it was not judged, what it is, what it is called.
fn remark(verdict: &Verdict) -> String {
    let warning = words::warning_style();
    let fault = verdict.fault.as_ref().map(|fault| {
        format!(
            "{warning}{}: {}{warning:#}",
            words::fault_reason(fault.reason()),
            fault.message
        )
    });
    let name = match verdict.truth.as_str() {
        "" => verdict.source_item.clone(),
        truth => truth.to_owned(),
    };
    let wrong = match words::outcome(verdict) {
        Some(Outcome::Missed | Outcome::FalseAlarm) => format!("{warning}<- wrong{warning:#}"),
        Some(Outcome::Found | Outcome::Passed | Outcome::NotJudged) | None => String::new(),
    };
    let parts = [fault.unwrap_or_default(), name, wrong];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use inspectd::grpc::proto::{AnomalyKind, Decision, Fault, FaultReason, Region, Timings};

    use super::*;

    fn verdict(decision: Decision) -> Verdict {
        let ms = |ms| {
            Some(prost_types::Duration {
                seconds: 0,
                nanos: ms * 1_000_000,
            })
        };
        Verdict {
            sequence: 12,
            camera_id: "top".into(),
            frame_id: 11,
            decision: decision.into(),
            score: Some(Score {
                value: 0.75,
                structural: 0.5,
                logical: 0.25,
                threshold: 0.5,
                review_from: None,
                dominant: AnomalyKind::Structural.into(),
                ..Default::default()
            }),
            regions: vec![Region::default(); 2],
            timings: Some(Timings {
                inference: ms(30),
                total: ms(35),
                ..Timings::default()
            }),
            ..Verdict::default()
        }
    }

    fn check(verdict: &Verdict, expected: &str) {
        let shown = anstream::adapter::strip_str(&describe(verdict)).to_string();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_verdict_stands_under_its_headings() {
        check(
            &verdict(Decision::Reject),
            "      12  top             11  REJECT     0.7500    0.5000     0.5000   0.2500  structural       2     35.0     30.0",
        );
        assert_eq!(
            heading(),
            "sequence  camera       frame  decision    score threshold structural  logical  kind       regions total ms model ms  truth or item"
        );
    }

    #[test]
    fn a_wrong_verdict_is_marked() {
        let ends = |decision, truth: &str, item: &str, end: &str| {
            let verdict = Verdict {
                truth: truth.into(),
                source_item: item.into(),
                ..verdict(decision)
            };
            let shown = anstream::adapter::strip_str(&describe(&verdict)).to_string();
            assert!(shown.ends_with(&format!("30.0{end}")), "{shown}");
        };
        ends(Decision::Reject, "scratch", "", "  scratch");
        ends(Decision::Pass, "scratch", "", "  scratch  <- wrong");
        ends(Decision::Review, "good", "", "  good  <- wrong");
        ends(Decision::Pass, "good", "", "  good");
        ends(Decision::Pass, "", "a/b.png", "  a/b.png");
    }

    #[test]
    fn a_fault_says_why_in_the_place_of_scores() {
        check(
            &Verdict {
                sequence: 3,
                camera_id: "top".into(),
                decision: Decision::Fault.into(),
                fault: Some(Fault {
                    reason: FaultReason::CameraLost.into(),
                    message: "cannot be opened".into(),
                }),
                ..Verdict::default()
            },
            "       3  top              0  FAULT           -         -          -        -  -                0        -        -  camera_lost: cannot be opened",
        );
    }
}
