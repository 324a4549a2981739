//! The last pages: FAULTs, discarded measurements, and the decisions on each part.

use maud::{Markup, html};

use super::doubtful::scores;
use super::number::score;
use super::section as page;
use crate::acceptance::agreement::PartResult;
use crate::acceptance::evaluation::Evaluation;
use crate::acceptance::record::Decision;

/// Renders the pages.
pub(super) fn section(evaluation: &Evaluation) -> Markup {
    let parts: &[PartResult] = evaluation
        .agreement
        .as_ref()
        .map_or(&[], |agreement| &agreement.parts);
    let content = html! {
        @if !evaluation.faults.is_empty() {
            h3 { "FAULTs" }
            p { "A FAULT is no measurement. The step was repeated; one that never had a result is missing." }
            table {
                thead { tr { th.n { "Step" } th { "Part" } th { "Time" } th { "Reason" } } }
                tbody {
                    @for fault in &evaluation.faults {
                        tr {
                            td.n { (fault.step) } td { (fault.part) } td { (fault.time) }
                            td { (fault.reason) ": " (fault.message) }
                        }
                    }
                }
            }
        }
        @if !evaluation.discarded.is_empty() {
            h3 { "Discarded measurements" }
            p { "The operator had put another part before the camera, and repeated the step." }
            table {
                thead { tr { th.n { "Step" } th { "Part" } th { "Time" } th { "Decision" } th.n { "Score" } } }
                tbody {
                    @for measured in &evaluation.discarded {
                        tr {
                            td.n { (measured.step) } td { (measured.part) } td { (measured.time) }
                            td { (word(measured.decision)) } td.n { (score(f64::from(measured.score))) }
                        }
                    }
                }
            }
        }
        h3 { "Decisions on each part" }
        table.dense {
            thead { tr { th { "Part" } th { "State" } th { "Decisions" } th.n { "Mean" } th { "Scores" } } }
            tbody {
                @for part in parts {
                    tr {
                        td { (part.part) } td { (part.state.name()) }
                        td class=(if part.wrong() > 0 { "wrong" } else { "" }) { (decisions(part)) }
                        td.n { (score(part.mean)) }
                        td { (scores(part)) }
                    }
                }
            }
        }
        p.note {
            "acceptance.json, next to this file, has every measurement with its step, time and sequence; measurements.jsonl has them as \
             they were recorded."
        }
    };
    page("Measurements", &content)
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Pass => "PASS",
        Decision::Review => "REVIEW",
        Decision::Reject => "REJECT",
    }
}

/// `3 PASS, 1 REJECT`.
fn decisions(part: &PartResult) -> String {
    let all = [Decision::Pass, Decision::Review, Decision::Reject].into_iter();
    let counts = all.map(|kind| {
        (
            kind,
            part.decisions
                .iter()
                .filter(|decision| **decision == kind)
                .count(),
        )
    });
    let texts = counts
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {}", word(kind)));
    texts.collect::<Vec<_>>().join(", ")
}
