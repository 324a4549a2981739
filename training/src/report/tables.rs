//! Tables of the page and number formats.

use maud::{Markup, html};

use super::ReportContents;
use super::figure_html::figure;
use crate::evaluate::result::{Evaluation, TypeResult};
use crate::metrics::curve::{FPR_LIMITS, LimitedArea};
use crate::metrics::image::TypeMetrics;
use crate::metrics::pixel::{PixelMetrics, SaturatedPro};

/// Image-level metrics of every type.
pub(super) fn by_type(evaluation: &Evaluation) -> Markup {
    let image = &evaluation.metrics.image;
    html! {
        section {
            h2 { "By type" }
            div.scroll { table {
                thead { tr {
                    th { "type" } th.n { "images" } th.n { "AUROC" } th.n { "95 % interval" }
                    th.n { "average precision" } th.n { "largest F1" } th.n { "detected" }
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
                (image.options.resamples) " bootstrap resamples of the images. \"Detected\": with a score above "
                "the suggested threshold."
                @if let Some(point) = image.all.at_threshold {
                    " Over all images at that threshold: accuracy " (digits(point.accuracy)) ", sensitivity "
                    (digits(point.sensitivity)) ", specificity " (digits(point.specificity)) ", F1 "
                    (digits(point.f1)) "."
                }
            }
        }
    }
}

fn type_row(name: &str, result: &TypeResult, metrics: &TypeMetrics) -> Markup {
    html! { tr {
        td { (name) } td.n { (result.images) } td.n { (digits(result.auroc)) }
        td.n { (between(result.auroc_interval)) }
        td.n { (digits(metrics.average_precision.value)) } td.n { (digits(metrics.max_f1.value)) }
        td.n { (percent(result.detection_rate)) }
    } }
}

/// Curves of the maps with their areas up to every limit.
pub(super) fn localisation(pixel: &PixelMetrics, contents: &ReportContents) -> Markup {
    html! {
        section {
            h2 { "Localisation" }
            div.charts {
                @if let Some(curves) = &contents.localisation { (figure(curves)) }
                div {
                    (areas(pixel))
                    p.note {
                        "Pixel AUROC " (digits(pixel.au_roc)) ", average precision "
                        (digits(pixel.average_precision)) ", largest F1 " (digits(pixel.max_f1.f1)) "; "
                        (pixel.regions) " defective regions."
                    }
                }
            }
        }
    }
}

fn areas(pixel: &PixelMetrics) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th { "area to FPR" }
                @for limit in FPR_LIMITS { th.n { (limit) } }
            } }
            tbody {
                @if let Some(SaturatedPro { structural, logical, mean }) = &pixel.spro {
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
    }
}

fn limits(areas: &[LimitedArea]) -> Markup {
    html! { @for area in areas { td.n { (digits(area.area)) } } }
}

pub(super) fn digits(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.3}")
    } else {
        "-".to_owned()
    }
}

pub(super) fn percent(share: f64) -> String {
    if share.is_finite() {
        format!("{:.1} %", 100.0 * share)
    } else {
        "-".to_owned()
    }
}

pub(super) fn between(interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(String::new, |[low, high]| format!("{low:.3} to {high:.3}"))
}
