//! A verdict as one row of a live table, whose column widths are fixed.

use inspectd_client::proto::{Decision, Score, Verdict, View};

use crate::format::{self, Correctness};

/// Returns the headings of the columns.
pub fn header() -> String {
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

/// Returns the row of a verdict.
pub fn row(verdict: &Verdict) -> String {
    let timings = verdict.timings.unwrap_or_default();
    let ms = |duration: Option<prost_types::Duration>| {
        duration.map_or_else(
            || "-".to_owned(),
            |time| format!("{:.1}", format::milliseconds(time)),
        )
    };
    let style = format::decision_style(verdict.decision());
    let decision = format::decision(verdict.decision()).to_uppercase();
    // A part has a group and no camera; an image sent by a client has neither.
    let names = [&verdict.camera_id, &verdict.group_id];
    let name = names.into_iter().find(|name| !name.is_empty());
    let name = name.map_or("-", String::as_str);
    let sequence = match verdict.sequence {
        0 => "-".to_owned(),
        sequence => sequence.to_string(),
    };
    format!(
        "{sequence:>8}  {name:<10} {:>7}  {style}{decision:<8}{style:#} {} {:>7} {:>8} {:>8}  {}",
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
        format::kind(score.dominant())
    )
}

/// What is known about the part in addition to its score: id, views, deciding region, fault, truth or source
/// item, and whether the decision is wrong.
fn remark(verdict: &Verdict) -> String {
    let warning = format::warning_style();
    let fault = verdict.fault.as_ref().map(|fault| {
        let not_judged = match verdict.decision() {
            Decision::Reject => "not judged, ",
            _ => "",
        };
        format!(
            "{warning}{not_judged}{}: {}{warning:#}",
            format::fault_reason(fault.reason()),
            fault.message
        )
    });
    let part = match verdict.part_id.as_str() {
        "" if verdict.views.is_empty() => String::new(),
        "" => "part".to_owned(),
        id => format!("part {id}"),
    };
    let decided = verdict
        .score
        .as_ref()
        .map(|score| score.decided_by.as_str());
    let decided = decided.filter(|region| !region.is_empty());
    let decided = decided.map(|region| format!("in {region}"));
    let name = match verdict.truth.as_str() {
        "" => verdict.source_item.clone(),
        truth => truth.to_owned(),
    };
    let wrong = match format::correctness(verdict) {
        Some(Correctness::DefectMissed | Correctness::FalseAlarm) => {
            format!("{warning}<- wrong{warning:#}")
        }
        Some(Correctness::DefectFound | Correctness::GoodPassed | Correctness::NotJudged)
        | None => String::new(),
    };
    let parts = [
        part,
        views(&verdict.views),
        decided.unwrap_or_default(),
        fault.unwrap_or_default(),
        name,
        wrong,
    ];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("  ")
}

/// The decisions of the views of a part: `left REJECT, right PASS`.
pub fn views(views: &[View]) -> String {
    let view = |view: &View| {
        let style = format::decision_style(view.decision());
        let decision = format::decision(view.decision()).to_uppercase();
        format!("{} {style}{decision}{style:#}", view.camera_id)
    };
    let views: Vec<_> = views.iter().map(view).collect();
    views.join(", ")
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::{AnomalyKind, Fault, FaultReason, Region, Timings};

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
        let shown = anstream::adapter::strip_str(&row(verdict)).to_string();
        assert_eq!(shown, expected);
    }

    #[test]
    fn row_is_aligned_with_the_header() {
        check(
            &verdict(Decision::Reject),
            "      12  top             11  REJECT     0.7500    0.5000     0.5000   0.2500  structural       2     35.0     30.0",
        );
        assert_eq!(
            header(),
            "sequence  camera       frame  decision    score threshold structural  logical  kind       regions total ms model ms  truth or item"
        );
    }

    #[test]
    fn wrong_decision_is_marked() {
        let ends = |decision, truth: &str, item: &str, end: &str| {
            let verdict = Verdict {
                truth: truth.into(),
                source_item: item.into(),
                ..verdict(decision)
            };
            let shown = anstream::adapter::strip_str(&row(&verdict)).to_string();
            assert!(shown.ends_with(&format!("30.0{end}")), "{shown}");
        };
        ends(Decision::Reject, "scratch", "", "  scratch");
        ends(Decision::Pass, "scratch", "", "  scratch  <- wrong");
        ends(Decision::Review, "good", "", "  good  <- wrong");
        ends(Decision::Pass, "good", "", "  good");
        ends(Decision::Pass, "", "a/b.png", "  a/b.png");
    }

    fn ends(verdict: &Verdict, end: &str) {
        let shown = anstream::adapter::strip_str(&row(verdict)).to_string();
        assert!(shown.ends_with(end), "{shown}");
    }

    #[test]
    fn part_shows_the_decisions_of_its_views() {
        let view = |camera: &str, decision: Decision| View {
            camera_id: camera.into(),
            decision: decision.into(),
            ..View::default()
        };
        let verdict = Verdict {
            sequence: 9,
            group_id: "cell".into(),
            part_id: "P-1".into(),
            decision: Decision::Reject.into(),
            views: vec![
                view("left", Decision::Reject),
                view("right", Decision::Pass),
            ],
            ..Verdict::default()
        };
        let start = anstream::adapter::strip_str(&row(&verdict)).to_string();
        assert!(
            start.starts_with("       9  cell             0  REJECT "),
            "{start}"
        );
        ends(&verdict, "  part P-1  left REJECT, right PASS");
    }

    #[test]
    fn reject_without_judgement_is_marked() {
        let verdict = Verdict {
            decision: Decision::Reject.into(),
            fault: Some(Fault {
                reason: FaultReason::DeadlineMissed.into(),
                message: "after 80 ms".into(),
            }),
            part_id: "7".into(),
            ..Verdict::default()
        };
        ends(
            &verdict,
            "  part 7  not judged, deadline_missed: after 80 ms",
        );
        let shown = anstream::adapter::strip_str(&row(&verdict)).to_string();
        assert!(shown.starts_with("       -  -  "), "no sequence: {shown}");
    }

    #[test]
    fn deciding_region_is_named() {
        let mut verdict = verdict(Decision::Reject);
        verdict.score.get_or_insert_default().decided_by = "pin".into();
        ends(&verdict, "30.0  in pin");
    }

    #[test]
    fn fault_shows_its_reason_and_no_scores() {
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
