//! The page of attribute agreement.

use maud::{Markup, PreEscaped, html};

use super::chart::Chart;
use super::number::{between, kappa, share};
use super::section as page;
use crate::acceptance::agreement::{Agreement, PartResult, Rate, Share};
use crate::acceptance::criteria::percent;
use crate::acceptance::evaluation::Evaluation;
use crate::acceptance::plan::{PartState, Series};

/// The figure ends so many distances of good parts from the threshold above it.
const SHOWN_DISTANCES: f64 = 3.0;

/// Renders the page.
pub(super) fn section(evaluation: &Evaluation, agreement: &Agreement) -> Markup {
    let content = html! {
        @if evaluation.study.plan.repeats_one_picture(Series::Agreement) {
            p {
                b { "Each part has one picture, which is judged repeatedly." }
                " Agreement of the trials shows that the computation is deterministic; agreement with the known state is shown for \
                 these pictures."
            }
        }
        figure {
            @let (figure, above) = scores_by_part(evaluation, agreement);
            (PreEscaped(figure))
            figcaption {
                "Scores of each part, good parts first; all trials. Filled: good, open: bad."
                @if above > 0 { " " (above) " higher scores are drawn at the upper edge." }
            }
        }
        (decisions(agreement))
        (kappas(agreement))
        (rates(evaluation, agreement))
    };
    page("Agreement of decisions", &content)
}

/// The figure, and the number of scores that are above it. Bad parts often have scores so far above the threshold that nothing
/// around it would be visible.
fn scores_by_part(evaluation: &Evaluation, agreement: &Agreement) -> (String, usize) {
    let mut parts: Vec<&PartResult> = agreement.parts.iter().collect();
    parts.sort_by(|one, other| {
        let by_mean = || one.mean.total_cmp(&other.mean);
        one.state.cmp(&other.state).then_with(by_mean)
    });
    let threshold = parts.first().map(|part| part.threshold);
    let good = parts.iter().filter(|part| part.state == PartState::Good);
    let highest_good = good
        .flat_map(|part| part.scores.iter().copied())
        .fold(f64::NEG_INFINITY, f64::max);
    let top = evaluation.tolerance.map_or(f64::INFINITY, |tolerance| {
        let distance = tolerance.distance.abs();
        (tolerance.threshold + SHOWN_DISTANCES * distance).max(highest_good)
    });
    let all = || parts.iter().flat_map(|part| part.scores.iter().copied());
    let shown = all().map(|score| score.min(top)).chain(threshold);
    let mut chart = Chart::new("Scores of each part", parts.len(), shown);
    if let Some(threshold) = threshold {
        chart.level("threshold", "threshold", threshold);
    }
    for (column, part) in parts.iter().enumerate() {
        for value in &part.scores {
            chart.dot(part.state.name(), column, value.min(top));
        }
    }
    let names: Vec<String> = parts.iter().map(|part| part.part.clone()).collect();
    chart.columns(&names, "part");
    (chart.svg(), all().filter(|score| *score > top).count())
}

fn decisions(agreement: &Agreement) -> Markup {
    let rows = ["good", "bad"]
        .into_iter()
        .zip(agreement.table)
        .zip(agreement.reviews);
    html! {
        table {
            thead { tr { th { "Decisions on" } th.n { "PASS" } th.n { "REJECT" } th.n { "of these REVIEW" } } }
            tbody {
                @for ((name, [passed, rejected]), reviews) in rows {
                    tr { td { (name) " parts" } td.n { (passed) } td.n { (rejected) } td.n { (reviews) } }
                }
            }
        }
    }
}

fn kappas(agreement: &Agreement) -> Markup {
    let parts = |found: &Share| {
        format!(
            "{} of {}: {}",
            found.count,
            found.of,
            share(found.count, found.of)
        )
    };
    html! {
        table {
            thead { tr { th { "Agreement" } th.n { "Parts" } th.n { "Kappa" } } }
            tbody {
                tr {
                    td { "of the trials with each other" }
                    td.n { (parts(&agreement.within)) } td.n { (kappa(agreement.fleiss_within)) " (Fleiss)" }
                }
                tr {
                    td { "of all trials with the state (effectiveness)" }
                    td.n { (parts(&agreement.with_reference)) } td.n { (kappa(agreement.cohen_reference)) " (Cohen)" }
                }
            }
        }
    }
}

fn rates(evaluation: &Evaluation, agreement: &Agreement) -> Markup {
    let confidence = percent(evaluation.criteria.confidence);
    let row = |name: &str, rate: &Rate| {
        html! {
            tr {
                td { (name) }
                td.n { (rate.events) " of " (rate.decisions) ": " (share(rate.events, rate.decisions)) }
                td.n { (between(rate.rate_interval)) }
                td.n { (rate.parts.count) " of " (rate.parts.of) ": " (share(rate.parts.count, rate.parts.of)) }
                td.n { (between(rate.parts.interval)) }
                td.n { (percent(rate.upper_bound)) }
            }
        }
    };
    html! {
        table {
            thead {
                tr {
                    th { "Rate" } th.n { "By decision" } th.n { "Wilson, " (confidence) } th.n { "By part" }
                    th.n { "Clopper-Pearson, " (confidence) } th.n { "Upper bound" }
                }
            }
            tbody {
                (row("Misses", &agreement.misses))
                (row("False rejects", &agreement.false_rejects))
            }
        }
        p.note {
            "Trials of one part are not independent: the interval by decision is too narrow where they are alike. By part, a part \
             counts if any of its decisions is wrong. The upper bound is one-sided; criteria compare it."
        }
    }
}
