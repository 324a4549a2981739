//! Bar chart of the loss weights in Fig. 7.

use super::comparison_table::{Table, TableEntry};
use crate::figure::axis::Axis;
use crate::figure::plot::{LegendEntry, TEXT, legend};
use crate::figure::{Align, Colour, Drawing};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 560;
const LEFT: f32 = 74.0;
const RIGHT: f32 = WIDTH as f32 - 22.0;
const TITLE: f32 = 44.0;
const BOTTOM: f32 = HEIGHT as f32 - 64.0;

/// Fraction of a group's width that its bars fill.
const FILLED: f32 = 0.8;

/// Draws one group of bars per row of `table`, with one bar per column.
pub(super) fn bars(table: &Table) -> Drawing {
    let title = "Loss weights";
    let mut drawing = Drawing::new(WIDTH, HEIGHT, title);
    drawing.text(title, (LEFT, 30.0), Align::Left, 24.0, Colour::Ink);
    let names = &table.columns[1..];
    let named = |(number, name): (usize, &String)| LegendEntry {
        name: name.clone(),
        note: String::new(),
        colour: Colour::Series(number),
    };
    let entries: Vec<LegendEntry> = names.iter().enumerate().map(named).collect();
    let top = legend(&mut drawing, &entries, (LEFT, RIGHT), TITLE) + 22.0;
    let y = Axis::new((0.0, 1.0), (BOTTOM, top));
    for tick in y.ticks(5.0) {
        let at = y.px(tick.at);
        drawing.hairline((LEFT, at), (RIGHT, at), Colour::Grid);
        let label = tick.label.unwrap_or_default();
        let place = (LEFT - 10.0, at + 6.0);
        drawing.text(&label, place, Align::Right, TEXT, Colour::Label);
    }
    let group_width = (RIGHT - LEFT) / table.rows.len().max(1) as f32;
    let width = FILLED * group_width / names.len().max(1) as f32;
    for (group, row) in table.rows.iter().enumerate() {
        let left = LEFT + group as f32 * group_width;
        let first = left + (1.0 - FILLED) / 2.0 * group_width;
        for (number, entry) in row.entries.iter().enumerate() {
            let TableEntry::Measured { stat, .. } = entry else {
                continue;
            };
            let from = first + number as f32 * width;
            let corner = (from, y.px(stat.mean));
            drawing.bar(corner, (from + 0.9 * width, BOTTOM), Colour::Series(number));
        }
        let middle = (left + group_width / 2.0, BOTTOM + 24.0);
        drawing.text(&row.name, middle, Align::Centre, TEXT, Colour::Label);
    }
    drawing.hairline((LEFT, BOTTOM), (RIGHT, BOTTOM), Colour::Frame);
    let below = (f32::midpoint(LEFT, RIGHT), HEIGHT as f32 - 12.0);
    drawing.text(&table.columns[0], below, Align::Centre, TEXT, Colour::Label);
    drawing
}
