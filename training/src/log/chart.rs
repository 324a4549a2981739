//! The chart of `curves.png`: a title, a legend, a grid with labels, and the curves.

use image::RgbImage;

use crate::figure::axis::{Axis, Tick};
use crate::figure::{Align, Colour, Drawing};

const WIDTH: u32 = 1200;
const HEIGHT: u32 = 700;

/// Sides of the plot area, pixels from the upper left corner. The margin contains the labels.
const LEFT: f32 = 84.0;
const RIGHT: f32 = WIDTH as f32 - 36.0;
const TOP: f32 = 96.0;
const BOTTOM: f32 = HEIGHT as f32 - 66.0;

/// A curve: steps and logarithms of values.
pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    pub(super) colour: Colour,
    pub(super) raw: Vec<(f64, f64)>,
    pub(super) smooth: Vec<(f64, f64)>,
}

/// Draws the chart of `curves`.
pub(super) fn draw(curves: &[Curve], title: &str) -> RgbImage {
    let (x, y) = axes(curves);
    let mut canvas = Drawing::new(WIDTH, HEIGHT, title);
    grid(&mut canvas, &x, &y);
    canvas.text(title, (LEFT, 42.0), Align::Left, 26.0, Colour::Ink);
    legend(&mut canvas, curves);
    for curve in curves {
        let place = |&(step, value): &(f64, f64)| (x.px(step), y.px(value));
        canvas.lines(curve.raw.iter().map(place), curve.colour, 0.25, 1.0);
    }
    // All smoothed lines are drawn above all raw lines.
    for curve in curves {
        let place = |&(step, value): &(f64, f64)| (x.px(step), y.px(value));
        canvas.lines(curve.smooth.iter().map(place), curve.colour, 1.0, 2.5);
    }
    canvas.raster(1.0)
}

/// Returns axes that contain all curves: steps from zero, logarithms with a margin.
fn axes(curves: &[Curve]) -> (Axis, Axis) {
    let points = || curves.iter().flat_map(|curve| &curve.raw);
    let last_step = points().map(|point| point.0).fold(1.0, f64::max);
    let low = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = points()
        .map(|point| point.1)
        .fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if low <= high {
        (low, high)
    } else {
        (-1.0, 0.0)
    };
    let margin = (0.04 * (high - low)).max(0.02);
    (
        Axis::new((0.0, last_step), (LEFT, RIGHT)),
        Axis::new((low - margin, high + margin), (BOTTOM, TOP)),
    )
}

fn grid(canvas: &mut Drawing, x: &Axis, y: &Axis) {
    let ticks = y.log_ticks();
    let (labelled, fine): (Vec<&Tick>, Vec<&Tick>) =
        ticks.iter().partition(|tick| tick.label.is_some());
    for (ticks, colour) in [(fine, Colour::FineGrid), (labelled, Colour::Grid)] {
        for tick in ticks {
            let at = y.px(tick.at);
            canvas.hairline((LEFT, at), (RIGHT, at), colour);
            canvas.text(
                tick.label.as_deref().unwrap_or_default(),
                (LEFT - 10.0, at + 5.0),
                Align::Right,
                17.0,
                Colour::Label,
            );
        }
    }
    for tick in x.count_ticks() {
        let at = x.px(tick.at);
        canvas.hairline((at, TOP), (at, BOTTOM), Colour::Grid);
        canvas.hairline((at, BOTTOM), (at, BOTTOM + 5.0), Colour::Frame);
        canvas.text(
            &tick.label.unwrap_or_default(),
            (at, BOTTOM + 24.0),
            Align::Centre,
            17.0,
            Colour::Label,
        );
    }
    canvas.hairline((LEFT, TOP), (LEFT, BOTTOM), Colour::Frame);
    canvas.hairline((LEFT, BOTTOM), (RIGHT, BOTTOM), Colour::Frame);
    canvas.text(
        "step",
        (f32::midpoint(LEFT, RIGHT), BOTTOM + 50.0),
        Align::Centre,
        18.0,
        Colour::Label,
    );
    canvas.text(
        "loss (log scale)",
        (RIGHT, TOP - 22.0),
        Align::Right,
        17.0,
        Colour::Label,
    );
}

/// Draws the legend: the name of each curve with its last smoothed value.
fn legend(canvas: &mut Drawing, curves: &[Curve]) {
    let (mut x, y) = (LEFT, TOP - 22.0);
    for curve in curves {
        canvas.lines(
            [(x + 2.0, y - 5.0), (x + 24.0, y - 5.0)],
            curve.colour,
            1.0,
            3.0,
        );
        x += 34.0;
        x += canvas.text(curve.name, (x, y), Align::Left, 18.0, Colour::Ink) + 8.0;
        if let Some((_, logarithm)) = curve.smooth.last() {
            x += canvas.text(
                &significant(10_f64.powf(*logarithm)),
                (x, y),
                Align::Left,
                18.0,
                Colour::Label,
            );
        }
        x += 30.0;
    }
}

/// Formats `value` with three significant digits.
fn significant(value: f64) -> String {
    let power = value.log10().floor() as i32;
    if (-4..3).contains(&power) {
        format!("{value:.*}", (2 - power) as usize)
    } else {
        format!("{value:.2e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_formatted_with_three_significant_digits() {
        assert_eq!(
            [0.031_24, 1.5, 123.4, 1e-7].map(significant),
            ["0.0312", "1.50", "123", "1.00e-7"]
        );
    }
}
