//! Curve figures of an evaluation: ROC, PRO and sPRO.

use super::Figure;
use crate::evaluate::result::Evaluation;
use crate::figure::plot::{Axes, LegendEntry, Plot};
use crate::figure::{Colour, Drawing};
use crate::metrics::curve::{Curve, LimitedArea, area_at};
use crate::metrics::pixel::{PixelMetrics, SaturatedPro};

const SIZE: (u32, u32) = (640, 500);
/// Maximum number of types with a coloured ROC curve each; with more, curves would hide each other.
const CURVES: usize = 4;
/// Upper FPR limit of the map curves. Beyond it, a third of all good pixels is marked, which is not useful.
const MAP_FPR: f64 = 0.3;

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
