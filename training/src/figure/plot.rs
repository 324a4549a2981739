//! Plot with axes, grid, axis names and legend.

use super::axis::{Axis, Tick};
use super::{Align, Colour, Drawing, Point};

/// Text size; readable on a phone in a figure of 640 pixels.
pub(crate) const TEXT: f32 = 20.0;
const LEFT: f32 = 74.0;
const RIGHT: f32 = 22.0;
const BELOW: f32 = 64.0;
const TITLE: f32 = 44.0;
const LEGEND_LINE: f32 = 28.0;
/// Length of a curve's sample line in the legend, and the gap after it.
const SAMPLE: f32 = 24.0;
const GAP: f32 = 9.0;

/// Legend entry: a name, and a note such as a value.
#[derive(Clone, Debug)]
pub(crate) struct LegendEntry {
    pub(crate) name: String,
    pub(crate) note: String,
    pub(crate) colour: Colour,
}

/// Ranges and names of the axes.
#[derive(Clone, Debug)]
pub(crate) struct Axes<'a> {
    pub(crate) x: (f64, f64),
    pub(crate) y: (f64, f64),
    pub(crate) x_name: &'a str,
    pub(crate) y_name: &'a str,
}

/// A drawing with axes.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) drawing: Drawing,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

impl Plot {
    /// Draws axes in a drawing of `size` pixels, below `title` and a legend with `entries`.
    pub(crate) fn new(
        title: &str,
        (width, height): (u32, u32),
        axes: &Axes,
        entries: &[LegendEntry],
    ) -> Self {
        let mut drawing = Drawing::new(width, height, title);
        let (left, right) = (LEFT, width as f32 - RIGHT);
        drawing.text(title, (left, 30.0), Align::Left, 24.0, Colour::Ink);
        // Leaves space for the name of the y axis, which is above the axis.
        let top = legend(&mut drawing, entries, (left, right), TITLE) + 42.0;
        let bottom = height as f32 - BELOW;
        let mut plot = Self {
            drawing,
            x: Axis::new(axes.x, (left, right)),
            y: Axis::new(axes.y, (bottom, top)),
        };
        plot.grid((left, right), (top, bottom));
        let middle = f32::midpoint(left, right);
        let below = (middle, height as f32 - 12.0);
        let name = &mut plot.drawing;
        name.text(axes.x_name, below, Align::Centre, TEXT, Colour::Label);
        let above = (left, top - 12.0);
        name.text(axes.y_name, above, Align::Left, TEXT, Colour::Label);
        plot
    }

    fn grid(&mut self, (left, right): Point, (top, bottom): Point) {
        let drawing = &mut self.drawing;
        for Tick { at, label } in self.y.ticks(5.0) {
            let at = self.y.px(at);
            drawing.hairline((left, at), (right, at), Colour::Grid);
            let label = label.unwrap_or_default();
            let place = (left - 10.0, at + 6.0);
            drawing.text(&label, place, Align::Right, TEXT, Colour::Label);
        }
        ticks_below(drawing, &self.x, &self.x.ticks(6.0), (top, bottom));
        drawing.hairline((left, top), (left, bottom), Colour::Frame);
        drawing.hairline((left, bottom), (right, bottom), Colour::Frame);
    }

    /// Draws a polyline through `points`, in axis values.
    pub(crate) fn curve(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        colour: Colour,
        width: f32,
    ) {
        let (x, y) = (self.x, self.y);
        let points = points.into_iter().map(|(a, b)| (x.px(a), y.px(b)));
        self.drawing.lines(points, colour, 1.0, width);
    }

    /// Draws a dashed line from `from` to `to`, in axis values.
    pub(crate) fn reference(&mut self, from: (f64, f64), to: (f64, f64)) {
        let place = |(a, b): (f64, f64)| (self.x.px(a), self.y.px(b));
        let points = [place(from), place(to)];
        self.drawing.dashes(points, Colour::Label, 1.5);
    }
}

/// Draws vertical grid lines from `top` to `bottom` with labels below.
pub(crate) fn ticks_below(
    drawing: &mut Drawing,
    x: &Axis,
    ticks: &[Tick],
    (top, bottom): (f32, f32),
) {
    for tick in ticks {
        let at = x.px(tick.at);
        let colour = if tick.label.is_some() {
            Colour::Grid
        } else {
            Colour::FineGrid
        };
        drawing.hairline((at, top), (at, bottom), colour);
        let label = tick.label.as_deref().unwrap_or_default();
        let place = (at, bottom + 25.0);
        drawing.text(label, place, Align::Centre, TEXT, Colour::Label);
    }
}

/// Draws the legend in as many lines as needed; returns the baseline of the last line.
pub(crate) fn legend(
    drawing: &mut Drawing,
    entries: &[LegendEntry],
    (left, right): (f32, f32),
    top: f32,
) -> f32 {
    // Infinity, so that the first entry starts a new line.
    let (mut x, mut y) = (f32::INFINITY, top);
    for entry in entries {
        let text = |text: &str| super::text_width(text, TEXT);
        let needed = SAMPLE + GAP + text(&entry.name) + GAP + text(&entry.note);
        if x + needed > right {
            (x, y) = (left, y + LEGEND_LINE);
        }
        let sample = [(x, y - 6.0), (x + SAMPLE, y - 6.0)];
        drawing.lines(sample, entry.colour, 1.0, 4.0);
        x += SAMPLE + GAP;
        x += drawing.text(&entry.name, (x, y), Align::Left, TEXT, Colour::Ink) + GAP;
        x += drawing.text(&entry.note, (x, y), Align::Left, TEXT, Colour::Label) + 24.0;
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> LegendEntry {
        LegendEntry {
            name: name.to_owned(),
            note: "0.987".to_owned(),
            colour: Colour::Series(0),
        }
    }

    #[test]
    fn legend_wraps_to_as_many_lines_as_needed() {
        let check = |names: &[&str], lines: f32| {
            let mut drawing = Drawing::new(400, 100, "");
            let entries: Vec<LegendEntry> = names.iter().map(|name| entry(name)).collect();
            let end = legend(&mut drawing, &entries, (10.0, 390.0), 0.0);
            assert!((end - lines * LEGEND_LINE).abs() < 0.1, "{names:?}: {end}");
        };
        check(&[], 0.0);
        check(&["good", "bent"], 1.0);
        check(&["good", "structural anomalies", "logical anomalies"], 3.0);
    }
}
