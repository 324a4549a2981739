//! A table of counts by two decisions about the same frames or parts.

use comfy_table::Cell;
use inspectd_client::proto::Decision;

use crate::format;
use crate::table::{self, Column, styled};

/// The decisions, in the order of the table.
const ALL: [Decision; 4] = [
    Decision::Pass,
    Decision::Review,
    Decision::Reject,
    Decision::Fault,
];

/// The number of frames or parts with a first and a second decision.
pub type DecisionCount = (Decision, Decision, u64);

/// Renders the counts: the first decision in the rows, after `rows`; the second one in the columns, after `heading`. Rows
/// without a count are left out.
pub fn render(heading: &'static str, rows: &str, counts: &[DecisionCount]) -> String {
    let sum = |row: Decision, column: Decision| {
        let of = counts.iter();
        let of = of.filter(|(first, second, _)| (*first, *second) == (row, column));
        of.map(|(_, _, count)| count).sum::<u64>()
    };
    let row = |first: Decision| {
        let cell = |second: Decision| match sum(first, second) {
            0 => Cell::new("-"),
            count if first == second => Cell::new(count),
            count => styled(count, format::decision_style(second)),
        };
        let [pass, review, reject, fault] = ALL.map(cell);
        let name = format::decision(first).to_uppercase();
        let name = Cell::new(format!("{rows} {name}"));
        [name, pass, review, reject, fault]
    };
    let occurs = |decision: &Decision| counts.iter().any(|(first, ..)| first == decision);
    let columns = [
        Column::text(heading),
        Column::number("PASS"),
        Column::number("REVIEW"),
        Column::number("REJECT"),
        Column::number("FAULT"),
    ];
    table::render(columns, ALL.into_iter().filter(occurs).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_a_count_are_left_out() {
        let counts = [
            (Decision::Reject, Decision::Reject, 3),
            (Decision::Pass, Decision::Reject, 7),
            (Decision::Pass, Decision::Pass, 290),
        ];
        let table = anstream::adapter::strip_str(&render("shadow:", "active", &counts)).to_string();
        assert_eq!(
            table,
            "shadow:        PASS  REVIEW  REJECT  FAULT\n\
             active PASS     290       -       7      -\n\
             active REJECT     -       -       3      -\n"
        );
    }
}
