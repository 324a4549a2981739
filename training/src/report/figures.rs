//! Figures of an evaluation: score histograms, ROC, PRO and sPRO curves.

use super::Figure;
use crate::evaluate::GOOD;
use crate::evaluate::result::Evaluation;
use crate::figure::axis::{Axis, Tick};
use crate::figure::plot::{Axes, LegendEntry, Plot, TEXT, ticks_below};
use crate::figure::{Align, Colour, Drawing};
use crate::metrics::curve::{Curve, LimitedArea, area_at};
use crate::metrics::pixel::{PixelMetrics, SaturatedPro};

const SIZE: (u32, u32) = (640, 500);
/// Maximum number of types with a coloured ROC curve each; with more, curves would hide each other.
const CURVES: usize = 4;
/// Upper FPR limit of the map curves. Beyond it, a third of all good pixels is marked, which is not useful.
const MAP_FPR: f64 = 0.3;

/// Histograms: number of bins over the whole range, row height and bar height in pixels.
const BINS: usize = 60;
const ROW: f32 = 78.0;
const BARS: f32 = 42.0;
/// Ratio of the largest to the smallest score above which the axis is logarithmic.
const LOG_FROM: f64 = 40.0;

/// Curves of the maps, if ground truth exists.
pub(super) fn localisation(evaluation: &Evaluation) -> Option<Figure> {
    let pixel = evaluation.metrics.pixel.as_ref()?;
    Some(match &pixel.spro {
        Some(spro) => spro_figure(spro),
        None => pro_figure(pixel),
    })
}

/// ROC curves of the scores.
pub(super) fn roc(evaluation: &Evaluation) -> Figure {
    let image = &evaluation.metrics.image;
    let all = ("all anomalies".to_owned(), &image.all, Colour::Ink);
    let types = image.types.iter();
    let each = types
        .enumerate()
        .map(|(number, (name, metrics))| (name.replace('_', " "), metrics, Colour::Series(number)));
    let mut curves: Vec<_> = if image.types.len() > CURVES {
        vec![all]
    } else if image.types.len() == 1 {
        each.collect()
    } else {
        each.chain([all]).collect()
    };
    // Legend order; the curves are drawn in reverse, so that the first ones are on top.
    let entries: Vec<LegendEntry> = curves
        .iter()
        .map(|(name, metrics, colour)| entry(name, metrics.au_roc.value, *colour))
        .collect();
    let axes = Axes {
        x: (0.0, 1.0),
        y: (0.0, 1.0),
        x_name: "share of good images rejected",
        y_name: "share of anomalous images detected",
    };
    let mut plot = Plot::new("Image-level ROC", SIZE, &axes, &entries);
    plot.reference((0.0, 0.0), (1.0, 1.0));
    if image.types.len() > CURVES {
        for metrics in image.types.values() {
            plot.curve(points(&metrics.roc, 1.0), Colour::Frame, 1.0);
        }
    }
    curves.reverse();
    for (_, metrics, colour) in &curves {
        plot.curve(points(&metrics.roc, 1.0), *colour, 3.0);
    }
    let thin = if image.types.len() > CURVES {
        " Thin lines: anomaly types."
    } else {
        ""
    };
    Figure {
        name: "roc",
        caption: format!("Receiver operating characteristic. Numbers: area under the curve.{thin}"),
        drawing: plot.drawing,
    }
}

fn spro_figure(spro: &SaturatedPro) -> Figure {
    let subsets = [
        ("structural anomalies", &spro.structural, Colour::Series(1)),
        ("logical anomalies", &spro.logical, Colour::Series(0)),
    ];
    let curves: Vec<(&str, &Curve, f64, Colour)> = subsets
        .into_iter()
        .filter_map(|(name, subset, colour)| {
            let subset = subset.as_ref()?;
            Some((name, &subset.curve, area(&subset.au_spro, 0.05), colour))
        })
        .collect();
    Figure {
        name: "spro",
        caption: "Saturated per-region overlap of the maps with the ground truth, against the share of \
                  good pixels marked. Numbers: area up to FPR 0.05 (dashed line), normalised, as reported \
                  by MVTec LOCO AD."
            .to_owned(),
        drawing: map_curves("sPRO of the maps", "sPRO", &curves, 0.05),
    }
}

fn pro_figure(pixel: &PixelMetrics) -> Figure {
    let curves = [
        (
            "PRO",
            &pixel.pro,
            area(&pixel.au_pro, MAP_FPR),
            Colour::Series(0),
        ),
        ("pixel ROC", &pixel.roc, pixel.au_roc, Colour::Series(1)),
    ];
    Figure {
        name: "pro",
        caption: "Per-region overlap of the maps with the ground truth, and share of defect pixels \
                  detected, against the share of good pixels marked. Numbers: AU-PRO up to FPR 0.3, and \
                  the complete area under the pixel-level ROC curve."
            .to_owned(),
        drawing: map_curves("PRO of the maps", "PRO, true positive rate", &curves, MAP_FPR),
    }
}

fn map_curves(
    title: &str,
    y_name: &str,
    curves: &[(&str, &Curve, f64, Colour)],
    limit: f64,
) -> Drawing {
    let entries: Vec<LegendEntry> = curves
        .iter()
        .map(|(name, _, area, colour)| entry(name, *area, *colour))
        .collect();
    let axes = Axes {
        x: (0.0, MAP_FPR),
        y: (0.0, 1.0),
        x_name: "share of good pixels marked",
        y_name,
    };
    let mut plot = Plot::new(title, SIZE, &axes, &entries);
    if limit < MAP_FPR {
        plot.reference((limit, 0.0), (limit, 1.0));
    }
    for (_, curve, _, colour) in curves.iter().rev() {
        plot.curve(points(curve, MAP_FPR), *colour, 3.0);
    }
    plot.drawing
}

fn entry(name: &str, area: f64, colour: Colour) -> LegendEntry {
    LegendEntry {
        name: name.to_owned(),
        note: format!("{area:.3}"),
        colour,
    }
}

fn area(areas: &[LimitedArea], limit: f64) -> f64 {
    area_at(areas, limit).unwrap_or(f64::NAN)
}

/// Points of `curve` up to `limit`, with an interpolated last point.
fn points(curve: &Curve, limit: f64) -> Vec<(f64, f64)> {
    let all = curve.fpr.iter().copied().zip(curve.value.iter().copied());
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (fpr, value) in all {
        if fpr > limit {
            if let Some(&(from, at)) = points.last() {
                let share = (limit - from) / (fpr - from);
                points.push((limit, at + share * (value - at)));
            }
            break;
        }
        points.push((fpr, value));
    }
    points
}

/// Histograms of the scores of each type in rows, with the threshold across all rows.
pub(super) fn scores(evaluation: &Evaluation) -> Figure {
    let kinds: Vec<&str> = evaluation.kinds().collect();
    let (left, right, top) = (22.0, 618.0, 78.0);
    let bottom = top + ROW * kinds.len() as f32;
    let mut drawing = Drawing::new(SIZE.0, (bottom + 66.0) as u32, "Scores by type");
    drawing.text(
        "Scores by type",
        (left, 30.0),
        Align::Left,
        24.0,
        Colour::Ink,
    );
    let scale = ScoreScale::of(evaluation, (left, right));
    ticks_below(&mut drawing, &scale.axis, &scale.ticks(), (top, bottom));
    for (row, kind) in kinds.iter().enumerate() {
        histogram(
            &mut drawing,
            evaluation,
            kind,
            &scale,
            top + ROW * row as f32,
        );
    }
    let name = if scale.log {
        "score (log scale)"
    } else {
        "score"
    };
    let below = (f32::midpoint(left, right), bottom + 54.0);
    drawing.text(name, below, Align::Centre, TEXT, Colour::Label);
    threshold(&mut drawing, evaluation, &scale, (left, right), top);
    Figure {
        name: "scores",
        caption:
            "Number of images by score; each type is scaled to its own largest bin. Images to the \
                      right of the dashed line are rejected."
                .to_owned(),
        drawing,
    }
}

/// Horizontal axis of the scores.
struct ScoreScale {
    axis: Axis,
    low: f64,
    high: f64,
    log: bool,
}

impl ScoreScale {
    fn of(evaluation: &Evaluation, sides: (f32, f32)) -> Self {
        let scores = || evaluation.scores.iter().map(|scored| scored.score);
        let low = scores().fold(evaluation.threshold, f64::min);
        let high = scores().fold(evaluation.threshold, f64::max);
        let log = low > 0.0 && high / low > LOG_FROM;
        let place = |score: f64| if log { score.log10() } else { score };
        let (low, high) = (place(low), place(high));
        let room = 0.02 * (high - low).max(f64::MIN_POSITIVE);
        let (low, high) = (low - room, high + room);
        Self {
            axis: Axis::new((low, high), sides),
            low,
            high: if high > low { high } else { low + 1.0 },
            log,
        }
    }

    fn place(&self, score: f64) -> f64 {
        if self.log { score.log10() } else { score }
    }

    fn px(&self, score: f64) -> f32 {
        self.axis.px(self.place(score))
    }

    fn ticks(&self) -> Vec<Tick> {
        if self.log {
            self.axis.log_ticks()
        } else {
            self.axis.ticks(6.0)
        }
    }

    fn bin(&self, score: f64) -> usize {
        let share = (self.place(score) - self.low) / (self.high - self.low);
        ((share * BINS as f64) as usize).min(BINS - 1)
    }

    fn edge(&self, bin: usize) -> f32 {
        let share = bin as f64 / BINS as f64;
        self.axis.px(self.low + share * (self.high - self.low))
    }
}

fn histogram(
    drawing: &mut Drawing,
    evaluation: &Evaluation,
    kind: &str,
    scale: &ScoreScale,
    top: f32,
) {
    let mut bins = [0_u32; BINS];
    let of_kind = || {
        evaluation
            .scores
            .iter()
            .filter(|scored| scored.kind == kind)
    };
    for scored in of_kind() {
        bins[scale.bin(scored.score)] += 1;
    }
    let colour = Colour::Series(usize::from(kind != GOOD));
    let floor = top + ROW - 6.0;
    let fullest = bins.iter().copied().max().unwrap_or(1).max(1);
    for (bin, count) in bins.into_iter().enumerate().filter(|(_, count)| *count > 0) {
        // Keep a single image visible next to a hundred.
        let height = (BARS * count as f32 / fullest as f32).max(2.0);
        let (from, to) = (scale.edge(bin) + 0.5, scale.edge(bin + 1) - 0.5);
        drawing.bar((from, floor - height), (to, floor), colour);
    }
    let [left, right] = [0, BINS].map(|bin| scale.edge(bin));
    drawing.hairline((left, floor), (right, floor), Colour::Frame);
    let rejected = of_kind()
        .filter(|scored| scored.score > evaluation.threshold)
        .count();
    let images = of_kind().count();
    let line = top + 20.0;
    let name = format!("{} ({images})", kind.replace('_', " "));
    drawing.text(&name, (left, line), Align::Left, TEXT, Colour::Ink);
    let word = if kind == GOOD { "rejected" } else { "detected" };
    let note = format!("{rejected} of {images} {word}");
    drawing.text(&note, (right, line), Align::Right, TEXT, Colour::Label);
}

/// Draws the threshold line through the bars of all rows, with its label above.
fn threshold(
    drawing: &mut Drawing,
    evaluation: &Evaluation,
    scale: &ScoreScale,
    (left, right): (f32, f32),
    top: f32,
) {
    let at = scale.px(evaluation.threshold);
    drawing.hairline((at, top - 9.0), (at, top), Colour::Ink);
    for row in 0..evaluation.kinds().count() {
        let floor = top + ROW * (row + 1) as f32 - 6.0;
        drawing.dashes([(at, floor), (at, floor - BARS - 2.0)], Colour::Ink, 1.5);
    }
    let text = format!("threshold {:.3}", evaluation.threshold);
    let (place, align) = if at > f32::midpoint(left, right) {
        ((at + 4.0, top - 16.0), Align::Right)
    } else {
        ((at - 4.0, top - 16.0), Align::Left)
    };
    drawing.text(&text, place, align, TEXT, Colour::Ink);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curve_is_truncated_at_the_limit() {
        let curve = Curve {
            fpr: vec![0.0, 0.2, 0.4, 1.0],
            value: vec![0.0, 0.5, 0.7, 1.0],
        };
        let check = |limit, expected: &[(f64, f64)]| {
            let points = points(&curve, limit);
            assert_eq!(points.len(), expected.len(), "{points:?}");
            for (found, expected) in points.iter().zip(expected) {
                let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
                assert!(
                    near(found.0, expected.0) && near(found.1, expected.1),
                    "{points:?}"
                );
            }
        };
        check(0.3, &[(0.0, 0.0), (0.2, 0.5), (0.3, 0.6)]);
        check(1.0, &[(0.0, 0.0), (0.2, 0.5), (0.4, 0.7), (1.0, 1.0)]);
    }
}
