//! The first page: the conclusion, its criteria, what was studied, and lines for signatures.

use maud::{Markup, html};

use super::number::{between, capability, share};
use crate::acceptance::agreement::{Agreement, ReviewAs};
use crate::acceptance::criteria::{Conclusion, percent};
use crate::acceptance::evaluation::Evaluation;
use crate::acceptance::plan::Order;

/// Renders the page.
pub(super) fn section(evaluation: &Evaluation, title: &str) -> Markup {
    let class = match evaluation.conclusion {
        Conclusion::Accepted => "accepted",
        Conclusion::NotAccepted => "refused",
        Conclusion::NotJudged => "open",
    };
    html! {
        section {
            header {
                p.eyebrow { "Acceptance of the inspection as a measurement system" }
                h1 { (title) }
            }
            p class={"conclusion " (class)} { (capitalised(evaluation.conclusion.name())) }
            (criteria(evaluation))
            @if let Some(agreement) = &evaluation.agreement { (cards(evaluation, agreement)) }
            h2 { "What was studied" }
            (identity(evaluation))
            (signatures())
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

fn criteria(evaluation: &Evaluation) -> Markup {
    html! {
        @if !evaluation.results.is_empty() {
            table {
                thead { tr { th { "Criterion" } th { "Found" } th { "Holds" } } }
                tbody {
                    @for result in &evaluation.results {
                        tr {
                            td { (result.required) }
                            td { (result.found) }
                            td class=(if result.holds { "right" } else { "wrong" }) {
                                (if result.holds { "yes" } else { "no" })
                            }
                        }
                    }
                }
            }
            p.note {
                "Bounds of rates are one-sided (Clopper-Pearson) and count parts: a part counts as wrong if any of its \
                 decisions is. REVIEW counts as "
                (match evaluation.criteria.review { ReviewAs::Reject => "REJECT", ReviewAs::Pass => "PASS" })
                "."
            }
        }
    }
}

fn cards(evaluation: &Evaluation, agreement: &Agreement) -> Markup {
    let Agreement {
        with_reference,
        misses,
        false_rejects,
        ..
    } = agreement;
    let cgk = evaluation.type1.iter().filter(|study| !study.one_picture);
    let cgk = cgk
        .filter_map(|study| study.capability.as_ref())
        .map(|capability| capability.cgk);
    // An unlimited one is larger than any other.
    let cgk = cgk.min_by(|one, other| {
        one.unwrap_or(f64::INFINITY)
            .total_cmp(&other.unwrap_or(f64::INFINITY))
    });
    html! {
        div.cards {
            (card("Miss rate", &share(misses.events, misses.decisions),
                &format!("{} of {} decisions on bad parts", misses.events, misses.decisions)))
            (card("False-reject rate", &share(false_rejects.events, false_rejects.decisions),
                &format!("{} of {} decisions on good parts", false_rejects.events, false_rejects.decisions)))
            (card("Effectiveness", &share(with_reference.count, with_reference.of), &between(with_reference.interval)))
            @if let Some(cgk) = cgk { (card("Cgk", &capability(cgk), "smallest of the type 1 studies")) }
        }
    }
}

fn card(name: &str, value: &str, note: &str) -> Markup {
    html! { div.card { div.name { (name) } div.value { (value) } div.note { (note) } } }
}

fn identity(evaluation: &Evaluation) -> Markup {
    let study = &evaluation.study;
    let plan = &study.plan;
    let images = if study.live {
        "pictures taken by the camera"
    } else {
        "pictures from files"
    };
    html! {
        dl {
            dt { "Carried out by" } dd { (or_dash(&study.operator)) }
            dt { "Started, evaluated" } dd { (study.started) ", " (evaluation.evaluated) }
            dt { "Camera" } dd {
                @if study.camera.is_empty() { "none: general settings" } @else { (study.camera) }
                "; " (images)
            }
            dt { "Parts and trials" } dd {
                (plan.parts.len()) " parts, " (plan.trials) " trials of each, "
                (match plan.order {
                    Order::Random => format!("random order (seed {})", plan.seed),
                    Order::Listed => "in the order in which they are listed".to_owned(),
                })
                "; " (evaluation.planned) " measurements planned, " (evaluation.missing.len()) " missing, "
                (evaluation.faults.len()) " FAULTs, " (evaluation.discarded.len()) " discarded"
            }
            dt { "Confidence" } dd { (percent(evaluation.criteria.confidence)) }
            dt { "Model" } dd {
                (study.model.name) " " (study.model.version) ", " (study.model.precision)
                br; span.hash { (study.model.sha256) }
            }
            dt { "Recipe" } dd {
                @match &study.recipe {
                    None => "none",
                    Some(recipe) => { (recipe.id) " " (recipe.version) br; span.hash { (recipe.sha256) } },
                }
            }
            dt { "Configuration" } dd { span.hash { (study.config_hash) } }
            dt { "Software" } dd { "inspectd " (study.daemon_version) ", inspectctl " (study.client_version) }
            dt { "Study" } dd { span.hash { (study.id) } }
        }
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn signatures() -> Markup {
    html! {
        div.signatures {
            @for role in ["Supplier", "Customer"] {
                div { div.rule {} (role) ": name, date, signature" }
            }
        }
    }
}
