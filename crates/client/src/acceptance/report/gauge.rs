//! The page of gauge repeatability.

use maud::{Markup, html};

use super::number::{score, significant};
use super::section as page;
use crate::acceptance::evaluation::Evaluation;
use crate::acceptance::gauge::{AnovaRow, Gauge};

/// Renders the page.
pub(super) fn section(evaluation: &Evaluation, gauge: &Gauge) -> Markup {
    let content = html! {
        p {
            "The scatter of repeated scores of a part against the variation of parts, by an analysis of variance with one factor. The \
             system works without an appraiser: there is no reproducibility. Bad parts have much higher scores than good ones; \
             the values of good parts only are those within normal production."
        }
        h3 { "All parts" }
        (anova(gauge))
        (variation(gauge))
        @if let Some(good) = &evaluation.gauge_of_good {
            h3 { "Good parts only" }
            (anova(good))
            (variation(good))
        }
        p.note {
            "EV" sup { "2" } " is the mean square within parts, PV" sup { "2" } " the variance between parts, TV" sup { "2" }
            " = EV" sup { "2" } " + PV" sup { "2" } ", %EV = 100 EV / TV, ndc = 1.41 PV / EV, rounded down (AIAG MSA, 4th edition). \
             Usual limits: %EV below 10 is good, up to 30 may be acceptable; ndc at least 5."
        }
    };
    page("Gauge repeatability", &content)
}

fn anova(gauge: &Gauge) -> Markup {
    let row = |name: &str, row: &AnovaRow, f: &str, p: &str| {
        html! {
            tr {
                td { (name) } td.n { (row.freedom) } td.n { (significant(row.squares, 4)) }
                td.n { (significant(row.mean_square, 4)) } td.n { (f) } td.n { (p) }
            }
        }
    };
    let f = gauge
        .f
        .map_or_else(|| "-".to_owned(), |f| significant(f, 1));
    let p = gauge.p.map_or_else(|| "-".to_owned(), probability);
    html! {
        table {
            thead {
                tr {
                    th { "Source" } th.n { "Degrees of freedom" } th.n { "Sum of squares" } th.n { "Mean square" }
                    th.n { "F" } th.n { "p" }
                }
            }
            tbody {
                (row("Between parts", &gauge.between, &f, &p))
                (row("Within parts (repeatability)", &gauge.within, "", ""))
            }
        }
    }
}

fn probability(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}

fn variation(gauge: &Gauge) -> Markup {
    let percent = |value: Option<f64>| {
        value.map_or_else(
            || "-".to_owned(),
            |value| format!("{} %", significant(value, 1)),
        )
    };
    html! {
        table {
            thead { tr { th { "Variation" } th.n { "EV" } th.n { "PV" } th.n { "TV" } th.n { "%EV" } th.n { "ndc" }
                th.n { "6 EV of the tolerance 2 D" } } }
            tbody {
                tr {
                    td { (gauge.parts) " parts, " (gauge.scores) " scores" }
                    td.n { (score(gauge.ev)) } td.n { (score(gauge.pv)) } td.n { (score(gauge.tv)) }
                    td.n { (percent(gauge.ev_percent)) }
                    td.n { (gauge.categories.map_or_else(|| "unlimited".to_owned(), |count| count.to_string())) }
                    td.n { (percent(gauge.ev_percent_of_tolerance)) }
                }
            }
        }
    }
}
