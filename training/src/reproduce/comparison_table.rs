//! A comparison table, written as Markdown and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::results::SeedStat;

/// A table.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Title.
    pub title: String,
    /// Column names; the first is that of the row names.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Notes below the table.
    pub notes: Vec<String>,
}

/// A row.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Name.
    pub name: String,
    /// Entries.
    pub entries: Vec<TableEntry>,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TableEntry {
    /// No value.
    None,
    /// Value from the paper.
    Reported(String),
    /// Measured value.
    Measured {
        /// Value as a fraction of one.
        #[serde(flatten)]
        stat: SeedStat,
        /// Factor for display: 1, or 100 for per cent.
        #[serde(skip)]
        factor: f64,
        /// Number of decimals for display.
        #[serde(skip)]
        digits: usize,
    },
    /// Two measured values, shown as `98.6 / 99.5`.
    Pair(Box<[TableEntry; 2]>),
}

impl TableEntry {
    /// A fraction of one, shown with three decimals.
    pub fn share(stat: Option<SeedStat>) -> Self {
        Self::measured(stat, 1.0, 3)
    }

    /// A fraction of one, shown in per cent with `digits` decimals.
    pub fn percent(stat: Option<SeedStat>, digits: usize) -> Self {
        Self::measured(stat, 100.0, digits)
    }

    fn measured(stat: Option<SeedStat>, factor: f64, digits: usize) -> Self {
        stat.map_or(Self::None, |stat| Self::Measured {
            stat,
            factor,
            digits,
        })
    }

    /// A value from the paper, or no value.
    pub fn reported(figure: Option<&str>) -> Self {
        figure.map_or(Self::None, |figure| Self::Reported(figure.to_owned()))
    }

    fn text(&self) -> String {
        match self {
            Self::None => "-".into(),
            Self::Reported(text) => text.clone(),
            Self::Measured {
                stat,
                factor,
                digits,
            } => {
                let mean = format!("{:.*}", digits, factor * stat.mean);
                match stat.std {
                    Some(std) => format!("{mean} ± {:.*}", digits, factor * std),
                    None => mean,
                }
            }
            Self::Pair(pair) => {
                let [one, other] = &**pair;
                format!("{} / {}", one.text(), other.text())
            }
        }
    }
}

impl Table {
    /// Formats the table as Markdown with aligned columns.
    pub fn markdown(&self) -> String {
        let mut lines = vec![self.columns.clone()];
        for row in &self.rows {
            let entries = row.entries.iter().map(TableEntry::text);
            lines.push(std::iter::once(row.name.clone()).chain(entries).collect());
        }
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut text = format!("**{}**\n\n", self.title);
        for (number, line) in lines.iter().enumerate() {
            for (cell, &width) in line.iter().zip(&widths) {
                // Writing to a string cannot fail.
                let _ = write!(text, "| {cell:<width$} ");
            }
            text.push_str("|\n");
            if number == 0 {
                for width in &widths {
                    let _ = write!(text, "|{}", "-".repeat(width + 2));
                }
                text.push_str("|\n");
            }
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_aligned_and_shows_missing_values() {
        let stat = |mean, std| {
            Some(SeedStat {
                mean,
                std,
                seeds: 1,
            })
        };
        let table = Table {
            title: "T".into(),
            columns: vec!["Method".into(), "A".into(), "B".into()],
            rows: vec![
                Row {
                    name: "MHKD, paper".into(),
                    entries: vec![
                        TableEntry::reported(Some("0.829")),
                        TableEntry::reported(None),
                    ],
                },
                Row {
                    name: "MHKD".into(),
                    entries: vec![
                        TableEntry::share(stat(0.81234, Some(0.01))),
                        TableEntry::Pair(Box::new([
                            TableEntry::percent(stat(0.986, None), 1),
                            TableEntry::percent(None, 1),
                        ])),
                    ],
                },
            ],
            notes: vec!["N".into()],
        };
        let expected = "\
**T**

| Method      | A             | B        |
|-------------|---------------|----------|
| MHKD, paper | 0.829         | -        |
| MHKD        | 0.812 ± 0.010 | 98.6 / - |

N
";
        assert_eq!(table.markdown(), expected);
    }
}
