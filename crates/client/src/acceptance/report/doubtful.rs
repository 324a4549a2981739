//! The page of parts whose decisions are wrong or not certain.

use maud::{Markup, html};

use super::number::score;
use super::section as page;
use crate::acceptance::agreement::{Agreement, PartResult};
use crate::acceptance::evaluation::Evaluation;

/// Parts that each table lists, so that both fit on a page; all are in the JSON file.
const MOST_LISTED: usize = 18;

/// Renders the page.
pub(super) fn section(evaluation: &Evaluation, agreement: &Agreement) -> Markup {
    let content = html! {
        (wrong(agreement))
        (borderline(evaluation))
    };
    page("Wrong and borderline decisions", &content)
}

fn wrong(agreement: &Agreement) -> Markup {
    let parts: Vec<&PartResult> = agreement
        .parts
        .iter()
        .filter(|part| part.wrong() > 0)
        .collect();
    html! {
        h3 { "Parts with wrong decisions" }
        @if parts.is_empty() {
            p { "None." }
        } @else {
            table.dense {
                thead {
                    tr { th { "Part" } th { "State" } th.n { "Wrong" } th.n { "Mean" } th.n { "Threshold" } th { "Scores" } }
                }
                tbody {
                    @for part in parts.iter().take(MOST_LISTED) {
                        tr {
                            td { (part.part) } td { (part.state.name()) }
                            td.n { (part.wrong()) " of " (part.decisions.len()) }
                            td.n { (score(part.mean)) } td.n { (score(part.threshold)) } td { (scores(part)) }
                        }
                    }
                }
            }
            (more(parts.len()))
        }
    }
}

/// The scores of a part, as far as they fit into a line.
pub(super) fn scores(part: &PartResult) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = part
        .scores
        .iter()
        .take(SHOWN)
        .map(|value| score(*value))
        .collect();
    let rest = part.scores.len().saturating_sub(SHOWN);
    let shown = shown.join(", ");
    if rest > 0 {
        format!("{shown} and {rest} more")
    } else {
        shown
    }
}

fn borderline(evaluation: &Evaluation) -> Markup {
    let listed = &evaluation.borderline;
    html! {
        h3 { "Borderline parts" }
        @if listed.is_empty() {
            p { "None: no part was decided in both ways, and none is within 3 EV, the standard deviation of repeated scores, of the threshold." }
        } @else {
            table.dense {
                thead { tr { th { "Part" } th { "State" } th.n { "Mean" } th.n { "Threshold" } th { "Why" } } }
                tbody {
                    @for part in listed.iter().take(MOST_LISTED) {
                        tr {
                            td { (part.part) } td { (part.state.name()) }
                            td.n { (score(part.mean)) } td.n { (score(part.threshold)) } td { (part.reason) }
                        }
                    }
                }
            }
            (more(listed.len()))
        }
    }
}

fn more(count: usize) -> Markup {
    html! {
        @if count > MOST_LISTED { p.note { (count - MOST_LISTED) " more are in acceptance.json." } }
    }
}
