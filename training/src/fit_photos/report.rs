//! The page of a fit, for a folder of good parts only: scores, threshold, choice of the method, the photographs
//! with the highest scores, and the lines of configuration.

use std::path::Path;

use anyhow::Result;
use inspectd_core::manifest::Precision;
use inspectd_core::maps::combine;
use inspectd_core::preprocess::Rotation;
use inspectd_core::score::{ScoreDistribution, suggest_threshold};
use maud::{Markup, PreEscaped, html};

use super::calibrated::Calibrated;
use super::maps;
use super::model::Model;
use super::photos::View;
use super::pseudo_defects::PseudoDefect;
use super::{Fit, Work};
use crate::figure::axis::Axis;
use crate::figure::plot::{TEXT, ticks_below};
use crate::figure::{Align, Colour, Drawing};
use crate::files;
use crate::fit::checkpoint::host;
use crate::report::{ColourScale, data_uri, document, legend, overlaid, tile};

/// File name of the page.
pub const PAGE: &str = "report.html";

/// Number of photographs that are shown.
const SHOWN: usize = 8;
/// False-reject rates of the table, from the command's default to a few in a million.
const RATES: [f64; 5] = [0.05, 0.02, 0.01, 0.001, 1e-4];
/// Numbers of photographs of the table.
const COUNTS: [usize; 6] = [20, 50, 100, 200, 500, 1000];

/// Writes the page into the folder of the bundle.
pub(super) fn write(
    fit: &Fit,
    work: &Work<'_>,
    model: &Model,
    calibrated: &Calibrated,
) -> Result<()> {
    let page = Page {
        fit,
        work,
        model,
        calibrated,
        distribution: ScoreDistribution::new(calibrated.scores.clone())?,
    };
    files::replace_text(&fit.report, &page.render()?.into_string())
}

struct Page<'a> {
    fit: &'a Fit,
    work: &'a Work<'a>,
    model: &'a Model,
    calibrated: &'a Calibrated,
    distribution: ScoreDistribution,
}

impl Page<'_> {
    fn render(&self) -> Result<Markup> {
        let manifest = self.fit.bundle.manifest();
        let title = format!("{} {}", manifest.name, manifest.version);
        let body = html! {
                    header {
                        p.eyebrow { "Fit" }
                        h1 { (title) }
                        p {
                            (self.fit.used) " photographs of good parts, " (self.work.size) " pixels, "
                            (self.work.settings.backbone.name()) ", " (self.model.method()) "."
                        }
                    }
                    main {
                        (self.cards())
                        (self.warnings())
                        (self.score_section())
                        (self.threshold_section()?)
                        (self.precision_section())
                        (self.choice_section())
                        (self.highest_section()?)
                        (self.configuration_section())
                    }
                    footer { "mhkd " (env!("CARGO_PKG_VERSION")) ", " (env!("MHKD_REVISION")) }
        };
        Ok(document(&format!("{title} - fit"), &body))
    }

    fn cards(&self) -> Markup {
        let threshold = &self.fit.threshold;
        let card = |name: &str, value: String, note: &str| {
            html! { div.card { div.name { (name) } div.value { (value) } div.note { (note) } } }
        };
        html! {
            section.cards aria-label="Summary" {
                (card("Photographs", self.fit.used.to_string(), "of good parts"))
                (card("Threshold", format!("{:.3}", threshold.threshold), "parts with a higher score are rejected"))
                (card("Good parts rejected", format!("{} %", round(100.0 * threshold.false_reject_rate)),
                    &format!("expected; at most {} % with 95 % confidence", round(100.0 * threshold.false_reject_rate_bound))))
                (card("Suspicious photographs", self.fit.suspicious.len().to_string(), "that look unlike the others"))
            }
        }
    }

    fn warnings(&self) -> Markup {
        let left_out = self.work.settings.leave_out_suspicious;
        let suspicious = self.fit.suspicious.iter().map(|found| {
            let fate = if left_out { "was left out" } else { "was used" };
            format!(
                "{} looks unlike the others (score {:.3}, {:.0} robust standard deviations above the median) and {fate}",
                file_name(&found.path),
                found.score,
                found.distance
            )
        });
        let all: Vec<String> = self
            .fit
            .warnings
            .iter()
            .cloned()
            .chain(suspicious)
            .collect();
        html! {
            @if !all.is_empty() {
                section {
                    h2 { "Warnings" }
                    ul { @for warning in &all { li { (warning) } } }
                }
            }
        }
    }

    fn score_section(&self) -> Markup {
        let drawing = histogram(&self.calibrated.scores, self.fit.threshold.threshold);
        html! {
            section {
                h2 { "Scores of the good parts" }
                p {
                    "Every photograph was scored by a model that was fitted to the other photographs. "
                    "A new good part is expected to score like these."
                }
                figure.chart {
                    (PreEscaped(drawing.svg_element()))
                    figcaption { "Number of photographs by score. Parts to the right of the dashed line are rejected." }
                }
            }
        }
    }

    /// How well the graph in 8 bits agrees with that in f32, if the bundle has one.
    fn precision_section(&self) -> Markup {
        let manifest = self.fit.bundle.manifest();
        let int8 = manifest.select(Precision::Int8);
        let Some((int8, parity)) = int8
            .as_ref()
            .and_then(|int8| Some((int8, int8.parity.int8.as_ref()?)))
        else {
            return html! {};
        };
        let sizes = manifest.precisions().zip(self.fit.bundle.graphs());
        html! {
            section {
                h2 { "Precision" }
                p {
                    "Graphs of the bundle: "
                    @for (number, (precision, graph)) in sizes.enumerate() {
                        @if number > 0 { ", " }
                        (precision) " (" (round(graph.len() as f64 / 1e6)) " MB)"
                    }
                    ". "
                    @if !manifest.variants.is_empty() {
                        "The daemon selects one; " code { "engine.precision" } " decides which. "
                    }
                    "The threshold in 8 bits is " (format!("{:.3}", int8.threshold.value)) "."
                }
                p {
                    "The maps in 8 bits and in f32 of " (parity.images) " images, some of them with artificial defects, have the "
                    "correlation " (format!("{:.3}", parity.map_correlation)) "."
                    @if let Some(found) = parity.defect_auroc {
                        " Image AUROC of the artificial defects: " (format!("{:.3}", found.variant)) " in 8 bits, "
                        (format!("{:.3}", found.main)) " in f32."
                    }
                }
            }
        }
    }

    fn threshold_section(&self) -> Result<Markup> {
        let suggestions = RATES
            .iter()
            .map(|&rate| suggest_threshold(&self.distribution, rate))
            .collect::<Result<Vec<_>, _>>()?;
        let count = self.calibrated.scores.len();
        Ok(html! {
            section {
                h2 { "Threshold" }
                p {
                    "No defective part was used. The threshold follows from the share of good parts that may be rejected. "
                    "With few photographs, rare good parts are not among them: the third column is the share that holds with 95 % confidence, whatever the distribution."
                }
                div.scroll { table {
                    thead { tr { th { "Good parts rejected" } th.n { "Threshold" } th.n { "At most, with 95 % confidence" } } }
                    tbody { @for found in &suggestions { tr {
                        td { (round(100.0 * found.false_reject_rate)) " %" }
                        td.n { (format!("{:.3}", found.threshold)) }
                        td.n { (round(100.0 * found.false_reject_rate_bound)) " %" }
                    } } }
                } }
                p.note {
                    "More photographs lower the last column. If none of them is above the threshold: "
                    @for (index, more) in COUNTS.iter().filter(|&&more| more > count).enumerate() {
                        @if index > 0 { ", " }
                        (more) " photographs, at most " (round(100.0 * rule_of_three(*more))) " %"
                    }
                    "."
                }
            }
        })
    }

    fn choice_section(&self) -> Markup {
        html! {
            @if !self.fit.choice.is_empty() {
                section {
                    h2 { "Choice of the method" }
                    p {
                        "Image AUROC on artificial defects that were drawn on the photographs. Every image was scored by a model that has not seen it or its original. padim+patchcore+fre is used unless another method is clearly better. "
                        "Real defects differ: test the bundle with defective parts."
                    }
                    div.scroll { table {
                        thead { tr {
                            th { "Method" }
                            @for kind in PseudoDefect::ALL { th.n { (kind.name()) } }
                            th.n { "Mean" }
                        } }
                        tbody { @for row in &self.fit.choice { tr {
                            td {
                                @if row.method == self.model.method() { b { (row.method) " (used)" } }
                                @else { (row.method) }
                            }
                            @for value in &row.auroc { td.n { (format!("{value:.3}")) } }
                            td.n { (format!("{:.3}", row.mean())) }
                        } } }
                    } }
                }
            }
        }
    }

    fn highest_section(&self) -> Result<Markup> {
        let mut order: Vec<usize> = (0..self.work.photos.len()).collect();
        order.sort_by(|&one, &other| {
            self.calibrated.scores[other].total_cmp(&self.calibrated.scores[one])
        });
        order.truncate(SHOWN);
        let unseen = self.model.unseen_maps();
        let (structural, logical) = (host(&unseen.structural), maps::logical(&unseen));
        let cells = self.model.grid().cells();
        let scale = ColourScale::of(self.fit.threshold.threshold);
        let panels = order
            .iter()
            .map(|&index| {
                let of = |maps: &[f32]| maps[index * cells..][..cells].to_vec();
                let combined = combine(&of(&structural), &of(&logical), &self.calibrated.maps);
                self.panel(index, &combined, scale)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(html! {
            section {
                h2 { "Photographs with the highest scores" }
                p {
                    "Look at them. A defective or wrong part among them makes the model accept such parts: remove it from the folder and fit again, "
                    "or use --leave-out-suspicious for those that are marked."
                }
                (legend(scale, "white outline: threshold"))
                div.panels { @for panel in &panels { (panel) } }
            }
        })
    }

    fn panel(&self, index: usize, combined: &[f32], scale: ColourScale) -> Result<Markup> {
        let photo = &self.work.photos[index];
        let image = tile(&photo.inspected()?)?;
        let overlay = overlaid(&image, combined, self.model.grid(), scale);
        let name = file_name(&photo.path);
        let suspicious = self
            .fit
            .suspicious
            .iter()
            .any(|found| found.path == photo.path);
        Ok(html! {
            figure.panel {
                div.tiles {
                    div { img src=(data_uri(&image)?) alt={ "photograph " (name) } width=(image.width()) height=(image.height()); span { "photograph" } }
                    div { img src=(data_uri(&overlay)?) alt={ "anomaly map of " (name) } width=(image.width()) height=(image.height()); span { "anomaly map" } }
                }
                figcaption {
                    span.path { (name) } br;
                    "score " (format!("{:.3}", self.calibrated.scores[index]))
                    @if suspicious { " " span.wrong { "suspicious" } }
                }
            }
        })
    }

    fn configuration_section(&self) -> Markup {
        let configuration = configuration(self.fit.bundle.dir(), self.work.settings.view);
        html! {
            section {
                h2 { "Configuration" }
                p { "Lines for " span.hash { "/etc/inspectd/inspectd.toml" } ":" }
                pre { (configuration) }
            }
        }
    }
}

/// The lines of the daemon's configuration for the bundle in `folder`.
pub fn configuration(folder: &Path, view: View) -> String {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let mut lines = vec![
        "[model]".to_owned(),
        format!("bundle = {:?}", folder.display().to_string()),
    ];
    let rotation = match view.rotation {
        Rotation::R0 => None,
        Rotation::R90 => Some(90),
        Rotation::R180 => Some(180),
        Rotation::R270 => Some(270),
    };
    if rotation.is_some() || view.crop.is_some() {
        lines.push(String::new());
        lines.push("[cameras.NAME]".to_owned());
    }
    if let Some(rotation) = rotation {
        lines.push(format!("rotate = {rotation}"));
    }
    if let Some(crop) = view.crop {
        lines.push(format!(
            "crop = {{ left = {}, top = {}, right = {}, bottom = {} }}",
            crop.left, crop.top, crop.right, crop.bottom
        ));
    }
    lines.join("\n")
}

/// Upper bound of the false-reject rate with 95 % confidence if none of `count` good parts is rejected.
fn rule_of_three(count: usize) -> f64 {
    1.0 - 0.05_f64.powf(1.0 / count as f64)
}

/// A percentage with two significant digits.
fn round(percent: f64) -> String {
    if percent >= 10.0 || percent == 0.0 {
        format!("{percent:.0}")
    } else {
        let decimals = (1.0 - percent.log10().floor()).clamp(0.0, 6.0) as usize;
        let text = format!("{percent:.decimals$}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// Histogram of `scores` with the threshold.
fn histogram(scores: &[f64], threshold: f64) -> Drawing {
    const BINS: usize = 30;
    let (left, right, top, bottom) = (22.0_f32, 618.0_f32, 60.0_f32, 230.0_f32);
    let mut drawing = Drawing::new(640, 300, "Scores of the good parts");
    let low = scores.iter().copied().fold(threshold, f64::min);
    let high = scores.iter().copied().fold(threshold, f64::max);
    let room = 0.04 * (high - low).max(f64::MIN_POSITIVE);
    let axis = Axis::new((low - room, high + room), (left, right));
    ticks_below(&mut drawing, &axis, &axis.ticks(6.0), (top, bottom));
    let width = (high - low + 2.0 * room) / BINS as f64;
    let mut bins = [0_u32; BINS];
    for score in scores {
        let bin = ((score - low + room) / width) as usize;
        bins[bin.min(BINS - 1)] += 1;
    }
    let highest = bins.iter().copied().max().unwrap_or(1).max(1) as f32;
    for (bin, &count) in bins.iter().enumerate().filter(|(_, count)| **count > 0) {
        let start = low - room + bin as f64 * width;
        let height = (bottom - top - 10.0) * count as f32 / highest;
        let corner = (axis.px(start) + 1.0, bottom - height);
        drawing.bar(
            corner,
            (axis.px(start + width) - 1.0, bottom),
            Colour::Series(0),
        );
    }
    let at = axis.px(threshold);
    drawing.dashes([(at, top - 8.0), (at, bottom)], Colour::Series(1), 2.0);
    let align = if at > 320.0 {
        Align::Right
    } else {
        Align::Left
    };
    let label = format!("threshold {threshold:.3}");
    drawing.text(&label, (at, top - 16.0), align, TEXT, Colour::Series(1));
    drawing.text("score", (320.0, 288.0), Align::Centre, TEXT, Colour::Label);
    drawing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_two_significant_digits() {
        for (percent, text) in [
            (0.0, "0"),
            (13.6, "14"),
            (5.0, "5"),
            (2.94, "2.9"),
            (0.1, "0.1"),
            (0.01, "0.01"),
            (0.0123, "0.012"),
        ] {
            assert_eq!(round(percent), text, "{percent}");
        }
    }

    #[test]
    fn bound_without_rejects_is_three_over_the_count() {
        assert!((rule_of_three(100) - 0.0295).abs() < 1e-4);
    }

    #[test]
    fn configuration_has_the_camera_keys_only_if_they_are_set() {
        let plain = configuration(Path::new("/b"), View::default());
        assert_eq!(plain, "[model]\nbundle = \"/b\"");
        let view = View {
            rotation: Rotation::R90,
            crop: Some(super::super::photos::parse_crop("1,2,30,40").expect("a crop")),
        };
        let text = configuration(Path::new("/b"), view);
        assert!(text.ends_with(
            "[cameras.NAME]\nrotate = 90\ncrop = { left = 1, top = 2, right = 30, bottom = 40 }"
        ));
    }
}
