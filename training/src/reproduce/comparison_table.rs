//! A table as people read it and as programs do.

use std::fmt::Write as _;

use serde::Serialize;

use super::results::SeedStat;

/// Rows under a heading.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Heads of the columns, the first of the rows' names.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// One row.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What it is of.
    pub name: String,
    /// Its entries.
    pub entries: Vec<TableEntry>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TableEntry {
    /// Nothing was measured or reported.
    None,
    /// As the paper has it.
    Reported(String),
    /// Measured, written with so many digits after a factor.
    Measured {
        /// The figure, a share of one.
        #[serde(flatten)]
        stat: SeedStat,
        /// 1, or 100 for per cent.
        #[serde(skip)]
        factor: f64,
        /// Digits after the point.
        #[serde(skip)]
        digits: usize,
    },
    /// Two measured figures, as `98.6/99.5`.
    Pair(Box<[TableEntry; 2]>),
}

impl TableEntry {
    /// A share of one with three digits.
    pub fn share(stat: Option<SeedStat>) -> Self {
        Self::measured(stat, 1.0, 3)
    }

    /// Per cent with `digits` digits.
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

    /// As reported, or nothing.
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
    /// As a table of Markdown with its columns aligned, readable as it is.
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
                // Writing to a string does not fail.
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
    fn a_table_is_aligned_and_says_what_is_not_there() {
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
