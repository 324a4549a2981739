//! Tables without borders: text to the left, numbers to the right.

use anstyle::{AnsiColor, Color, Effects, Style};
use comfy_table::{Attribute, Cell, CellAlignment, Table, presets};

/// The spaces between two columns.
const GAP: u16 = 2;

/// A column: its heading and its alignment.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    heading: &'static str,
    alignment: CellAlignment,
}

impl Column {
    /// A column of text, aligned to the left.
    pub const fn text(heading: &'static str) -> Self {
        Self {
            heading,
            alignment: CellAlignment::Left,
        }
    }

    /// A column of numbers, aligned to the right.
    pub const fn number(heading: &'static str) -> Self {
        Self {
            heading,
            alignment: CellAlignment::Right,
        }
    }
}

/// A cell in this style.
pub fn styled(text: impl ToString, style: Style) -> Cell {
    let cell = Cell::new(text);
    let cell = match style.get_fg_color() {
        Some(Color::Ansi(color)) => cell.fg(table_color(color)),
        Some(_) | None => cell,
    };
    if style.get_effects().contains(Effects::BOLD) {
        cell.add_attribute(Attribute::Bold)
    } else {
        cell
    }
}

fn table_color(color: AnsiColor) -> comfy_table::Color {
    match color {
        AnsiColor::Green => comfy_table::Color::DarkGreen,
        AnsiColor::Red => comfy_table::Color::DarkRed,
        AnsiColor::Yellow => comfy_table::Color::DarkYellow,
        AnsiColor::Magenta => comfy_table::Color::DarkMagenta,
        AnsiColor::Blue => comfy_table::Color::DarkBlue,
        _ => comfy_table::Color::Reset,
    }
}

/// Renders the rows under their headings, a line each. The styles are in the text: the writer removes them
/// where standard output is not a terminal.
pub fn render<const N: usize>(columns: [Column; N], rows: Vec<[Cell; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).enforce_styling();
    table.style_text_only();
    table
        .set_header(columns.map(|column| Cell::new(column.heading).add_attribute(Attribute::Bold)));
    table.add_rows(rows);
    for (column, Column { alignment, .. }) in table.column_iter_mut().zip(columns) {
        column.set_padding((0, GAP)).set_cell_alignment(alignment);
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let columns = [
            Column::text("camera"),
            Column::number("n"),
            Column::text("note"),
        ];
        let warning = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
        let rows = vec![
            [Cell::new("top"), Cell::new(7), styled("good", warning)],
            [Cell::new("bottom"), styled(12345, warning), Cell::new("")],
        ];
        assert_eq!(
            plain(&render(columns, rows)),
            "camera      n  note\ntop         7  good\nbottom  12345\n"
        );
    }

    #[test]
    fn table_without_rows_is_its_headings() {
        let columns = [Column::text("a"), Column::number("b")];
        assert_eq!(plain(&render(columns, Vec::new())), "a  b\n");
    }
}
