//! Figures as SVG elements, with the colours of the page's style.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

/// Width and height of a figure in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;

/// Room for the labels.
const LEFT: f64 = 62.0;
const RIGHT: f64 = 96.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;

/// Labels of an axis, at most about so many.
const TICKS: f64 = 6.0;

/// A figure with a horizontal axis of numbered things and a vertical axis of scores.
pub(super) struct Chart {
    svg: String,
    columns: f64,
    scores: RangeInclusive<f64>,
}

impl Chart {
    /// A chart of `columns` things, which shows all the values.
    pub fn new(title: &str, columns: usize, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        // Equal values get a range around them.
        let room = ((high - low) * 0.06).max(high.abs().max(1e-6) * 1e-3);
        let mut svg = String::new();
        let _ = write!(
            svg,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{}</title>",
            escaped(title)
        );
        let mut chart = Self {
            svg,
            columns: columns.max(1) as f64,
            scores: low - room..=high + room,
        };
        chart.axis();
        chart
    }

    fn x(&self, column: f64) -> f64 {
        LEFT + (column + 0.5) / self.columns * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, score: f64) -> f64 {
        let share = (score - self.scores.start()) / (self.scores.end() - self.scores.start());
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn axis(&mut self) {
        let span = self.scores.end() - self.scores.start();
        let step = round_step(span / TICKS);
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let first = (self.scores.start() / step).ceil() as i64;
        let last = (self.scores.end() / step).floor() as i64;
        for tick in first..=last {
            let value = tick as f64 * step;
            let y = self.y(value);
            let _ = write!(
                self.svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.digits$}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0
            );
        }
    }

    /// A horizontal line with its name on the right.
    pub fn level(&mut self, class: &str, name: &str, score: f64) {
        let y = self.y(score);
        let _ = write!(
            self.svg,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT,
            WIDTH - RIGHT + 6.0,
            y + 4.0,
            escaped(name)
        );
    }

    /// A dot.
    pub fn dot(&mut self, class: &str, column: usize, score: f64) {
        let (x, y) = (self.x(column as f64), self.y(score));
        let _ = write!(
            self.svg,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.2\"/>"
        );
    }

    /// A line through the scores, one for each column.
    pub fn line(&mut self, scores: &[f64]) {
        let points = scores
            .iter()
            .enumerate()
            .map(|(column, score)| format!("{:.1},{:.1}", self.x(column as f64), self.y(*score)));
        let points: Vec<String> = points.collect();
        let _ = write!(
            self.svg,
            "<polyline class=\"run\" points=\"{}\"/>",
            points.join(" ")
        );
    }

    /// Names of columns below the axis; some are left out if there are many.
    pub fn columns(&mut self, names: &[String], caption: &str) {
        let longest = names
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(1);
        let room = (WIDTH - LEFT - RIGHT) / (7.0 * longest as f64 + 10.0);
        let every = (names.len() as f64 / room).ceil().max(1.0) as usize;
        for (column, name) in names.iter().enumerate().step_by(every) {
            let _ = write!(
                self.svg,
                "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                self.x(column as f64),
                HEIGHT - BOTTOM + 15.0,
                escaped(name)
            );
        }
        let _ = write!(
            self.svg,
            "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, WIDTH - RIGHT),
            HEIGHT - 4.0,
            escaped(caption)
        );
    }

    /// The element.
    pub fn svg(mut self) -> String {
        let _ = write!(
            self.svg,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/></svg>",
            WIDTH - RIGHT,
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM
        );
        self.svg
    }
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let fits = steps.into_iter().find(|step| *step >= least * (1.0 - 1e-9));
    fits.unwrap_or(10.0 * power)
}

fn escaped(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    text.replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (least, expected) in [
            (0.013, 0.02),
            (0.2, 0.2),
            (0.21, 0.5),
            (6.0, 10.0),
            (1e-7, 1e-7),
        ] {
            let found = round_step(least);
            assert!((found / expected - 1.0).abs() < 1e-9, "{least}: {found}");
        }
    }

    #[test]
    fn all_scores_are_inside_the_figure() {
        for values in [vec![0.1, 0.9, -3.0], vec![0.25; 4], vec![0.0], vec![]] {
            let mut chart = Chart::new("a <b>", values.len(), values.iter().copied());
            for (column, value) in values.iter().enumerate() {
                let (x, y) = (chart.x(column as f64), chart.y(*value));
                assert!((LEFT..WIDTH - RIGHT).contains(&x), "{x}");
                assert!((TOP..HEIGHT - BOTTOM).contains(&y), "{values:?}: {y}");
                chart.dot("good", column, *value);
            }
            let names: Vec<String> = (0..values.len()).map(|number| number.to_string()).collect();
            chart.columns(&names, "parts");
            let svg = chart.svg();
            assert!(
                svg.contains("a &lt;b&gt;") && svg.ends_with("</svg>"),
                "{svg}"
            );
            assert_eq!(svg.matches("<circle").count(), values.len());
        }
    }
}
