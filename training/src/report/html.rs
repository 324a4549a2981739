//! The HTML page: one file without scripts, with embedded figures and images. The template escapes all texts
//! that come from files.

use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::figure_html::figure;
use super::panels::{ColourScale, Panel};
use super::tables::{between, by_type, digits, localisation, percent};
use super::{ReportContents, colour_map, image_encoding};
use crate::evaluate::model::ModelKind;
use crate::evaluate::result::Evaluation;
use crate::settings::value_name;

const STYLE: &str = include_str!("style.css");

/// Renders the page.
pub(super) fn page(evaluation: &Evaluation, contents: &ReportContents) -> Result<String> {
    let title = title(evaluation);
    let body = html! {
                (header(evaluation, &title))
                main {
                    (cards(evaluation))
                    (scores(evaluation, contents))
                    (by_type(evaluation))
                    @if let Some(pixel) = &evaluation.metrics.pixel { (localisation(pixel, contents)) }
                    (examples(evaluation, contents)?)
                    (features(evaluation, contents)?)
                    (worst(evaluation, contents)?)
                    (method(evaluation))
                }
                footer { "mhkd " (env!("CARGO_PKG_VERSION")) ", " (env!("MHKD_REVISION")) }
    };
    Ok(document(&format!("{title} - evaluation"), &body).into_string())
}

/// A page with the style of the reports.
pub(crate) fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
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
                "Preset " (model.preset) ", " (model.input_size) " pixels, "
                (model.steps) " steps; " (model.runtime) "."
            }
        }
    }
}

fn cards(evaluation: &Evaluation) -> Markup {
    let mean = &evaluation.metrics.image.mean.au_roc;
    html! {
        section.cards aria-label="Summary" {
            (card("Image AUROC", &digits(mean.value), &between(mean.interval)))
            @for (name, value) in evaluation.pixel_figures().into_iter().take(2) {
                (card(name, &digits(value), "localisation"))
            }
            (card("Defects detected", &percent(evaluation.detection_rate), "at the suggested threshold"))
            (card("Good parts rejected", &percent(evaluation.false_reject_rate), "at the suggested threshold"))
        }
    }
}

fn card(name: &str, value: &str, note: &str) -> Markup {
    html! { div.card { div.name { (name) } div.value { (value) } div.note { (note) } } }
}

fn scores(evaluation: &Evaluation, contents: &ReportContents) -> Markup {
    html! {
        section {
            h2 { "Scores" }
            p {
                "The higher the score, the more anomalous the image. The suggested threshold is "
                b { (format!("{:.4}", evaluation.threshold)) }
                "; it was determined from the scores of good validation images only."
            }
            div.charts { (figure(&contents.scores)) (figure(&contents.roc)) }
        }
    }
}

fn examples(evaluation: &Evaluation, contents: &ReportContents) -> Result<Markup> {
    Ok(html! {
        section {
            h2 { "Anomaly maps" }
            p { "One good image and one image of each type: those with the median score of their type, not the best." }
            (legend(contents.scale, "white outline: threshold; orange: ground truth"))
            div.panels {
                @for panel in &contents.examples { (shown(panel, evaluation)?) }
            }
        }
    })
}

/// Legend of the maps' colours.
pub(crate) fn legend(scale: ColourScale, note: &str) -> Markup {
    let bar = format!("background:{}", colour_map::css_gradient());
    html! {
        div.scale {
            span { "0" }
            span.bar style=(bar) role="img" aria-label="colour scale of the maps, from low to high" {}
            span { (format!("{:.3}", scale.high)) }
            span.note { (note) }
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
                @if rejected == is_good { span.wrong { (verdict) " incorrectly" } }
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
                    img src=(image_encoding::data_uri(&tile.image)?) alt={ (tile.name) " of " (image) }
                        width=(tile.image.width()) height=(tile.image.height());
                    span { (tile.name) }
                }
            }
        }
    })
}

fn features(evaluation: &Evaluation, contents: &ReportContents) -> Result<Markup> {
    Ok(html! {
        section {
            h2 { "Features behind the logical map" }
            @match &contents.features {
                None => p {
                    "A bundle's graph outputs only the two maps. To see the features, evaluate the run that the bundle "
                    "was exported from."
                },
                Some(features) => {
                    p {
                        "Channel " (features.channel) " of the features of the teacher, of GDecoder and of SEncoder1, "
                        "with a common colour scale. The logical map is the squared difference of the last two; this "
                        "channel contributes most to the maxima of these images' logical maps."
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

fn worst(evaluation: &Evaluation, contents: &ReportContents) -> Result<Markup> {
    let groups = [
        (
            "Worst false alarms",
            "Good images with the highest scores.",
            &contents.false_alarms,
        ),
        (
            "Worst misses",
            "Anomalous images with the lowest scores.",
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
                    @if wrong == 0 { " All of them are classified correctly at the suggested threshold." }
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
        ModelKind::Bundle => "bundle, on ONNX Runtime as in the daemon",
        ModelKind::Run => "run, on libtorch",
    };
    html! {
        section {
            h2 { "Method" }
            dl {
                dt { "Model" } dd { (kind) "; trained on " (model.category) ", seed " (model.seed) }
                @if let Some(sha256) = &model.graph_sha256 { dt { "Graph" } dd.hash { (sha256) } }
                dt { "Teacher" } dd { (model.teacher) }
                dt { "Score" } dd {
                    "maximum of the sum of the two normalised maps at the image size, without smoothing, as in the "
                    "daemon"
                }
                dt { "Pixel-level metrics" } dd {
                    "computed on the same sum, smoothed with a Gaussian with a standard deviation of "
                    (dataset.pixel_smoothing) " pixels, as in the published evaluation"
                }
                dt { "Test images" } dd {
                    "must not be used to choose the model; otherwise the results are too optimistic"
                }
                dt { "Data" } dd { "all metrics, curves and scores are in metrics.json in the same folder" }
            }
        }
    }
}
