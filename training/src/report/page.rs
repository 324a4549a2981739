//! The page: one HTML file without scripts, whose figures and pictures are within it. Every text that
//! comes from a file is escaped by the template.

use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::panels::{Panel, Scale};
use super::{Contents, Figure, colour_map, picture};
use crate::evaluate::model::ModelKind;
use crate::evaluate::result::{Evaluation, TypeResult};
use crate::metrics::curve::FPR_LIMITS;
use crate::metrics::pixel::{PixelMetrics, SaturatedPro};
use crate::settings::value_name;

const STYLE: &str = include_str!("style.css");

/// The whole file.
pub(super) fn page(evaluation: &Evaluation, contents: &Contents) -> Result<String> {
    let title = title(evaluation);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " - evaluation" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(evaluation, &title))
                main {
                    (cards(evaluation))
                    (scores(evaluation, contents))
                    (by_type(evaluation))
                    (curves(contents))
                    @if let Some(pixel) = &evaluation.metrics.pixel { (areas(pixel)) }
                    (examples(evaluation, contents)?)
                    (features(evaluation, contents)?)
                    (worst(evaluation, contents)?)
                    (method(evaluation))
                }
                footer { "mhkd " (env!("CARGO_PKG_VERSION")) ", " (env!("MHKD_REVISION")) }
            }
        }
    };
    Ok(page.into_string())
}

fn title(evaluation: &Evaluation) -> String {
    let model = &evaluation.model;
    match &model.version {
        Some(version) => format!("{} {version}", model.name),
        None => model.name.clone(),
    }
}

fn header(evaluation: &Evaluation, title: &str) -> Markup {
    let (model, dataset) = (&evaluation.model, &evaluation.dataset);
    html! {
        header {
            p.eyebrow { "Evaluation" }
            h1 { (title) }
            p {
                (dataset.category) " (" (value_name(&dataset.layout)) "): "
                (evaluation.scores.len()) " test images, " (evaluation.good) " good and "
                (evaluation.all.images) " anomalous. "
                "Preset " (model.preset) ", " (model.input_size) " x " (model.input_size) " pixels, "
                (model.steps) " steps; " (model.runtime) "."
            }
        }
    }
}

fn cards(evaluation: &Evaluation) -> Markup {
    let mean = &evaluation.metrics.image.mean.au_roc;
    html! {
        section.cards aria-label="The result in short" {
            (card("Image AUROC", &digits(mean.value), &between(mean.interval)))
            @for (name, value) in evaluation.pixel_figures().into_iter().take(2) {
                (card(name, &digits(value), "where in the image"))
            }
            (card("Defects found", &percent(evaluation.detection_rate), "at the suggested threshold"))
            (card("Good parts rejected", &percent(evaluation.false_reject_rate), "at the suggested threshold"))
        }
    }
}

fn card(name: &str, value: &str, note: &str) -> Markup {
    html! { div.card { div.name { (name) } div.value { (value) } div.note { (note) } } }
}

fn scores(evaluation: &Evaluation, contents: &Contents) -> Markup {
    html! {
        section {
            h2 { "Scores" }
            p {
                "The higher an image's score, the more anomalous. The model suggests the threshold "
                b { (format!("{:.4}", evaluation.threshold)) }
                ", found from the scores of good validation images alone."
            }
            (figure(&contents.scores))
        }
    }
}

fn figure(figure: &Figure) -> Markup {
    html! {
        figure.chart {
            (PreEscaped(figure.drawing.svg_element()))
            figcaption { (figure.caption) }
        }
    }
}

fn by_type(evaluation: &Evaluation) -> Markup {
    let image = &evaluation.metrics.image;
    html! {
        section {
            h2 { "By type" }
            div.scroll { table {
                thead { tr {
                    th { "type" } th.n { "images" } th.n { "AUROC" } th.n { "95 % interval" }
                    th.n { "average precision" } th.n { "largest F1" } th.n { "found" }
                } }
                tbody {
                    @for (name, result) in &evaluation.types {
                        (type_row(name, result, &image.types[name]))
                    }
                }
                tfoot {
                    (type_row("all anomalous images", &evaluation.all, &image.all))
                    tr {
                        td { "mean over types" } td {}
                        td.n { (digits(image.mean.au_roc.value)) }
                        td.n { (between(image.mean.au_roc.interval)) }
                        td.n { (digits(image.mean.average_precision.value)) }
                        td.n { (digits(image.mean.max_f1.value)) } td {}
                    }
                }
            } }
            p.note {
                "Each type against all " (evaluation.good) " good images. Intervals are from "
                (image.options.resamples) " bootstrap resamples of the images. \"Found\": above the "
                "suggested threshold."
                @if let Some(point) = image.all.at_threshold {
                    " There, over all images: accuracy " (digits(point.accuracy)) ", sensitivity "
                    (digits(point.sensitivity)) ", specificity " (digits(point.specificity)) ", F1 "
                    (digits(point.f1)) "."
                }
            }
        }
    }
}

fn type_row(
    name: &str,
    result: &TypeResult,
    metrics: &crate::metrics::image::TypeMetrics,
) -> Markup {
    html! { tr {
        td { (name) } td.n { (result.images) } td.n { (digits(result.auroc)) }
        td.n { (between(result.auroc_interval)) }
        td.n { (digits(metrics.average_precision.value)) } td.n { (digits(metrics.max_f1.value)) }
        td.n { (percent(result.detection_rate)) }
    } }
}

fn curves(contents: &Contents) -> Markup {
    html! {
        section {
            h2 { "Curves" }
            div.charts { @for one in &contents.curves { (figure(one)) } }
        }
    }
}

/// The areas at every limit.
fn areas(pixel: &PixelMetrics) -> Markup {
    let limits = |areas: &[crate::metrics::curve::LimitedArea]| {
        html! {
            @for area in areas { td.n { (digits(area.area)) } }
        }
    };
    html! {
        section {
            h2 { "Localisation" }
            div.scroll { table {
                thead { tr {
                    th { "area up to a share of good pixels of" }
                    @for limit in FPR_LIMITS { th.n { (limit) } }
                } }
                tbody {
                    @if let Some(spro) = &pixel.spro {
                        @let SaturatedPro { structural, logical, mean } = spro;
                        @for (name, subset) in [("structural", structural), ("logical", logical)] {
                            @if let Some(subset) = subset {
                                tr { td { "sPRO, " (name) } (limits(&subset.au_spro)) }
                            }
                        }
                        @if let Some(mean) = mean { tr { td { b { "sPRO, mean" } } (limits(mean)) } }
                    }
                    tr { td { "PRO" } (limits(&pixel.au_pro)) }
                }
            } }
            p.note {
                "Pixel AUROC " (digits(pixel.au_roc)) ", average precision "
                (digits(pixel.average_precision)) ", largest F1 " (digits(pixel.max_f1.f1)) "; "
                (pixel.regions) " defective regions."
            }
        }
    }
}

fn examples(evaluation: &Evaluation, contents: &Contents) -> Result<Markup> {
    Ok(html! {
        section {
            h2 { "What the maps show" }
            p { "A good image and one of each type: those of the median score of their kind, not the best." }
            (legend(contents.scale))
            div.panels {
                @for panel in &contents.examples { (shown(panel, evaluation)?) }
            }
        }
    })
}

/// What the maps' colours mean.
fn legend(scale: Scale) -> Markup {
    let bar = format!("background:{}", colour_map::css_gradient());
    html! {
        div.scale {
            span { "0" }
            span.bar style=(bar) role="img" aria-label="colours of the maps, from low to high" {}
            span { (format!("{:.3}", scale.high)) }
            span.note { "the white line is the threshold; orange is the ground truth" }
        }
    }
}

fn shown(panel: &Panel, evaluation: &Evaluation) -> Result<Markup> {
    let scored = &evaluation.scores[panel.index];
    let rejected = scored.score > evaluation.threshold;
    let is_good = scored.kind == crate::evaluate::GOOD;
    let verdict = if rejected { "rejected" } else { "passed" };
    let image = scored.image.display().to_string();
    Ok(html! {
        figure.panel {
            (tiles(panel, &image)?)
            figcaption {
                b { (scored.kind) } " " span.path { (image) } br;
                "score " (format!("{:.3}", scored.score))
                " (structural " (format!("{:.3}", scored.structural))
                ", logical " (format!("{:.3}", scored.logical)) ") "
                @if rejected == is_good { span.wrong { (verdict) ", wrongly" } }
                @else { span.right { (verdict) } }
            }
        }
    })
}

fn tiles(panel: &Panel, image: &str) -> Result<Markup> {
    Ok(html! {
        div.tiles {
            @for tile in &panel.tiles {
                div {
                    img src=(picture::data_uri(&tile.image)?) alt={ (tile.name) " of " (image) }
                        width=(tile.image.width()) height=(tile.image.height());
                    span { (tile.name) }
                }
            }
        }
    })
}

fn features(evaluation: &Evaluation, contents: &Contents) -> Result<Markup> {
    Ok(html! {
        section {
            h2 { "Features behind the logical map" }
            @match &contents.features {
                None => p {
                    "A bundle's graph gives its two maps alone. Evaluate the run that it was exported from "
                    "to see its features here."
                },
                Some(features) => {
                    p {
                        "Channel " (features.channel) " of the teacher's features, of what GDecoder makes of "
                        "the 64 numbers of its bottleneck, and of SEncoder1, in colours of one scale: the "
                        "channel that adds most to the largest values of these images' logical maps, which "
                        "are the differences of the last two."
                    }
                    div.panels {
                        @for panel in &features.panels {
                            @let scored = &evaluation.scores[panel.index];
                            @let image = scored.image.display().to_string();
                            figure.panel {
                                (tiles(panel, &image)?)
                                figcaption { b { (scored.kind) } " " span.path { (image) } }
                            }
                        }
                    }
                }
            }
        }
    })
}

fn worst(evaluation: &Evaluation, contents: &Contents) -> Result<Markup> {
    let groups = [
        (
            "Worst false alarms",
            "The good images of the highest scores.",
            &contents.alarms,
        ),
        (
            "Worst misses",
            "The anomalous images of the lowest scores.",
            &contents.misses,
        ),
    ];
    Ok(html! {
        @for (name, what, panels) in groups {
            section {
                h2 { (name) }
                p {
                    (what)
                    @let wrong = panels.iter().filter(|panel| is_wrong(evaluation, panel.index)).count();
                    @if wrong == 0 { " None of them is judged wrongly at the suggested threshold." }
                }
                div.panels { @for panel in panels.iter() { (shown(panel, evaluation)?) } }
            }
        }
    })
}

fn is_wrong(evaluation: &Evaluation, index: usize) -> bool {
    let scored = &evaluation.scores[index];
    (scored.score > evaluation.threshold) == (scored.kind == crate::evaluate::GOOD)
}

fn method(evaluation: &Evaluation) -> Markup {
    let (model, dataset) = (&evaluation.model, &evaluation.dataset);
    let kind = match model.kind {
        ModelKind::Bundle => "bundle, as the line runs it",
        ModelKind::Run => "run, its networks themselves",
    };
    html! {
        section {
            h2 { "How this was measured" }
            dl {
                dt { "Model" } dd { (kind) "; trained on " (model.category) ", seed " (model.seed) }
                @if let Some(sha256) = &model.graph_sha256 { dt { "Graph" } dd.hash { (sha256) } }
                dt { "Teacher" } dd { (model.teacher) }
                dt { "Score" } dd {
                    "the largest value of the sum of the two normalised maps at the image's own size, without "
                    "smoothing: what the line computes"
                }
                dt { "Pixel-level metrics" } dd {
                    "of the same sum, smoothed with a Gaussian of " (dataset.pixel_smoothing)
                    " pixels deviation, as the published evaluation does"
                }
                dt { "Test images" } dd {
                    "their results may choose nothing about the model: a figure that did is too good"
                }
                dt { "Numbers" } dd { "every figure, curve and score is in metrics.json beside this page" }
            }
        }
    }
}

fn digits(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.3}")
    } else {
        "-".to_owned()
    }
}

fn percent(share: f64) -> String {
    if share.is_finite() {
        format!("{:.1} %", 100.0 * share)
    } else {
        "-".to_owned()
    }
}

fn between(interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(String::new, |[low, high]| format!("{low:.3} to {high:.3}"))
}
