//! The page of a type 1 study.

use maud::{Markup, PreEscaped, html};

use super::chart::Chart;
use super::number::{capability, score};
use super::section as page;
use crate::acceptance::criteria::percent;
use crate::acceptance::evaluation::{Evaluation, ScoreScale};
use crate::acceptance::plan::Series;
use crate::acceptance::type1::{BiasFrom, Capability, Type1};

/// Fewer measurements than this are below what VDA 5 and AIAG MSA expect.
const USUAL_COUNT: usize = 25;

/// Renders the page.
pub(super) fn section(evaluation: &Evaluation, study: &Type1) -> Markup {
    let how = match study.series {
        Series::Moved => "put back each time",
        Series::Reference | Series::Agreement => "not moved",
    };
    let content = html! {
        p {
            "Part " b { (study.part) } ", " (how) ", " (study.count) " measurements. "
            @if study.count < USUAL_COUNT { "At least 25, better 50, are usual. " }
            @if study.one_picture {
                b {
                    "All measurements are of one picture: they show that the computation is deterministic, and say nothing \
                     about the repeatability of light, camera and position."
                }
            }
        }
        figure {
            (PreEscaped(run_chart(study)))
            figcaption { "Scores in the order of the measurements; mean, and three standard deviations on each side." }
        }
        (statistics(evaluation, study))
        @if let Some(capability) = &study.capability { (capabilities(capability)) }
    };
    let heading = match study.series {
        Series::Moved => "Type 1 study: part put back each time",
        Series::Reference | Series::Agreement => "Type 1 study: part not moved",
    };
    page(heading, &content)
}

fn run_chart(study: &Type1) -> String {
    let limits = [-3.0, 3.0].map(|factor| study.mean + factor * study.deviation);
    let shown = study.scores.iter().copied().chain(limits);
    let mut chart = Chart::new(
        "Scores in the order of the measurements",
        study.count,
        shown,
    );
    if study.deviation > 0.0 {
        chart.level("limit", "mean - 3 s", limits[0]);
        chart.level("limit", "mean + 3 s", limits[1]);
    }
    chart.level("mean", "mean", study.mean);
    chart.line(&study.scores);
    for (column, value) in study.scores.iter().enumerate() {
        chart.dot("good", column, *value);
    }
    let names: Vec<String> = (1..=study.count).map(|number| number.to_string()).collect();
    chart.columns(&names, "measurement");
    chart.svg()
}

fn statistics(evaluation: &Evaluation, study: &Type1) -> Markup {
    let [low, high] = study.deviation_interval;
    let scale = match evaluation.scale {
        ScoreScale::Score => "score",
        ScoreScale::ScoreMinusThreshold => "score minus threshold",
    };
    let from = match study.bias_from {
        BiasFrom::OwnMean => "the reference value is the mean of the series itself",
        BiasFrom::UnmovedMean => "distance from the mean of the part that is not moved",
        BiasFrom::StatedValue => "distance from the stated reference value",
    };
    html! {
        table {
            thead { tr { th { "Statistic of the " (scale) } th.n { "Value" } th { "" } } }
            tbody {
                tr { td { "Mean" } td.n { (score(study.mean)) } td { "" } }
                tr {
                    td { "Standard deviation s (repeatability)" } td.n { (score(study.deviation)) }
                    td { (percent(evaluation.criteria.confidence)) ": " (score(low)) " to " (score(high)) }
                }
                tr { td { "Lowest, highest" } td.n { (score(study.lowest)) ", " (score(study.highest)) } td { "" } }
                tr { td { "Bias b" } td.n { (score(study.bias)) } td { (from) } }
            }
        }
    }
}

fn capabilities(found: &Capability) -> Markup {
    let tolerance = &found.tolerance;
    html! {
        table {
            thead { tr { th { "Capability" } th.n { "Value" } th { "" } } }
            tbody {
                tr {
                    td { "Distance D from the mean of good parts to the threshold" } td.n { (score(tolerance.distance)) }
                    td { "threshold " (score(tolerance.threshold)) ", mean " (score(tolerance.good_mean)) }
                }
                tr { td { "Cg = 0.2 D / (3 s)" } td.n { (capability(found.cg)) } td { "1.33 is usual" } }
                tr { td { "Cgk = (0.2 D - |b|) / (3 s)" } td.n { (capability(found.cgk)) } td { "1.33 is usual" } }
                tr {
                    td { "Q" sub { "MS" } " = 2 u / D, u" sup { "2" } " = s" sup { "2" } " + b" sup { "2" } " / 3" }
                    td.n {
                        @if found.q_ms_percent.is_finite() { (format!("{:.1} %", found.q_ms_percent)) } @else { "-" }
                    }
                    td { "at most 15 % is usual" }
                }
            }
        }
        p.note {
            "A score has only an upper limit, the threshold. Its tolerance is taken as T = 2 D, the range around the mean of good \
             parts whose upper end is the threshold: Cg = 0.2 T / (6 s), Cgk = (0.1 T - |b|) / (3 s), as in AIAG MSA, 4th edition, \
             and VDA 5; Q" sub { "MS" } " = 2 k u / T with k = 2, VDA 5."
        }
    }
}
